#include "kaon/ice/candidate.h"

#include <gtest/gtest.h>

#include <map>

#include "kaon/base/random.h"
#include "kaon/base/text.h"
#include "kaon/ice/credentials.h"

namespace kaon::ice {
namespace {

net::Endpoint at(std::string_view text) { return *net::Endpoint::parse(text); }

TEST(IceCandidate, ReadsWhatBrowsersWrite) {
  const auto chromium = Candidate::parse(
      "a=candidate:4277812125 1 udp 2122260223 192.168.7.2 51472 typ host generation 0 ufrag Qx3d network-id 1 "
      "network-cost 50");
  ASSERT_TRUE(chromium.has_value());
  EXPECT_EQ(chromium->foundation, "4277812125");
  EXPECT_EQ(chromium->priority, 2122260223u);
  EXPECT_EQ(chromium->address, at("192.168.7.2:51472"));
  EXPECT_EQ(chromium->ufrag, "Qx3d");
  EXPECT_EQ(chromium->network_id, 1);
  EXPECT_EQ(chromium->network_cost, 50);
  ASSERT_EQ(chromium->extensions.size(), 1u);
  EXPECT_EQ(chromium->extensions[0].first, "generation");

  const auto mdns =
      Candidate::parse("candidate:1 1 UDP 2113937151 1f4d0d2e-6ad5-4f5f-8c5c-7f1d3a1f4b0e.local 40000 typ host\r\n");
  ASSERT_TRUE(mdns.has_value());
  EXPECT_EQ(mdns->hostname, "1f4d0d2e-6ad5-4f5f-8c5c-7f1d3a1f4b0e.local");
  EXPECT_TRUE(mdns->address.ip.is_none());

  const auto firefox_tcp = Candidate::parse("candidate:1 1 TCP 2105524479 192.168.7.2 9 typ host tcptype active");
  ASSERT_TRUE(firefox_tcp.has_value());
  EXPECT_EQ(firefox_tcp->protocol, net::Protocol::Tcp);
  EXPECT_EQ(firefox_tcp->tcp_type, TcpType::Active);

  const auto srflx = Candidate::parse("candidate:2 1 udp 1694498815 203.0.113.5 60000 typ srflx raddr 0.0.0.0 rport 0");
  ASSERT_TRUE(srflx.has_value());
  EXPECT_EQ(srflx->related, at("0.0.0.0:0"));

  const auto relay =
      Candidate::parse("candidate:3 1 udp 41885439 2001:db8::9 50000 typ relay raddr 2001:db8::1 rport 4000");
  ASSERT_TRUE(relay.has_value());
  EXPECT_EQ(relay->type, CandidateType::Relayed);
  EXPECT_EQ(relay->address, at("[2001:db8::9]:50000"));
}

TEST(IceCandidate, ARelatedAddressThatIsNoneCountsAsHidden) {
  const auto srflx = Candidate::parse("candidate:2 1 udp 1694498815 203.0.113.5 6 typ srflx raddr x.local rport 7");
  ASSERT_TRUE(srflx.has_value());
  EXPECT_EQ(srflx->related, at("0.0.0.0:7"));
  EXPECT_EQ(Candidate::parse(srflx->to_string()), srflx);
}

TEST(IceCandidate, WritesWhatItReads) {
  for (const std::string_view line :
       {"candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host",
        "candidate:1 1 udp 2130706431 2001:db8::1 5000 typ host ufrag abcd network-id 2 network-cost 10",
        "candidate:9 1 udp 1 x.local 5000 typ host generation 0",
        "candidate:1 1 tcp 5 192.0.2.1 9 typ host tcptype active",
        "candidate:1 256 udp 5 192.0.2.1 1 typ prflx raddr 10.0.0.1 rport 7",
        "candidate:a/+ 1 udp 4294967295 192.0.2.1 65535 typ relay raddr 0.0.0.0 rport 0"}) {
    const auto candidate = Candidate::parse(line);
    ASSERT_TRUE(candidate.has_value()) << line;
    EXPECT_EQ(candidate->to_string(), line);
    EXPECT_EQ(Candidate::parse(candidate->to_string()), candidate);
  }
}

TEST(IceCandidate, EachIllegalFieldHasItsError) {
  const auto error = [](std::string_view line) { return Candidate::parse(line).error(); };
  EXPECT_EQ(error(""), CandidateError::Syntax);
  EXPECT_EQ(error("candidat:1 1 udp 1 192.0.2.1 5 typ host"), CandidateError::Syntax);
  EXPECT_EQ(error("candidate: "), CandidateError::BadFoundation);
  EXPECT_EQ(error("candidate:123456789012345678901234567890123 1 udp 1 192.0.2.1 5 typ host"),
            CandidateError::BadFoundation);
  EXPECT_EQ(error("candidate:1 0 udp 1 192.0.2.1 5 typ host"), CandidateError::BadComponent);
  EXPECT_EQ(error("candidate:1 257 udp 1 192.0.2.1 5 typ host"), CandidateError::BadComponent);
  EXPECT_EQ(error("candidate:1 1 sctp 1 192.0.2.1 5 typ host"), CandidateError::BadTransport);
  EXPECT_EQ(error("candidate:1 1 tcp 1 192.0.2.1 5 typ host"), CandidateError::BadTransport);
  EXPECT_EQ(error("candidate:1 1 tcp 1 192.0.2.1 5 typ host tcptype odd"), CandidateError::BadTransport);
  EXPECT_EQ(error("candidate:1 1 udp 4294967296 192.0.2.1 5 typ host"), CandidateError::BadPriority);
  EXPECT_EQ(error("candidate:1 1 udp -1 192.0.2.1 5 typ host"), CandidateError::BadPriority);
  EXPECT_EQ(error("candidate:1 1 udp 1 192.0.2.256 5 typ host"), CandidateError::BadAddress);
  EXPECT_EQ(error("candidate:1 1 udp 1 a_b!c 5 typ host"), CandidateError::BadAddress);
  EXPECT_EQ(error("candidate:1 1 udp 1 192.0.2.1 65536 typ host"), CandidateError::BadAddress);
  EXPECT_EQ(error("candidate:1 1 udp 1 192.0.2.1 5 typ odd"), CandidateError::BadType);
  EXPECT_EQ(error("candidate:1 1 udp 1 192.0.2.1 5 type host"), CandidateError::Syntax);
  EXPECT_EQ(error("candidate:1 1 udp 1 192.0.2.1 5 typ host raddr"), CandidateError::Syntax);
  EXPECT_EQ(error("candidate:1 1 udp 1 192.0.2.1 5 typ host x\ny z"), CandidateError::Syntax);
  EXPECT_EQ(error("candidate:1 1 udp 1 192.0.2.1 5 typ host x " + std::string(2000, 'y')), CandidateError::TooLong);
}

TEST(IceCandidate, EveryTruncatedPrefixIsRefusedOrStillACandidate) {
  const std::string line = "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ srflx raddr 10.0.0.1 rport 77";
  const size_t complete = line.find(" raddr");
  for (size_t size = 0; size < line.size(); ++size) {
    const std::string prefix = line.substr(0, size);
    EXPECT_FALSE(size < complete && Candidate::parse(prefix).has_value()) << prefix;
  }
}

TEST(IceCandidate, RandomDamageNeverDoesHarm) {
  SeededRandom random(7);
  const std::string line =
      "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ srflx raddr 10.0.0.1 rport 77 tcptype so ufrag x";
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = line;
    for (int i = 0; i < 4; ++i) damaged[random.below(damaged.size())] = static_cast<char>(random.u32());
    const auto candidate = Candidate::parse(damaged);
    EXPECT_TRUE(!candidate || Candidate::parse(candidate->to_string()).has_value()) << damaged;
  }
}

// RFC 8445 §5.1.2.1 and §6.1.2.3.
TEST(IceCandidate, PrioritiesFollowTheFormulas) {
  EXPECT_EQ(candidate_priority(CandidateType::Host, 65535), 2130706431u);
  EXPECT_EQ(candidate_priority(CandidateType::ServerReflexive, 65535), 1694498815u);
  EXPECT_EQ(candidate_priority(CandidateType::Relayed, 65535), 16777215u);
  EXPECT_EQ(pair_priority(2, 1), (uint64_t{1} << 32) + 2 * 2 + 1);
  EXPECT_EQ(pair_priority(1, 2), (uint64_t{1} << 32) + 2 * 2);
  EXPECT_EQ(pair_priority(5, 5), (uint64_t{5} << 32) + 10);
}

// RFC 8421 §4.
TEST(IceCandidate, LocalPreferencesInterleaveTheFamiliesAndPreferCheapNetworks) {
  const auto v6 = [](size_t index, uint16_t cost = 0) { return local_preference(net::Family::V6, cost, index); };
  const auto v4 = [](size_t index, uint16_t cost = 0) { return local_preference(net::Family::V4, cost, index); };
  EXPECT_GT(v6(0), v4(0));
  EXPECT_GT(v4(0), v6(1));
  EXPECT_GT(v6(1), v4(1));
  EXPECT_GT(v4(200, 0), v6(0, 10));  // ethernet before wifi
  EXPECT_GT(v4(0, 10), v6(0, 910));  // wifi before 3G
  EXPECT_EQ(v6(0), 65535);
}

TEST(IceCandidate, FoundationsDifferByTypeBaseProtocolAndServer) {
  const auto a = net::IpAddress::v4(10, 0, 0, 1);
  const auto b = net::IpAddress::v4(10, 0, 0, 2);
  const std::string host = foundation(CandidateType::Host, a, net::Protocol::Udp);
  EXPECT_EQ(host, foundation(CandidateType::Host, a, net::Protocol::Udp));
  EXPECT_NE(host, foundation(CandidateType::Host, b, net::Protocol::Udp));
  EXPECT_NE(host, foundation(CandidateType::Host, a, net::Protocol::Tcp));
  EXPECT_NE(foundation(CandidateType::ServerReflexive, a, net::Protocol::Udp, a),
            foundation(CandidateType::ServerReflexive, a, net::Protocol::Udp, b));
}

// RFC 8445 §5.3: 24 and 128 bits at least.
TEST(IceCredentials, A10AreLongEnoughOfLegalCharactersAndNeverRepeat) {
  SeededRandom random(1);
  std::map<std::string, int> seen;
  std::array<int, 256> used{};
  for (int i = 0; i < 5000; ++i) {
    const auto c = Credentials::generate(random);
    EXPECT_TRUE(c.valid());
    EXPECT_GE(c.ufrag.size() * 6, 24u);
    EXPECT_GE(c.password.size() * 6, 128u);
    EXPECT_EQ(seen[c.ufrag]++, 0);
    for (const char ch : c.password) ++used[static_cast<uint8_t>(ch)];
  }
  // 120 000 characters of 64 kinds: 1875 each, no kind missing or preferred.
  int kinds = 0;
  for (const int n : used) {
    if (n == 0) continue;
    ++kinds;
    EXPECT_NEAR(n, 1875, 250);
  }
  EXPECT_EQ(kinds, 64);
}

TEST(IceCredentials, A10ShortOrIllegalOnesAreInvalid) {
  const std::string password(22, 'p');
  EXPECT_TRUE((Credentials{"abcd", password}.valid()));
  EXPECT_FALSE((Credentials{"abc", password}.valid()));
  EXPECT_FALSE((Credentials{"abcd", std::string(21, 'p')}.valid()));
  EXPECT_FALSE((Credentials{"ab:d", password}.valid()));
  EXPECT_FALSE((Credentials{"ab d", password}.valid()));
  EXPECT_FALSE((Credentials{std::string(257, 'a'), password}.valid()));
  EXPECT_FALSE((Credentials{"abcd", std::string(257, 'p')}.valid()));
}

TEST(IceCredentials, AGivenUfragIsKept) {
  SeededRandom random(1);
  EXPECT_EQ(Credentials::generate(random, "03loop").ufrag, "03loop");
}

}  // namespace
}  // namespace kaon::ice
