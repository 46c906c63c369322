#include "kaon/sim/pump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kaon/sim/seed.h"

namespace kaon::sim {
namespace {

using namespace std::chrono_literals;
using net::Endpoint;
using net::IpAddress;

struct Delivered {
  uint8_t number;
};

// A stop-and-wait protocol: [0, number] is data, [1, number] its acknowledgement. Enough to show every part of the
// pump.
class StopAndWait {
 public:
  void send(uint8_t count) { to_send_ = count; }
  void handle_packet(Bytes packet, Time now) {
    if (packet[0] == 0) {
      reply_ = packet[1];
      if (packet[1] == expected_) delivered_.push_back({expected_++});
    } else if (packet[1] == current_ && current_ < to_send_) {
      ++current_;
      deadline_ = now;
    }
  }
  void handle_timeout(Time now) {
    if (now < deadline_ || current_ >= to_send_) return;
    due_ = true;
    deadline_ = now + 100ms;
  }
  Time next_timeout() const { return current_ < to_send_ ? deadline_ : kNever; }
  std::optional<net::Transmit> poll_transmit(Bytes out) {
    if (reply_) return packet(out, 1, *std::exchange(reply_, std::nullopt));
    if (!std::exchange(due_, false)) return std::nullopt;
    return packet(out, 0, current_);
  }
  std::optional<Delivered> poll_event() {
    if (delivered_.empty()) return std::nullopt;
    return delivered_.pop_front();
  }
  bool finished() const { return current_ == to_send_; }

 private:
  static net::Transmit packet(Bytes out, uint8_t kind, uint8_t number) {
    out[0] = kind;
    out[1] = number;
    net::Transmit transmit;
    transmit.size = 2;
    return transmit;
  }

  uint8_t to_send_ = 0, current_ = 0, expected_ = 0;
  bool due_ = false;
  Time deadline_ = Time::min();
  std::optional<uint8_t> reply_;
  Ring<Delivered> delivered_;
};
static_assert(net::ByteEngine<StopAndWait>);

// Says something when told to, and answers each packet with one run of `replies` copies of it.
class Echo {
 public:
  explicit Echo(size_t replies) : replies_(replies) {}
  void say(const Endpoint& local, const Endpoint& remote, std::string_view text, size_t copies) {
    transmit_.local = local;
    transmit_.remote = remote;
    transmit_.segment_size = text.size();
    pending_.clear();
    for (size_t i = 0; i < copies; ++i) pending_ += text;
  }
  void handle_packet(const net::Datagram& datagram, Time) {
    received_.push_back(std::string(as_text(datagram.bytes)));
    say(datagram.local, datagram.remote, received_.back(), replies_);
  }
  void handle_timeout(Time) {}
  Time next_timeout() const { return kNever; }
  std::optional<net::Transmit> poll_transmit(Bytes out) {
    if (pending_.empty()) return std::nullopt;
    transmit_.size = pending_.copy(reinterpret_cast<char*>(out.data()), out.size());
    pending_.clear();
    return transmit_;
  }
  std::optional<int> poll_event() { return std::nullopt; }
  const std::vector<std::string>& received() const { return received_; }

 private:
  size_t replies_;
  net::Transmit transmit_;
  std::string pending_;
  std::vector<std::string> received_;
};
static_assert(net::DatagramEngine<Echo>);

TEST(PairPump, FinishesAnExchangeOverABadLinkForEverySeed) {
  const LinkConfig bad{.delay = 10ms, .jitter = 30ms, .loss = 0.2, .duplicate = 0.1, .reorder = 0.2};
  for (const uint64_t seed : seeds(2000)) {
    SCOPED_TRACE(replay_hint(seed));
    StopAndWait a, b;
    std::vector<int> got;
    PairPump pump(a, b, seed, bad, kIgnoreEvents, [&](Delivered d) { got.push_back(d.number); });
    a.send(8);
    ASSERT_TRUE(pump.run_for([&] { return a.finished(); }, 60s));
    ASSERT_THAT(got, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  }
}

TEST(PairPump, GivesUpAtTheDeadlineWithTheTimeStandingThere) {
  StopAndWait a, b;
  PairPump pump(a, b, 1);
  pump.a_to_b().blackout(kNever);
  a.send(1);
  const Time start = pump.now();
  EXPECT_FALSE(pump.run_for([&] { return a.finished(); }, 5s));
  EXPECT_EQ(pump.now(), start + 5s);
  EXPECT_EQ(pump.a_to_b().stats().lost_in_blackout, 51u);  // at 0, 100, …, 5000 ms
  pump.a_to_b().blackout(Time::min());
  EXPECT_TRUE(pump.run_for([&] { return a.finished(); }, 5s));
}

TEST(PairPump, StopsAtOnceWhenEverythingFellSilent) {
  StopAndWait a, b;
  PairPump pump(a, b, 1, {.delay = 1ms});
  a.send(3);
  EXPECT_FALSE(pump.run([] { return false; }, kNever));
  EXPECT_TRUE(a.finished());
}

TEST(Pump, DrivesDatagramEnginesByAddressAndSplitsRuns) {
  Network network(1);
  const HostId one = network.add_host(IpAddress::v4(192, 0, 2, 1));
  const HostId two = network.add_host(IpAddress::v4(192, 0, 2, 2));
  Echo caller(0), other_port(0), echo(3);
  Pump pump(network);
  pump.attach(one, caller, kIgnoreEvents, 1000);
  pump.attach(one, other_port, kIgnoreEvents, 1001);
  pump.attach(two, echo);
  caller.say({IpAddress::v4(192, 0, 2, 1), 1000}, {IpAddress::v4(192, 0, 2, 2), 9}, "hello", 1);
  EXPECT_FALSE(pump.run([] { return false; }, kNever));
  EXPECT_THAT(echo.received(), testing::ElementsAre("hello"));
  EXPECT_THAT(caller.received(), testing::ElementsAre("hello", "hello", "hello"));
  EXPECT_THAT(other_port.received(), testing::IsEmpty());
}

TEST(Pump, RunsActionsAtTheirTimeInOrder) {
  Network network(1);
  Pump pump(network);
  const Time start = pump.now();
  std::vector<std::pair<int, Duration>> log;
  pump.after(2s, [&] { log.emplace_back(2, pump.now() - start); });
  pump.after(1s, [&] {
    log.emplace_back(1, pump.now() - start);
    pump.after(500ms, [&] { log.emplace_back(3, pump.now() - start); });
  });
  pump.after(2s, [&] { log.emplace_back(4, pump.now() - start); });
  pump.pass(10s);
  EXPECT_THAT(log, testing::ElementsAre(std::pair(1, Duration(1s)), std::pair(3, Duration(1500ms)),
                                        std::pair(2, Duration(2s)), std::pair(4, Duration(2s))));
  EXPECT_EQ(pump.now(), start + 10s);
}

}  // namespace
}  // namespace kaon::sim
