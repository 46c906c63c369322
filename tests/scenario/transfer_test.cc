// 10 MB over data channels through the worst weather: every byte once and in order, or the connection says that it
// has ended. KAON_SEED replays one seed or a range.
#include <gmock/gmock.h>

#include <memory>

#include "kaon/base/text.h"
#include "kaon/peer/internal/connection_test_support.h"

namespace kaon::scenario {
namespace {

using namespace std::chrono_literals;
using datachannel::ChannelId;
using peer::SdpType;
using peer::test::Node;

constexpr size_t kTotal = 10'000'000;
constexpr size_t kLargest = 60'000;
constexpr size_t kChannels = 4;
constexpr size_t kUnordered = 3;  // of these channels
constexpr size_t kBuffered = 200'000;
constexpr Duration kMostTime = 3h;

/// The bytes of every message: a piece of noise, another piece for each.
class Noise {
 public:
  explicit Noise(Random& random) : bytes_(1 << 20) { random.fill(bytes_); }
  /// Begins with the number.
  std::string message(uint32_t number, size_t size) const {
    std::string text(as_text(ByteView(bytes_).subspan(number * size_t{7919} % (bytes_.size() - kLargest), size)));
    store_be32(reinterpret_cast<uint8_t*>(text.data()), number);
    return text;
  }

 private:
  std::vector<uint8_t> bytes_;
};

/// A sender and a receiver. One of them is behind a translator that forgets what it knew from time to time.
class Transfer {
 public:
  explicit Transfer(uint64_t seed)
      : network_(seed),
        random_(network_.seed_for(7)),
        noise_(random_),
        nat_(network_.add_nat({}, net::IpAddress::v4(203, 0, 113, 1))),
        inside_(network_.seed_for(1), {net::IpAddress::v4(10, 0, 0, 1), 1000}, network_),
        outside_(network_.seed_for(2), {net::IpAddress::v4(203, 0, 113, 2), 2000}, network_),
        pump_(network_),
        from(random_.below(2) == 0 ? inside_ : outside_),
        to(&from == &inside_ ? outside_ : inside_) {
    for (Node* node : {&from, &to}) {
      node->config.data.sctp.interleaving = random_.below(4) != 0;
      node->config.data.sctp.congestion_control = random_.below(3) == 0 ? sctp::make_new_reno : sctp::make_cubic;
      node->start();
    }
    hosts_[0] = network_.add_host(inside_.address.ip, network_.inside(nat_));
    hosts_[1] = network_.add_host(outside_.address.ip);
    pump_.attach(hosts_[0], inside_, [this](peer::Event event) { inside_.events.push_back(std::move(event)); });
    pump_.attach(hosts_[1], outside_, [this](peer::Event event) { outside_.events.push_back(std::move(event)); });
  }

  bool opens() {
    weather(false);
    for (size_t i = 0; i < kChannels; ++i) {
      channels_.push_back(*from->open_channel({.label = cat(i), .ordered = i != kUnordered}, now()));
    }
    EXPECT_TRUE(from->set_local_description(SdpType::Offer, now()));
    EXPECT_TRUE(to->set_remote_description(SdpType::Offer, peer::test::as_signalled(from), now()));
    EXPECT_TRUE(to->set_local_description(SdpType::Answer, now()));
    EXPECT_TRUE(from->set_remote_description(SdpType::Answer, peer::test::as_signalled(to), now()));
    return pump_.run_for([this] { return to.announced_channels.size() == kChannels; }, 60s);
  }

  /// Until everything is there or both sides have ended; false if neither comes. One in ten is cut off for good.
  bool runs() {
    weather(true);
    if (random_.below(10) == 0) pump_.after(Duration(random_.below(60'000'000'000)), [this] { cut(); });
    for (const Time end = now() + kMostTime; received_ < kTotal && !(ended(from) && ended(to));) {
      if (now() > end) return false;
      if (now() >= next_weather_) weather(true);
      feed();
      pump_.pass(20ms);
      take();
      if (testing::Test::HasFailure()) return true;
    }
    return true;
  }

  /// Nothing comes twice, however long we wait.
  void finish() {
    weather(false);
    pump_.pass(10s);
    take();
    EXPECT_EQ(received_, kTotal);
    EXPECT_EQ(next_, sent_);
    EXPECT_TRUE(std::ranges::all_of(unordered_, [](bool there) { return there; }));
  }

  bool complete() const { return received_ == kTotal; }
  static bool ended(const Node& node) { return node.connection->state() >= peer::ConnectionState::Failed; }
  Time now() const { return network_.now(); }
  size_t rebindings = 0;
  bool is_cut = false;

 private:
  void cut() {
    is_cut = true;
    network_.blackout(nat_, kNever);
  }
  /// What the path does for the next seconds.
  void weather(bool bad) {
    for (const sim::HostId host : hosts_) {
      const auto& address = host == hosts_[0] ? inside_.address : outside_.address;
      const sim::InterfaceId interface = network_.interface_of(host, address.ip);
      network_.up(interface).configure(link(bad));
      network_.down(interface).configure(link(bad));
    }
    next_weather_ = now() + 1s + Duration(random_.below(4'000'000'000));
    if (!bad) return;
    // ICE takes no path for lost before it has been silent for longer.
    if (!is_cut && random_.below(4) == 0) network_.blackout(nat_, now() + Duration(random_.below(3'000'000'000)));
    if (random_.below(6) == 0) network_.rebind(nat_), ++rebindings;
  }
  /// A packet crosses two of these: each has half of the loss.
  sim::LinkConfig link(bool bad) {
    sim::LinkConfig link{.delay = Duration(random_.below(50'000'000))};
    if (!bad) return link;
    const auto up_to = [&](double most) { return most * static_cast<double>(random_.below(1000)) / 1000; };
    link.jitter = Duration(random_.below(20'000'000));
    link.loss = random_.below(3) == 0 ? 0 : up_to(0.15);
    if (random_.below(4) == 0) link.burst = {.enter = 0.005, .leave = 0.1};
    link.duplicate = up_to(0.1);
    link.reorder = up_to(0.1);
    link.reorder_delay = Duration(random_.below(50'000'000));
    if (random_.below(3) == 0) {
      link.rate = DataRate::kilobits_per_second(2000 + static_cast<int64_t>(random_.below(100'000)));
      link.queue_packets = 20 + random_.below(500);
    }
    return link;
  }

  void feed() {
    while (sent_bytes_ < kTotal) {
      const size_t channel = random_.below(kChannels);
      if (from->channels()->buffered_amount(channels_[channel]) > kBuffered) return;
      const size_t size = std::min<size_t>(kTotal - sent_bytes_, 4 + random_.below(kLargest - 4));
      const std::string text = noise_.message(sent_[channel], std::max<size_t>(size, 4));
      if (!from->send_binary(channels_[channel], as_bytes(text).first(text.size()), now())) return;
      ++sent_[channel];
      sent_bytes_ += text.size();
    }
  }
  void take() {
    for (const auto& message : to.messages) {
      ASSERT_GE(message.text.size(), 4u);
      const uint32_t number = load_be32(as_bytes(message.text).data());
      ASSERT_TRUE(message.text == noise_.message(number, message.text.size()));
      const size_t index = *parse_number<size_t>(to->channels()->info(message.channel)->options.label);
      if (index == kUnordered) {
        unordered_.resize(std::max<size_t>(unordered_.size(), number + 1));
        ASSERT_FALSE(unordered_[number]) << "came twice";
        unordered_[number] = true;
      } else {
        ASSERT_EQ(number, next_[index]);
      }
      ++next_[index];
      received_ += message.text.size();
    }
    to.messages.clear();
  }

  sim::Network network_;
  SeededRandom random_;
  Noise noise_;
  sim::NatId nat_;
  Node inside_, outside_;
  sim::Pump pump_;
  sim::HostId hosts_[2];
  Time next_weather_{};
  std::vector<ChannelId> channels_;
  std::array<uint32_t, kChannels> sent_{};
  std::array<uint32_t, kChannels> next_{};
  std::vector<bool> unordered_;
  size_t sent_bytes_ = 0;
  size_t received_ = 0;

 public:
  Node& from;
  Node& to;
};

TEST(Transfer, EveryByteArrivesOnceAndInOrderOrTheConnectionSaysThatItEnded) {
  size_t complete = 0;
  size_t cut = 0;
  size_t rebindings = 0;
  const auto seeds = sim::seeds(30);
  for (const uint64_t seed : seeds) {
    SCOPED_TRACE(sim::replay_hint(seed));
    const auto transfer = std::make_unique<Transfer>(seed);
    ASSERT_TRUE(transfer->opens());
    ASSERT_TRUE(transfer->runs()) << "hangs";
    ASSERT_FALSE(HasFailure());
    rebindings += transfer->rebindings;
    if (transfer->complete()) {
      ++complete;
      if (!transfer->is_cut) transfer->finish();
      continue;
    }
    cut += transfer->is_cut;
    for (const Node* node : {&transfer->from, &transfer->to}) {
      const auto* changed = node->last<peer::StateChanged>();
      ASSERT_NE(changed, nullptr);
      EXPECT_NE(changed->detail, "");
    }
  }
  std::printf("%zu seeds: %zu complete, %zu cut off, %zu addresses changed\n", seeds.size(), complete, cut, rebindings);
  EXPECT_GE((complete + cut) * 20, seeds.size() * 19);
}

}  // namespace
}  // namespace kaon::scenario
