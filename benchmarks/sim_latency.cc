// How long a small message and its answer take beside a bulk transfer on the same connection, in virtual time.
//   sim_latency [--rate MBIT] [--rtt MS] [--queue BDP] [--seconds N] [--seed N]
// Prints one JSON object per way of sending. Figures are those from a quarter of the time to its end.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "kaon/sctp/test_long_path.h"

using namespace kaon;
using sctp::test::LongPath;

namespace {

constexpr sctp::StreamId kBulk{1};
constexpr sctp::StreamId kSmall{3};
constexpr size_t kSmallSize = 100;
constexpr size_t kMostBuffered = 4 << 20;  // of the bulk transfer, as the programs of the other benches do
constexpr Duration kInterval = std::chrono::milliseconds(20);

struct Way {
  const char* name;
  sctp::CongestionControlFactory control;
  bool interleaving;
};
constexpr Way kWays[] = {{"", sctp::make_delay_cubic, true},
                         {"without_interleaving_", sctp::make_delay_cubic, false},
                         {"cubic_", sctp::make_cubic, true}};

class Run {
 public:
  Run(const LongPath& path, const Way& way)
      : path_(path),
        random_a_(path.seed),
        random_b_(path.seed + 1),
        a_(config(way), Env{random_a_, log_}),
        b_(config(way), Env{random_b_, log_}),
        there_(path.link(), path.seed + 2),
        back_(path.link(), path.seed + 3) {
    for (sctp::Association* side : {&a_, &b_}) {
      side->set_weight(kSmall, 1024);  // high, of RFC 8831 §6.4
      side->connect(now_);
    }
  }

  void run(const char* name) {
    const Time end = now_ + path_.duration;
    from_ = now_ + path_.duration / 4;
    next_small_ = from_;
    while (now_ < end) {
      drain();
      now_ = std::max(now_, std::min({a_.next_timeout(), b_.next_timeout(), there_.next(), back_.next(), next_small_}));
      there_.deliver(now_, [&](Bytes packet) { b_.handle_packet(packet, now_); });
      back_.deliver(now_, [&](Bytes packet) { a_.handle_packet(packet, now_); });
      if (a_.next_timeout() <= now_) a_.handle_timeout(now_);
      if (b_.next_timeout() <= now_) b_.handle_timeout(now_);
    }
    print(name);
  }

 private:
  static sctp::Config config(const Way& way) {
    sctp::Config config;
    config.congestion_control = way.control;
    config.interleaving = way.interleaving;
    return config;
  }

  void drain() {
    while (const auto event = b_.poll_event()) {
      const auto* message = std::get_if<sctp::Message>(&*event);
      if (message == nullptr) continue;
      if (message->stream == kSmall) send(b_, kSmall, message->payload);
      if (message->stream == kBulk && now_ >= from_) bytes_ += message->payload.size();
    }
    while (const auto event = a_.poll_event()) {
      const auto* message = std::get_if<sctp::Message>(&*event);
      if (message != nullptr) times_.push_back(now_ - when_sent(message->payload));
    }
    if (a_.state() == sctp::State::Established) send_more();
    while (const auto t = a_.poll_transmit(scratch_)) there_.send(ByteView(scratch_).first(t->size), now_);
    while (const auto t = b_.poll_transmit(scratch_)) back_.send(ByteView(scratch_).first(t->size), now_);
  }
  void send_more() {
    while (a_.buffered_amount(kBulk) < kMostBuffered && send(a_, kBulk, bulk_)) {
    }
    if (now_ < next_small_) return;
    next_small_ += kInterval;
    std::vector<uint8_t> small(kSmallSize);
    std::memcpy(small.data(), &now_, sizeof now_);
    send(a_, kSmall, small);
  }
  bool send(sctp::Association& side, sctp::StreamId stream, ByteView bytes) {
    return side.send(stream, sctp::Ppid(53), bytes, {}, now_).has_value();
  }
  static Time when_sent(ByteView payload) {
    Time at;
    std::memcpy(&at, payload.data(), sizeof at);
    return at;
  }

  void print(const char* name) {
    std::ranges::sort(times_);
    const auto ms = [&](double share) {
      if (times_.empty()) return 0.0;
      const auto index = static_cast<size_t>(share * static_cast<double>(times_.size()));
      return std::chrono::duration<double, std::milli>(times_[std::min(index, times_.size() - 1)]).count();
    };
    const double seconds = std::chrono::duration<double>(path_.duration).count() * 0.75;
    std::printf(
        "{\"%sround_trip_ms_p50\": %.2f, \"%sround_trip_ms_p99\": %.2f, \"%sround_trip_ms_most\": %.2f, "
        "\"%sbulk_mbit_s\": %.2f}\n",
        name, ms(0.5), name, ms(0.99), name, ms(1), name, static_cast<double>(bytes_) * 8e-6 / seconds);
  }

  LongPath path_;
  SeededRandom random_a_, random_b_;
  NullLogger log_;
  sctp::Association a_, b_;
  sctp::test::Wire there_, back_;
  Time now_ = sctp::test::kStart;
  Time from_{};
  Time next_small_{};
  uint64_t bytes_ = 0;
  std::vector<Duration> times_;
  std::vector<uint8_t> bulk_ = std::vector<uint8_t>(65536, 7);
  std::vector<uint8_t> scratch_ = std::vector<uint8_t>(2048);
};

bool take(LongPath& path, const std::string& name, double value) {
  const auto as_time = [](double ms) { return std::chrono::microseconds(static_cast<int64_t>(1e3 * ms)); };
  if (name == "--rate") {
    path.rate_mbit = value;
  } else if (name == "--rtt") {
    path.rtt = as_time(value);
  } else if (name == "--queue") {
    path.queue_bdp = value;
  } else if (name == "--seconds") {
    path.duration = as_time(1e3 * value);
  } else if (name == "--seed") {
    path.seed = static_cast<uint64_t>(value);
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  LongPath path;
  path.rate_mbit = 100;
  path.rtt = std::chrono::milliseconds(50);
  path.queue_bdp = 4;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc || !take(path, argv[i], std::strtod(argv[i + 1], nullptr))) {
      std::fputs("usage: sim_latency [--rate MBIT] [--rtt MS] [--queue BDP] [--seconds N] [--seed N]\n", stderr);
      return 2;
    }
  }
  for (const Way& way : kWays) Run(path, way).run(way.name);
}
