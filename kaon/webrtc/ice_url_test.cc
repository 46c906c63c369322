#include "kaon/webrtc/ice_url.h"

#include <gtest/gtest.h>

namespace kaon::webrtc {
namespace {

void expect(std::string_view text, bool turn, net::Protocol protocol, std::string_view host, uint16_t port) {
  const auto url = parse_ice_url(text);
  ASSERT_TRUE(url) << text;
  EXPECT_EQ(url->turn, turn) << text;
  EXPECT_EQ(url->protocol, protocol) << text;
  EXPECT_EQ(url->host, host) << text;
  EXPECT_EQ(url->port, port) << text;
}

TEST(IceUrl, HasSchemeHostPortAndTransport) {
  expect("stun:example.org", false, net::Protocol::Udp, "example.org", 3478);
  expect("stun:[2001:db8::1]:99", false, net::Protocol::Udp, "2001:db8::1", 99);
  expect("turn:192.0.2.1:3479", true, net::Protocol::Udp, "192.0.2.1", 3479);
  expect("turn:example.org?transport=udp", true, net::Protocol::Udp, "example.org", 3478);
  expect("turn:example.org?transport=tcp", true, net::Protocol::Tcp, "example.org", 3478);
  expect("turns:example.org", true, net::Protocol::Tls, "example.org", 5349);
  expect("turns:example.org?transport=udp", true, net::Protocol::Dtls, "example.org", 5349);
  expect("turns:example.org:443?transport=tcp", true, net::Protocol::Tls, "example.org", 443);
}

TEST(IceUrl, RefusesWhatIsNone) {
  for (const auto text :
       {"", "stun:", "turn", "http://example.org", "turn::3478", "turn:host:0", "turn:host:99999",
        "turn:host:", "turn:[::1", "turn:host?transport=sctp", "stun:host?transport=udp", "stuns:host"}) {
    EXPECT_FALSE(parse_ice_url(text)) << text;
  }
}

}  // namespace
}  // namespace kaon::webrtc
