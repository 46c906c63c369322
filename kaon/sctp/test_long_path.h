// One bulk transfer over a long path in virtual time: how much of the bottleneck it uses and how long the queue gets,
// and a model of TCP CUBIC on the same path. For tests and benchmarks.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
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

  sim::LinkConfig link() const {
    sim::LinkConfig config;
    config.delay = rtt / 2;
    config.rate = DataRate::bits_per_second(static_cast<int64_t>(rate_mbit * 1e6));
    config.queue_packets = SIZE_MAX;
    const double product = rate_mbit * 1e6 / 8 * std::chrono::duration<double>(rtt).count();
    config.queue_size = DataSize::bytes(static_cast<int64_t>(std::max(queue_bdp * product, 64e3)));
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

inline constexpr Time kStart{std::chrono::seconds(1000)};
inline constexpr size_t kUdpIpHeaders = 28;
inline constexpr size_t kDtlsOverhead = 37;

// Packets on their way in one direction; what enters first arrives first.
class Wire {
 public:
  Wire(const sim::LinkConfig& config, uint64_t seed) : link_(config, seed) {}
  /// How long it will wait in the queue; nothing if it is lost.
  std::optional<Duration> send(ByteView packet, Time now) {
    const size_t size = packet.size() + kDtlsOverhead + kUdpIpHeaders;
    const auto transit = link_.send(size, net::Ecn::NotEct, now);
    if (transit.count == 0) return std::nullopt;
    std::vector<uint8_t> bytes;
    if (!spare_.empty()) bytes = std::move(spare_.back()), spare_.pop_back();
    bytes.assign(packet.begin(), packet.end());
    packets_.push_back({transit.at[0], std::move(bytes)});
    const auto& config = link_.config();
    const Duration on_wire =
        config.delay + (config.rate == DataRate::infinite()
                            ? Duration::zero()
                            : Duration(static_cast<int64_t>(8e9 * static_cast<double>(size) /
                                                            static_cast<double>(config.rate.bits_per_second()))));
    return std::max(transit.at[0] - now - on_wire, Duration::zero());
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
  sim::Link link_;
  std::deque<Packet> packets_;
  std::vector<std::vector<uint8_t>> spare_;
};

/// An SCTP association that always has something to send.
class SctpRun {
 public:
  SctpRun(const LongPath& path, CongestionControlFactory control)
      : path_(path),
        random_a_(path.seed),
        random_b_(path.seed + 1),
        a_(config(control), Env{random_a_, log_}),
        b_(config(control), Env{random_b_, log_}),
        there_(path.link(), path.seed + 2),
        back_({.delay = path.rtt / 2}, path.seed + 3),
        meter_(path, kStart) {}

  Figures run() {
    a_.connect(now_);
    b_.connect(now_);
    a_.set_remote_max_message_size(0);
    const Time end = kStart + path_.duration;
    while (now_ < end) {
      drain();
      now_ = std::max(now_, std::min({a_.next_timeout(), b_.next_timeout(), there_.next(), back_.next()}));
      there_.deliver(now_, [&](Bytes packet) { b_.handle_packet(packet, now_); });
      back_.deliver(now_, [&](Bytes packet) { a_.handle_packet(packet, now_); });
      if (a_.next_timeout() <= now_) a_.handle_timeout(now_);
      if (b_.next_timeout() <= now_) b_.handle_timeout(now_);
    }
    return meter_.result();
  }

 private:
  static Config config(CongestionControlFactory control) {
    Config config;
    config.congestion_control = control;
    config.max_probed_packet_size = 1408;
    config.interleaving = false;
    return config;
  }
  void drain() {
    while (const auto event = b_.poll_event()) {
      if (const auto* message = std::get_if<Message>(&*event)) meter_.delivered(message->payload.size(), now_);
    }
    while (a_.poll_event()) {
    }
    // As a program does that sends until it is told that the buffer is full.
    if (a_.state() == State::Established) {
      while (a_.send(StreamId(1), Ppid(53), message_, {}, now_)) {
      }
    }
    while (const auto t = a_.poll_transmit(scratch_)) {
      const auto wait = there_.send(ByteView(scratch_).first(t->size), now_);
      if (wait) meter_.queued(*wait, now_);
    }
    while (const auto t = b_.poll_transmit(scratch_)) back_.send(ByteView(scratch_).first(t->size), now_);
  }

  LongPath path_;
  SeededRandom random_a_, random_b_;
  NullLogger log_;
  Association a_, b_;
  Wire there_, back_;
  Meter meter_;
  Time now_ = kStart;
  std::vector<uint8_t> message_ = std::vector<uint8_t>(65536, 7);
  std::vector<uint8_t> scratch_ = std::vector<uint8_t>(2048);
};

// TCP with SACK and CUBIC as Linux has it: no pacing, HyStart by delay, C = 0.4, beta = 0.7, segments of 1448 bytes,
// the fall-back to Reno's rate, an acknowledgement for each segment. One segment is lost when three later ones have
// arrived.
class TcpCubicModel {
 public:
  explicit TcpCubicModel(const LongPath& path)
      : path_(path), link_(path.link(), path.seed + 2), meter_(path, kStart), base_rtt_(Duration::max()) {}

  Figures run() {
    const Time end = kStart + path_.duration;
    for (send(); now_ < end; send()) {
      if (acks_.empty()) {
        // All that was in flight is lost: a retransmission time-out.
        now_ += std::max<Duration>(2 * path_.rtt, std::chrono::milliseconds(200));
        lost_ += flight_.size();
        flight_.clear();
        cut();
        window_ = 1;
        continue;
      }
      now_ = acks_.front().at;
      on_ack(acks_.front().order);
      acks_.pop_front();
    }
    return meter_.result();
  }

 private:
  static constexpr size_t kSegment = 1448;
  static constexpr size_t kPacket = 1500;
  struct Flying {
    uint64_t order;
    Time sent;
    bool arrived = false;
  };
  struct Ack {
    Time at;
    uint64_t order;
  };

  void send() {
    while (pipe() < window_) {
      const auto transit = link_.send(kPacket, net::Ecn::NotEct, now_);
      flight_.push_back({next_, now_});
      if (lost_ > 0) --lost_;
      if (transit.count != 0) {
        acks_.push_back({transit.at[0] + path_.rtt / 2, next_});
        const Duration wire = path_.rtt / 2 + Duration(static_cast<int64_t>(8e3 * kPacket / path_.rate_mbit));
        meter_.queued(std::max(transit.at[0] - now_ - wire, Duration::zero()), now_);
      }
      ++next_;
    }
  }
  double pipe() const { return static_cast<double>(flight_.size() - arrived_); }

  void on_ack(uint64_t order) {
    meter_.delivered(kSegment, now_);
    Flying& flying = flight_[order - flight_.front().order];
    flying.arrived = true;
    ++arrived_;
    const Duration rtt = now_ - flying.sent;
    base_rtt_ = std::min(base_rtt_, rtt);
    bool loss = false;
    uint64_t newest_lost = 0;
    while (!flight_.empty() && (flight_.front().arrived || flight_.front().order + 3 <= order)) {
      if (flight_.front().arrived) {
        --arrived_;
      } else {
        loss = true;
        ++lost_;
        newest_lost = flight_.front().order;
      }
      flight_.pop_front();
    }
    if (loss && newest_lost >= recovery_) {
      cut();
      recovery_ = next_;
    } else if (order >= recovery_) {
      grow(rtt, order);
    }
  }
  void grow(Duration rtt, uint64_t order) {
    if (window_ < threshold_) {
      window_ += 1;
      if (order >= round_end_) {
        round_end_ = next_;
        round_min_ = Duration::max();
        samples_ = 0;
      }
      round_min_ = std::min(round_min_, rtt);
      const Duration rise =
          std::clamp<Duration>(base_rtt_ / 8, std::chrono::milliseconds(4), std::chrono::milliseconds(16));
      if (++samples_ >= 8 && round_min_ >= base_rtt_ + rise) threshold_ = window_;
      return;
    }
    if (!epoch_) {
      epoch_ = now_;
      maximum_ = std::max(maximum_, window_);
      k_ = std::cbrt((maximum_ - window_) / 0.4);
      reno_ = window_;
    }
    const double t = std::chrono::duration<double>(now_ - *epoch_ + base_rtt_).count();
    const double target = std::min(0.4 * std::pow(t - k_, 3) + maximum_, 1.5 * window_);
    reno_ += 3 * 0.3 / 1.7 / window_;
    if (target > window_) window_ += (target - window_) / window_;
    window_ = std::max(window_, reno_);
  }
  void cut() {
    maximum_ = window_ < maximum_ ? window_ * 0.85 : window_;
    window_ = threshold_ = std::max(window_ * 0.7, 2.0);
    epoch_.reset();
  }

  LongPath path_;
  sim::Link link_;
  Meter meter_;
  Time now_ = kStart;
  std::deque<Flying> flight_;
  std::deque<Ack> acks_;
  size_t arrived_ = 0;  // in flight_
  size_t lost_ = 0;     // to be sent again, which costs what a new one does
  uint64_t next_ = 0;
  uint64_t recovery_ = 0;
  uint64_t round_end_ = 0;
  Duration base_rtt_;
  Duration round_min_ = Duration::max();
  int samples_ = 0;
  double window_ = 10;
  double threshold_ = 1e12;
  double maximum_ = 0;
  double reno_ = 0;
  double k_ = 0;
  std::optional<Time> epoch_;
};

}  // namespace kaon::sctp::test
