// Every connection opens and delivers, or fails with a reason; none hangs. KAON_SEED replays one or a range.
#include <gmock/gmock.h>

#include <memory>

#include "kaon/base/text.h"
#include "kaon/peer/internal/connection_test_support.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/message.h"
#include "plan.h"

namespace kaon::scenario {
namespace {

using namespace std::chrono_literals;
using packetizer::Codec;
using peer::SdpType;
using peer::test::Node;

constexpr net::Endpoint kStunServer{net::IpAddress::v4(198, 51, 100, 1), 3478};
constexpr Duration kSignalling = 80ms;
constexpr size_t kMessages = 12;
// Six seconds. A packet whose retransmission is lost too holds the picture up for one second, and for another round
// trip until the key frame that mends it: nothing can be said of a shorter time.
constexpr size_t kFrames = 150;

/// Answers Binding requests, RFC 8489.
class StunServer {
 public:
  void handle_packet(const net::Datagram& packet, Time) {
    const auto request = stun::Message::parse(packet.bytes);
    if (request) answers_.push_back({request->transaction_id(), packet.remote});
  }
  void handle_timeout(Time) {}
  Time next_timeout() const { return kNever; }
  std::optional<net::Transmit> poll_transmit(Bytes out) {
    if (answers_.empty()) return std::nullopt;
    const auto [id, to] = answers_.pop_front();
    stun::Builder builder(out, stun::Method::Binding, stun::Class::Success, id);
    const size_t size =
        builder.add_xor_address(stun::Attribute::XorMappedAddress, to).add_fingerprint().finish().size();
    net::Transmit transmit;
    transmit.local = kStunServer;
    transmit.remote = to;
    transmit.size = size;
    return transmit;
  }
  std::optional<int> poll_event() { return std::nullopt; }

 private:
  struct Answer {
    stun::TransactionId id;
    net::Endpoint to;
  };
  Ring<Answer> answers_;
};

bool over(const Node& node) {
  const peer::ConnectionState state = node.connection->state();
  return state == peer::ConnectionState::Failed || state == peer::ConnectionState::Closed;
}

std::string state_of(const Node& node) {
  const auto* changed = node.last<peer::StateChanged>();
  const std::string detail = changed == nullptr ? "" : changed->detail;
  return cat(to_string(node.connection->state()), detail.empty() ? "" : ": ", detail);
}

class Scenario {
 public:
  explicit Scenario(uint64_t seed)
      : plan(make_plan(seed)),
        network_(seed),
        pump_(network_),
        host_a_(add_host(plan.a, net::IpAddress::v4(203, 0, 113, 1), kHomeA)),
        host_b_(add_host(plan.b, net::IpAddress::v4(203, 0, 113, 2), kHomeB)),
        a(network_.seed_for(1), {plan.a.nat ? kHomeA : net::IpAddress::v4(203, 0, 113, 1), 1000}, network_),
        b(network_.seed_for(2), {plan.b.nat ? kHomeB : net::IpAddress::v4(203, 0, 113, 2), 2000}, network_) {
    pump_.attach(network_.add_host(kStunServer.ip), stun_);
    b.config.negotiation.answer_setup = plan.active_answer ? sdp::Setup::Active : sdp::Setup::Passive;
    for (Node* node : {&a, &b}) {
      node->stun_server = kStunServer;
      node->config.mtu = plan.payload;
      // RFC 8831 §5: what is left of a datagram behind the DTLS record around an SCTP packet.
      node->config.data.sctp.max_packet_size = (plan.payload - 37) / 4 * 4;
      node->start();
    }
    pump_.attach(host_a_, a, [this](peer::Event event) { on_event(a, b, std::move(event)); });
    pump_.attach(host_b_, b, [this](peer::Event event) { on_event(b, a, std::move(event)); });
  }

  /// Signalling with its delay; candidates follow as they are found.
  void call() {
    channel_ = *a->open_channel({.label = "scenario"}, now());
    video_ = *a->add_transceiver(sdp::MediaKind::Video, {.direction = sdp::Direction::SendOnly});
    ASSERT_TRUE(a->set_local_description(SdpType::Offer, now()));
    pump_.after(kSignalling, [this, offer = a->local_description()] {
      ASSERT_TRUE(b->set_remote_description(SdpType::Offer, *sdp::SessionDescription::parse(offer), now()));
      ASSERT_TRUE(b->set_local_description(SdpType::Answer, now()));
      pump_.after(kSignalling, [this, answer = b->local_description()] {
        ASSERT_TRUE(a->set_remote_description(SdpType::Answer, *sdp::SessionDescription::parse(answer), now()));
      });
    });
  }

  /// Until both are connected or it is over.
  bool opens() {
    return pump_.run_for([this] { return (a.connected() && b.connected()) || (over(a) && over(b)); }, 120s);
  }

  /// Messages both ways and frames one way, at their own pace.
  bool delivers() {
    for (size_t i = 0; i < kFrames; ++i) {
      pump_.after(i * 40ms, [this, i] { send_frame(i); });
    }
    send_messages();
    const auto done = [this] {
      send_messages();
      return (a.messages.size() == kMessages && b.messages.size() == kMessages && next_frame_ == kFrames) || over(a) ||
             over(b);
    };
    const bool ended = pump_.run_for(done, 180s);
    pump_.pass(3s);
    return ended;
  }

  /// One hangs up; the other hears it, or misses it.
  bool ends() {
    a->close(now());
    return pump_.run_for([this] { return over(b); }, 60s);
  }

  void check_messages(const Node& from, const Node& to) const {
    for (size_t i = 0; i < to.messages.size(); ++i) EXPECT_EQ(to.messages[i].text, message(i));
    if (!over(from) && !over(to)) {
      EXPECT_EQ(to.messages.size(), kMessages);
    }
  }
  void check_frames() const {
    size_t next = 0;
    for (const auto& frame : b.frames) {
      while (next < sent_.size() && sent_[next] != frame.data) ++next;
      ASSERT_LT(next, sent_.size()) << "a frame that was not sent, or not in order";
      ++next;
    }
    if (plan.is_mild() && !over(b)) {
      EXPECT_GE(b.frames.size() * 3, kFrames);
    }
  }

  Time now() const { return network_.now(); }

  const Plan plan;

 private:
  static constexpr net::IpAddress kHomeA = net::IpAddress::v4(10, 0, 0, 1);
  static constexpr net::IpAddress kHomeB = net::IpAddress::v4(192, 168, 0, 1);

  sim::HostId add_host(const Place& place, net::IpAddress outside, net::IpAddress home) {
    if (!place.nat) return network_.add_host(outside, sim::kInternet, place.link);
    return network_.add_host(home, network_.inside(network_.add_nat(*place.nat, outside)), place.link);
  }

  void on_event(Node& from, Node& to, peer::Event event) {
    if (const auto* candidate = std::get_if<peer::LocalCandidate>(&event)) {
      // The peer may refuse it, for example an address of a kind it does not use.
      pump_.after(kSignalling,
                  [this, &to, line = candidate->line] { static_cast<void>(to->add_remote_candidate(line, now())); });
    }
    from.events.push_back(std::move(event));
  }

  static std::string message(size_t i) { return std::string(1 + i * 137, static_cast<char>('a' + i % 26)); }

  void send_messages() {
    while (sent_by_a_ < kMessages && a->send_text(channel_, message(sent_by_a_), now())) ++sent_by_a_;
    if (b.announced_channels.empty()) return;
    while (sent_by_b_ < kMessages && b->send_text(b.announced_channels[0], message(sent_by_b_), now())) ++sent_by_b_;
  }

  void send_frame(size_t i) {
    next_frame_ = i + 1;
    const bool keyframe = i == 0 || std::exchange(requests_, a.count<peer::KeyframeRequested>()) != requests_;
    auto frame = peer::test::make_vp8(keyframe, 300 + i % 40 * 60, static_cast<uint8_t>(i));
    if (a->send_frame(video_, Codec::Vp8, {.data = frame, .timestamp = static_cast<uint32_t>(i * 3600)}, now()))
      sent_.push_back(std::move(frame));
  }

  sim::Network network_;
  StunServer stun_;
  sim::Pump pump_;
  sim::HostId host_a_, host_b_;
  datachannel::ChannelId channel_{};
  peer::TransceiverId video_{};
  size_t sent_by_a_ = 0;
  size_t sent_by_b_ = 0;
  size_t next_frame_ = 0;
  size_t requests_ = 0;
  std::vector<std::vector<uint8_t>> sent_;

 public:
  Node a, b;
};

/// Failed connections have a reason, and a good path leaves none.
void check_failure(const Scenario& run, const Node& node) {
  if (node.connection->state() != peer::ConnectionState::Failed) return;
  const auto* changed = node.last<peer::StateChanged>();
  ASSERT_NE(changed, nullptr);
  EXPECT_NE(changed->detail, "");
  EXPECT_FALSE(run.plan.has_path() && run.plan.is_mild()) << changed->detail;
}

TEST(Scenario, EveryConnectionOpensAndDeliversOrFailsWithAReason) {
  size_t opened = 0;
  size_t reachable = 0;
  const auto seeds = sim::seeds(100);
  for (const uint64_t seed : seeds) {
    const auto run = std::make_unique<Scenario>(seed);
    SCOPED_TRACE(cat(sim::replay_hint(seed), "\n", run->plan.to_string()));
    run->call();
    ASSERT_TRUE(run->opens()) << "hangs: " << state_of(run->a) << " and " << state_of(run->b);
    reachable += run->plan.has_path();
    if (run->a.connected() && run->b.connected()) {
      ++opened;
      ASSERT_TRUE(run->delivers()) << "hangs with " << run->a.messages.size() << " and " << run->b.messages.size()
                                   << " messages, " << run->b.frames.size() << " frames";
      run->check_messages(run->a, run->b);
      run->check_messages(run->b, run->a);
      run->check_frames();
    }
    check_failure(*run, run->a);
    check_failure(*run, run->b);
    ASSERT_TRUE(run->ends()) << "does not hear the end";
  }
  std::printf("%zu seeds: %zu opened, %zu had to have a path\n", seeds.size(), opened, reachable);
  if (seeds.size() >= 20) {
    EXPECT_GE(opened * 100, reachable * 95);
  }
}

}  // namespace
}  // namespace kaon::scenario
