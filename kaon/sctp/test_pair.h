// Two engines joined by a path that delays, loses, doubles and reorders, in virtual time. For tests.
#pragma once

#include <algorithm>
#include <functional>
#include <queue>
#include <vector>

#include "kaon/base/env.h"
#include "kaon/sim/seed.h"

namespace kaon::sctp::test {

struct Path {
  Duration delay = std::chrono::milliseconds(10);
  Duration jitter{};  // packets overtake each other if this is not zero
  double loss = 0;
  double duplication = 0;
};

template <class Engine, class Event>
class Pair {
 public:
  struct Side {
    Engine* engine = nullptr;
    std::function<void(Event&)> on_event = [](Event&) {};
    std::function<bool(ByteView)> filter = [](ByteView) { return true; };  // false: lost
    uint64_t packets = 0;
  };

  Pair(Engine& a, Engine& b, uint64_t seed) : random_(seed) {
    sides_[0].engine = &a;
    sides_[1].engine = &b;
  }

  Side& a() { return sides_[0]; }
  Side& b() { return sides_[1]; }
  Path path;
  Time now() const { return now_; }

  void drain() {
    for (bool active = true; active;) {
      active = false;
      for (int i = 0; i < 2; ++i) {
        while (auto event = sides_[i].engine->poll_event()) sides_[i].on_event(*event), active = true;
        while (const auto transmit = sides_[i].engine->poll_transmit(scratch_)) {
          active = true;
          ++sides_[i].packets;
          send(i, ByteView(scratch_).first(transmit->size));
        }
      }
    }
  }

  /// Until `done` or for `limit` of virtual time; whether it is done.
  bool run(Duration limit, const std::function<bool()>& done) {
    const Time end = now_ + limit;
    for (drain(); !done(); drain()) {
      Time next = std::min(sides_[0].engine->next_timeout(), sides_[1].engine->next_timeout());
      if (!wire_.empty()) next = std::min(next, wire_.top().at);
      if (next > end) {
        now_ = end;
        return done();
      }
      now_ = std::max(now_, next);
      deliver();
      for (auto& side : sides_) {
        if (side.engine->next_timeout() <= now_) side.engine->handle_timeout(now_);
      }
    }
    return true;
  }
  void run_for(Duration time) {
    run(time, [] { return false; });
  }

 private:
  struct InFlight {
    Time at;
    uint64_t order;
    int to;
    std::vector<uint8_t> bytes;
    bool operator>(const InFlight& other) const { return std::tie(at, order) > std::tie(other.at, other.order); }
  };

  double uniform() { return static_cast<double>(random_.below(1'000'000)) / 1e6; }
  void send(int from, ByteView packet) {
    if (!sides_[from].filter(packet)) return;
    const int copies = uniform() < path.duplication ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (uniform() < path.loss) continue;
      Time at = now_ + path.delay;
      if (path.jitter > Duration::zero()) at += Duration(random_.below(static_cast<uint64_t>(path.jitter.count())));
      wire_.push({at, order_++, 1 - from, {packet.begin(), packet.end()}});
    }
  }
  void deliver() {
    while (!wire_.empty() && wire_.top().at <= now_) {
      InFlight packet = wire_.top();
      wire_.pop();
      sides_[packet.to].engine->handle_packet(packet.bytes, now_);
    }
  }

  Side sides_[2];
  std::priority_queue<InFlight, std::vector<InFlight>, std::greater<>> wire_;
  SeededRandom random_;
  Time now_ = Time(std::chrono::seconds(1000));
  uint64_t order_ = 0;
  std::vector<uint8_t> scratch_ = std::vector<uint8_t>(17'000);
};

}  // namespace kaon::sctp::test
