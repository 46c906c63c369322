// A peer whose address changes in the middle of a call, or who goes to another network: how long nothing arrives.
#include <gmock/gmock.h>

#include "kaon/base/text.h"
#include "kaon/peer/internal/connection_test_support.h"

namespace kaon::scenario {
namespace {

using namespace std::chrono_literals;
using peer::SdpType;
using peer::test::Node;

constexpr Duration kRoundTrip = 40ms;
constexpr Duration kFrameDistance = 20ms;

struct Case {
  bool mover_offers;  // and so controls ICE
  bool mover_sends;
  bool stayer_sends;
  Duration most;
};

/// One peer behind a translator, one with a public address.
class Call {
 public:
  Call(uint64_t seed, bool mover_offers, bool renomination = true)
      : renomination_(renomination),
        network_(seed),
        nat_(network_.add_nat(
            {.mapping = sim::NatBehavior::EndpointIndependent, .filtering = sim::NatBehavior::AddressAndPortDependent},
            net::IpAddress::v4(203, 0, 113, 1))),
        mover(network_.seed_for(1), {net::IpAddress::v4(10, 0, 0, 1), 1000}, network_),
        stayer(network_.seed_for(2), {net::IpAddress::v4(203, 0, 113, 2), 2000}, network_),
        pump_(network_) {
    const sim::LinkConfig link{.delay = kRoundTrip / 4};
    mover.config.delivery = stayer.config.delivery = peer::Delivery::Packets;
    mover.start();
    stayer.start();
    mover_host_ = network_.add_host(mover.address.ip, network_.inside(nat_), link);
    pump_.attach(mover_host_, mover, [](const auto&) {});
    pump_.attach(network_.add_host(stayer.address.ip, sim::kInternet, link), stayer, [](const auto&) {});
    static_cast<void>(*offerer(mover_offers)->add_transceiver(sdp::MediaKind::Video, {}));
    negotiate(mover_offers);
    EXPECT_TRUE(pump_.run_for([this] { return mover.connected() && stayer.connected(); }, 10s));
    talk(1s, true, true);
  }

  void change_address() { network_.rebind(nat_); }

  /// The mover's first network goes; another, behind a translator of its own, has come `before` that.
  void change_network(Duration before) {
    const net::IpAddress next = net::IpAddress::v4(10, 9, 0, 1);
    const sim::NatId other = network_.add_nat({}, net::IpAddress::v4(203, 0, 113, 9));
    network_.add_interface(mover_host_, next, network_.inside(other), {.delay = kRoundTrip / 4});
    EXPECT_TRUE(mover->add_local_address({.address = {next, 1000}, .network_cost = 900}, network_.now()));
    talk(before, true, true);
    network_.remove_interface(network_.interface_of(mover_host_, mover.address.ip));
    mover->remove_local_address(mover.address, net::Protocol::Udp, network_.now());
  }

  void restart_ice(bool mover_offers) {
    offerer(mover_offers)->restart_ice(network_.now());
    negotiate(mover_offers);
  }

  /// Video of those who send, for `time`; the longest time in which a receiver got none.
  Duration talk(Duration time, bool mover_sends, bool stayer_sends) {
    Duration longest{};
    Time last_at_mover = network_.now();
    Time last_at_stayer = network_.now();
    const auto look = [&](Node& node, Time& last) {
      if (node.media.empty()) return;
      longest = std::max(longest, network_.now() - last);
      last = network_.now();
      node.media.clear();
    };
    for (const Time end = network_.now() + time; network_.now() < end;) {
      timestamp_ += 1800;
      if (mover_sends) send(mover);
      if (stayer_sends) send(stayer);
      for (const Time next = network_.now() + kFrameDistance; network_.now() < next;) {
        pump_.pass(1ms);
        look(mover, last_at_mover);
        look(stayer, last_at_stayer);
      }
    }
    if (mover_sends) longest = std::max(longest, network_.now() - last_at_stayer);
    if (stayer_sends) longest = std::max(longest, network_.now() - last_at_mover);
    return longest;
  }

 private:
  bool renomination_;
  sim::Network network_;
  sim::NatId nat_;
  sim::HostId mover_host_;

 public:
  Node mover, stayer;

 private:
  Node& offerer(bool mover_offers) { return mover_offers ? mover : stayer; }

  // What `node` has set, as its peer gets it.
  sdp::SessionDescription signalled(Node& node) const {
    sdp::SessionDescription description = peer::test::as_signalled(node);
    for (sdp::MediaDescription& media : description.media) {
      if (!renomination_) std::erase(media.transport.ice_options, "renomination");
    }
    return description;
  }

  void negotiate(bool mover_offers) {
    const Time now = network_.now();
    Node& from = offerer(mover_offers);
    Node& to = offerer(!mover_offers);
    EXPECT_TRUE(from->set_local_description(SdpType::Offer, now));
    EXPECT_TRUE(to->set_remote_description(SdpType::Offer, signalled(from), now));
    EXPECT_TRUE(to->set_direction(to->transceivers()[0].id, sdp::Direction::SendRecv));
    EXPECT_TRUE(to->set_local_description(SdpType::Answer, now));
    EXPECT_TRUE(from->set_remote_description(SdpType::Answer, signalled(to), now));
  }
  void send(Node& node) {
    const auto frame = peer::test::make_vp8(true, 900, 1);
    const auto sent = node->send_frame(node->transceivers()[0].id, packetizer::Codec::Vp8,
                                       {.data = frame, .timestamp = timestamp_}, network_.now());
    // Between two networks there is no path.
    EXPECT_TRUE(sent || sent.error() == peer::MediaError::NotConnected);
  }

  sim::Pump pump_;
  uint32_t timestamp_ = 0;
};

class AddressChange : public testing::TestWithParam<Case> {};

TEST_P(AddressChange, IsFollowedAtOnce) {
  const Case& c = GetParam();
  for (const uint64_t seed : sim::seeds(20)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Call call(seed, c.mover_offers);
    EXPECT_LE(call.talk(2s, c.mover_sends, c.stayer_sends), kRoundTrip + kFrameDistance);
    for (int change = 0; change < 3; ++change) {
      call.change_address();
      const Duration gap = call.talk(8s, c.mover_sends, c.stayer_sends);
      EXPECT_LE(gap, c.most) << "change " << change << ": "
                             << std::chrono::duration_cast<std::chrono::milliseconds>(gap).count() << " ms";
    }
    EXPECT_TRUE(call.mover.connected() && call.stayer.connected());
  }
}

// Both send; the longest silence either of them hears.
class NetworkChange : public testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  bool mover_offers() const { return std::get<0>(GetParam()); }
  // Before the old network goes; without it, the two change places at one moment.
  Duration overlap() const { return std::get<1>(GetParam()) ? 1s : 0s; }
};

TEST_P(NetworkChange, LosesLessThan300MsByRenomination) {
  for (const uint64_t seed : sim::seeds(20)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Call call(seed, mover_offers());
    call.change_network(overlap());
    const Duration gap = call.talk(8s, true, true);
    EXPECT_LT(gap, 300ms) << std::chrono::duration_cast<std::chrono::milliseconds>(gap).count() << " ms";
    EXPECT_TRUE(call.mover.connected() && call.stayer.connected());
  }
}

TEST_P(NetworkChange, LosesLessThan300MsByARestartWhereThePeerCannotRenominate) {
  for (const uint64_t seed : sim::seeds(20)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Call call(seed, mover_offers(), false);
    call.change_network(overlap());
    call.restart_ice(mover_offers());
    const Duration gap = call.talk(8s, true, true);
    EXPECT_LT(gap, 300ms) << std::chrono::duration_cast<std::chrono::milliseconds>(gap).count() << " ms";
    EXPECT_TRUE(call.mover.connected() && call.stayer.connected());
  }
}

INSTANTIATE_TEST_SUITE_P(Both, NetworkChange, testing::Combine(testing::Bool(), testing::Bool()), [](const auto& cell) {
  return cat(std::get<0>(cell.param) ? "MoverOffers" : "StayerOffers",
             std::get<1>(cell.param) ? "WithOverlap" : "AtOnce");
});

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return cat(info.param.mover_offers ? "MoverOffers" : "StayerOffers", info.param.mover_sends ? "AndSends" : "",
             info.param.stayer_sends ? "AndHears" : "");
}

// Who hears the mover's media follows it at once. Otherwise the mover has to notice the silence first, which takes half
// a second.
INSTANTIATE_TEST_SUITE_P(
    Directions, AddressChange,
    testing::Values(Case{true, true, false, 3 * kRoundTrip}, Case{false, true, false, 3 * kRoundTrip},
                    Case{true, true, true, 5 * kRoundTrip}, Case{false, true, true, 5 * kRoundTrip},
                    Case{true, false, true, 500ms + 4 * kRoundTrip}, Case{false, false, true, 500ms + 4 * kRoundTrip}),
    name_of);

}  // namespace
}  // namespace kaon::scenario
