#include "kaon/net/address.h"

#include <gtest/gtest.h>

#include "kaon/net/ip_range.h"

namespace kaon::net {
namespace {

TEST(IpAddress, ParsesAndWritesTheCanonicalForm) {
  const std::pair<const char*, const char*> cases[] = {
      {"1.2.3.4", "1.2.3.4"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:db8::", "2001:db8::"},
      {"fe80::1%3", "fe80::1%3"},
      {"::ffff:1.2.3.4", "::ffff:102:304"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
  };
  for (const auto& [in, out] : cases) {
    const auto ip = IpAddress::parse(in);
    ASSERT_TRUE(ip) << in;
    EXPECT_EQ(ip->to_string(), out);
  }
}

TEST(IpAddress, RejectsWhatIsNoAddress) {
  for (const char* text :
       {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
        "1::2::3", "12345::", "g::", "::1.2.3", "::%x", "localhost", "1:", ":1"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(IpAddress, KnowsTheSpecialRanges) {
  EXPECT_TRUE(IpAddress::parse("127.9.9.9")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("fe80::1")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("169.254.1.1")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("172.31.0.1")->is_private());
  EXPECT_FALSE(IpAddress::parse("172.32.0.1")->is_private());
  EXPECT_TRUE(IpAddress::parse("224.0.0.251")->is_multicast());
  EXPECT_TRUE(IpAddress::any(Family::V6).is_any());
  EXPECT_EQ(IpAddress::parse("::ffff:10.0.0.1")->unmapped().to_string(), "10.0.0.1");
}

TEST(Endpoint, ParsesBothFamilies) {
  EXPECT_EQ(Endpoint::parse("1.2.3.4:80")->to_string(), "1.2.3.4:80");
  EXPECT_EQ(Endpoint::parse("[::1]:80")->to_string(), "[::1]:80");
  for (const char* text : {"1.2.3.4", "::1:80", "[1.2.3.4]:80", "1.2.3.4:65536", "[::1]"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(IpRange, HoldsTheAddressesThatShareItsBits) {
  const auto contains = [](const char* range, const char* ip) {
    return IpRange::parse(range)->contains(*IpAddress::parse(ip));
  };
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(contains("172.16.0.0/12", "172.31.255.255"));
  EXPECT_FALSE(contains("172.16.0.0/12", "172.32.0.0"));
  EXPECT_TRUE(contains("0.0.0.0/0", "255.1.2.3"));
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "::ffff:10.0.0.1"));
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(contains("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(contains("192.0.2.7", "192.0.2.6"));
  EXPECT_EQ(IpRange::parse("10.1.2.3/8")->to_string(), "10.0.0.0/8");
  EXPECT_FALSE(IpRange().contains(IpAddress()));
  for (const char* text : {"", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8 "}) {
    EXPECT_FALSE(IpRange::parse(text)) << text;
  }
}

TEST(Endpoint, HashesDifferForNeighbours) {
  const std::hash<Endpoint> hash;
  EXPECT_NE(hash(*Endpoint::parse("1.2.3.4:80")), hash(*Endpoint::parse("1.2.3.4:81")));
  EXPECT_NE(hash(*Endpoint::parse("1.2.3.4:80")), hash(*Endpoint::parse("1.2.3.5:80")));
}

}  // namespace
}  // namespace kaon::net
