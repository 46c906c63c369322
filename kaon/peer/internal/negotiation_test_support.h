// What the tests of offer/answer share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kaon/base/text.h"
#include "kaon/peer/negotiation.h"

namespace kaon::peer::test {

/// A recorded description by its name below testdata/sdp; defined in negotiation_recorded_test.cc.
std::string read_recorded(const std::string& name);

inline sdp::SessionDescription load(const std::string& name) {
  auto parsed = sdp::SessionDescription::parse(read_recorded(name));
  EXPECT_TRUE(parsed) << name;
  return parsed ? *parsed : sdp::SessionDescription{};
}

inline LocalTransport make_transport(char letter) {
  LocalTransport transport;
  transport.ice_ufrag = std::string(4, letter);
  transport.ice_pwd = std::string(24, letter);
  std::string fingerprint = "sha-256 ";
  for (int i = 0; i < 32; ++i) fingerprint += i == 0 ? "AB" : ":CD";
  transport.fingerprints = {fingerprint};
  return transport;
}

/// A negotiator with a transport, reproducible by seed.
struct Peer {
  explicit Peer(uint64_t seed, NegotiatorConfig config = {})
      : random(seed), negotiator(Env{random, log}, std::move(config)) {
    negotiator.set_transport(make_transport(static_cast<char>('a' + seed % 26)));
  }
  Negotiator* operator->() { return &negotiator; }

  SeededRandom random;
  NullLogger log;
  Negotiator negotiator;
};

/// As over a wire: written and parsed again, which must change nothing.
inline sdp::SessionDescription sent(const sdp::SessionDescription& description) {
  auto parsed = sdp::SessionDescription::parse(description.write());
  EXPECT_TRUE(parsed) << parsed.error().to_string() << "\n" << description.write();
  EXPECT_EQ(*parsed, description) << description.write();
  return *parsed;
}

/// A whole exchange; both ends are in Stable afterwards.
inline void exchange(Peer& offerer, Peer& answerer) {
  const auto offer = offerer->create_offer();
  ASSERT_TRUE(offer) << to_string(offer.error());
  ASSERT_TRUE(offerer->set_local_description(SdpType::Offer));
  const auto received = answerer->set_remote_description(SdpType::Offer, sent(*offer));
  ASSERT_TRUE(received) << to_string(received.error()) << "\n" << offer->write();
  const auto answer = answerer->create_answer();
  ASSERT_TRUE(answer) << to_string(answer.error());
  ASSERT_TRUE(answerer->set_local_description(SdpType::Answer));
  const auto done = offerer->set_remote_description(SdpType::Answer, sent(*answer));
  ASSERT_TRUE(done) << to_string(done.error()) << "\n" << offer->write() << "\n" << answer->write();
}

}  // namespace kaon::peer::test
