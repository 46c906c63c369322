// Bulk transfers over a long path in virtual time: how much of the bottleneck they use and how long the queue gets. For
// tests and benchmarks; test_tcp_cubic.h has a model of TCP for the same path.
#pragma once

#include <algorithm>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <vector>

#include "kaon/base/env.h"
#include "kaon/sctp/association.h"
#include "kaon/sim/link.h"

namespace kaon::sctp::test {

/// A path and how long it is used. Figures are those from a quarter of the time to its end.
struct LongPath {
  double rate_mbit = 1000;
  Duration rtt{};
  double loss = 0;
  double queue_bdp = 1;
  Duration duration = std::chrono::seconds(40);
  uint64_t seed = 1;
  /// The sender's timers fire at the end of such a tick, as those of io::Loop; zero: when they are due.
  Duration timer_tick{};
  /// The sender finds at the end of such a tick what has arrived, as a program does that has to wait for the processor.
  Duration arrival_tick{};
  /// TCP's segments leave in runs, as those of Linux do that waits for the window to have room for a millisecond's
  /// worth (tcp_tso_should_defer), also where nobody segments for it.
  bool tcp_runs = false;
  /// The receiver's, at first.
  size_t receive_window = Config().receive_window;

  sim::LinkConfig link() const {
    sim::LinkConfig config;
    config.delay = rtt / 2;
    config.rate = DataRate::bits_per_second(static_cast<int64_t>(rate_mbit * 1e6));
    // Counted in packets, as most routers do: of bytes, the last few would be room for the smaller packets alone.
    const double product = rate_mbit * 1e6 / 8 * std::chrono::duration<double>(rtt).count();
    config.queue_packets = static_cast<size_t>(std::max(queue_bdp * product, 64e3) / 1500);
    config.loss = loss;
    return config;
  }
};

struct Figures {
  double utilisation = 0;
  double queue_ms_mean = 0;
  double queue_ms_max = 0;
};

// Payload delivered and time waited in the queue, once the first quarter is over.
class Meter {
 public:
  Meter(const LongPath& path, Time start) : path_(path), from_(start + path.duration / 4) {}
  void delivered(size_t bytes, Time now) {
    if (now >= from_) bytes_ += bytes;
  }
  void queued(Duration wait, Time now) {
    if (now < from_) return;
    waited_ += wait;
    longest_ = std::max(longest_, wait);
    ++packets_;
  }
  Figures result() const {
    const double seconds = std::chrono::duration<double>(path_.duration).count() * 0.75;
    const auto ms = [](Duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
    return {static_cast<double>(bytes_) * 8 / seconds / (path_.rate_mbit * 1e6),
            packets_ == 0 ? 0 : ms(waited_) / static_cast<double>(packets_), ms(longest_)};
  }

 private:
  LongPath path_;
  Time from_;
  uint64_t bytes_ = 0;
  uint64_t packets_ = 0;
  Duration waited_{};
  Duration longest_{};
};

/// How long a packet that gets through waits for its turn.
inline Duration waited(const sim::LinkConfig& link, const sim::Link::Transit& transit, size_t size, Time sent) {
  const Duration on_wire = link.delay + DataSize::bytes(static_cast<int64_t>(size)) / link.rate;
  return std::max(transit.at[0] - sent - on_wire, Duration::zero());
}

inline constexpr Time kStart{std::chrono::seconds(1000)};

/// One that uses a path: it acts at times of its own.
class Flow {
 public:
  virtual ~Flow() = default;
  virtual Time next() const = 0;
  virtual void act(Time now) = 0;
  virtual Figures figures() const = 0;
};

/// The way there, for one flow or several that share it.
inline std::shared_ptr<sim::Link> bottleneck(const LongPath& path) {
  return std::make_shared<sim::Link>(path.link(), path.seed + 2);
}

/// From `now` to `end`, which may be continued.
inline void run(std::initializer_list<Flow*> flows, Time now, Time end) {
  for (Flow* flow : flows) flow->act(now);
  while (true) {
    Time next = kNever;
    for (const Flow* flow : flows) next = std::min(next, flow->next());
    now = std::max(now, next);
    if (now >= end) return;
    for (Flow* flow : flows) {
      if (flow->next() <= now) flow->act(now);
    }
  }
}
inline Figures run_alone(const LongPath& path, Flow& flow) {
  run({&flow}, kStart, kStart + path.duration);
  return flow.figures();
}

inline constexpr size_t kUdpIpHeaders = 28;
inline constexpr size_t kDtlsOverhead = 37;

// Packets on their way in one direction; what enters first arrives first.
class Wire {
 public:
  Wire(const sim::LinkConfig& config, uint64_t seed) : link_(std::make_shared<sim::Link>(config, seed)) {}
  explicit Wire(std::shared_ptr<sim::Link> link) : link_(std::move(link)) {}
  /// How long it will wait in the queue; nothing if it is lost.
  std::optional<Duration> send(ByteView packet, Time now) {
    const size_t size = packet.size() + kDtlsOverhead + kUdpIpHeaders;
    const auto transit = link_->send(size, net::Ecn::NotEct, now);
    if (transit.count == 0) return std::nullopt;
    std::vector<uint8_t> bytes;
    if (!spare_.empty()) bytes = std::move(spare_.back()), spare_.pop_back();
    bytes.assign(packet.begin(), packet.end());
    packets_.push_back({transit.at[0], std::move(bytes)});
    return waited(link_->config(), transit, size, now);
  }
  Time next() const { return packets_.empty() ? kNever : packets_.front().at; }
  template <class F>
  void deliver(Time now, F&& to) {
    while (!packets_.empty() && packets_.front().at <= now) {
      to(Bytes(packets_.front().bytes));
      spare_.push_back(std::move(packets_.front().bytes));
      packets_.pop_front();
    }
  }

 private:
  struct Packet {
    Time at;
    std::vector<uint8_t> bytes;
  };
  std::shared_ptr<sim::Link> link_;
  std::deque<Packet> packets_;
  std::vector<std::vector<uint8_t>> spare_;
};

/// An SCTP association that always has something to send.
class SctpFlow final : public Flow {
 public:
  SctpFlow(const LongPath& path, CongestionControlFactory control)
      : SctpFlow(path, control, bottleneck(path), path.seed) {}
  SctpFlow(const LongPath& path, CongestionControlFactory control, std::shared_ptr<sim::Link> link, uint64_t seed)
      : random_a_(seed),
        random_b_(seed + 1),
        a_(config(path, control), Env{random_a_, log_}),
        b_(config(path, control), Env{random_b_, log_}),
        there_(std::move(link)),
        back_({.delay = path.rtt / 2}, seed + 3),
        timer_tick_(path.timer_tick),
        arrival_tick_(path.arrival_tick),
        meter_(path, kStart) {
    a_.connect(kStart);
    b_.connect(kStart);
    a_.set_remote_max_message_size(0);
  }

  Time next() const override { return std::min({sender_wakes(), b_.next_timeout(), there_.next()}); }
  void act(Time now) override {
    there_.deliver(now, [&](Bytes packet) { b_.handle_packet(packet, now); });
    if (end_of_tick(back_.next(), arrival_tick_) <= now) {
      back_.deliver(now, [&](Bytes packet) { a_.handle_packet(packet, now); });
    }
    if (a_.next_timeout() <= now) a_.handle_timeout(now);
    if (b_.next_timeout() <= now) b_.handle_timeout(now);
    drain(now);
  }
  Figures figures() const override { return meter_.result(); }
  const Association& sender() const { return a_; }
  /// The longest time without a message for the receiver.
  Duration longest_stall() const { return longest_stall_; }
  void forget_stalls() { longest_stall_ = {}; }

 private:
  static Config config(const LongPath& path, CongestionControlFactory control) {
    Config config;
    config.receive_window = path.receive_window;
    config.congestion_control = control;
    config.max_probed_packet_size = 1408;
    config.interleaving = false;
    return config;
  }
  static Time end_of_tick(Time due, Duration tick) {
    if (due == kNever || tick == Duration::zero()) return due;
    return due + (tick - due.time_since_epoch() % tick) % tick;
  }
  Time sender_wakes() const {
    return std::min(end_of_tick(a_.next_timeout(), timer_tick_), end_of_tick(back_.next(), arrival_tick_));
  }
  void drain(Time now) {
    while (const auto event = b_.poll_event()) {
      const auto* message = std::get_if<Message>(&*event);
      if (message == nullptr) continue;
      meter_.delivered(message->payload.size(), now);
      longest_stall_ = std::max(longest_stall_, now - last_message_);
      last_message_ = now;
    }
    while (a_.poll_event()) {
    }
    // As a program does that sends until it is told that the buffer is full.
    if (a_.state() == State::Established) {
      while (a_.send(StreamId(1), Ppid(53), message_, {}, now)) {
      }
    }
    while (const auto t = a_.poll_transmit(scratch_)) {
      const auto wait = there_.send(ByteView(scratch_).first(t->size), now);
      if (wait) meter_.queued(*wait, now);
    }
    while (const auto t = b_.poll_transmit(scratch_)) back_.send(ByteView(scratch_).first(t->size), now);
  }

  SeededRandom random_a_, random_b_;
  NullLogger log_;
  Association a_, b_;
  Wire there_, back_;
  Duration timer_tick_, arrival_tick_;
  Meter meter_;
  Time last_message_ = kStart;
  Duration longest_stall_{};
  std::vector<uint8_t> message_ = std::vector<uint8_t>(65536, 7);
  std::vector<uint8_t> scratch_ = std::vector<uint8_t>(2048);
};

}  // namespace kaon::sctp::test
