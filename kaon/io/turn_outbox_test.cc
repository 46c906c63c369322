#include "kaon/io/internal/turn_outbox.h"

#include <gmock/gmock.h>

#include <string>

#include "kaon/base/bytes.h"

namespace kaon::io {
namespace {

using testing::ElementsAre;

/// Keeps what it is given to send; takes at most `room` runs.
class Recorder : public Sender {
 public:
  size_t send(std::span<Outgoing> batch) override {
    ++calls;
    size_t sent = 0;
    for (; sent < batch.size() && sent < room; ++sent) {
      const Outgoing& o = batch[sent];
      runs.emplace_back(o.bytes.size(), o.transmit.segment_size);
      EXPECT_EQ(o.transmit.size, o.bytes.size());
      text += as_text(o.bytes);
    }
    return sent;
  }

  std::vector<std::pair<size_t, size_t>> runs;
  std::string text;
  size_t calls = 0;
  size_t room = 1000;
};

class TurnOutboxTest : public testing::Test {
 protected:
  void add(Sender& sender, size_t size, char fill, uint16_t port = 1, bool dont_fragment = false) {
    net::Transmit transmit;
    transmit.remote = {net::IpAddress::v4(192, 0, 2, 1), port};
    transmit.size = size;
    transmit.dont_fragment = dont_fragment;
    std::fill_n(outbox.room().begin(), size, static_cast<uint8_t>(fill));
    outbox.add(sender, transmit);
  }

  std::vector<uint8_t> memory = std::vector<uint8_t>(128 * 1024);
  TurnOutbox outbox{memory};
  Recorder one;
  Recorder two;
};

TEST_F(TurnOutboxTest, PacketsOfOneSizeToOneDestinationAreARunAndTheLastMayBeShorter) {
  for (int i = 0; i < 8; ++i) add(one, 1200, 'a');
  add(one, 300, 'b');
  add(one, 300, 'c');
  EXPECT_EQ(outbox.flush(), 0u);
  EXPECT_THAT(one.runs, ElementsAre(std::pair(9900, 1200), std::pair(300, 0)));
  EXPECT_EQ(one.text, std::string(9600, 'a') + std::string(300, 'b') + std::string(300, 'c'));
}

TEST_F(TurnOutboxTest, ALargerPacketBeginsARunOfItsOwn) {
  add(one, 100, 'a');
  add(one, 200, 'b');
  add(one, 200, 'c');
  outbox.flush();
  EXPECT_THAT(one.runs, ElementsAre(std::pair(100, 0), std::pair(400, 200)));
}

TEST_F(TurnOutboxTest, OtherDestinationsSocketsAndProbesAreNoRun) {
  add(one, 100, 'a', 1);
  add(one, 100, 'b', 2);
  add(two, 100, 'c', 2);
  add(one, 100, 'd', 2);
  add(one, 100, 'e', 2, true);
  add(one, 100, 'f', 2);
  add(one, 0, 'g', 2);
  add(one, 0, 'h', 2);
  outbox.flush();
  EXPECT_EQ(one.text, std::string(100, 'a') + std::string(100, 'b') + std::string(100, 'd') + std::string(100, 'e') +
                          std::string(100, 'f'));
  EXPECT_EQ(one.runs.size(), 7u);
  EXPECT_EQ(two.runs.size(), 1u);
}

TEST_F(TurnOutboxTest, ARunHasAsManyPacketsAsTheKernelTakes) {
  for (size_t i = 0; i < 2 * TurnOutbox::kMaxSegments + 1; ++i) add(one, 100, 'a');
  outbox.flush();
  EXPECT_THAT(one.runs, ElementsAre(std::pair(6400, 100), std::pair(6400, 100), std::pair(100, 0)));
  for (int i = 0; i < 60; ++i) add(one, 1200, 'a');
  outbox.flush();
  EXPECT_EQ(one.runs[3].first, TurnOutbox::kMaxRun / 1200 * 1200);
}

TEST_F(TurnOutboxTest, IsFullWhenItsMemoryOrItsListIs) {
  EXPECT_FALSE(outbox.full(memory.size()));
  add(one, 1000, 'a');
  EXPECT_TRUE(outbox.full(memory.size() - 999));
  for (uint16_t port = 2; port <= TurnOutbox::kMaxRuns; ++port) add(one, 10, 'a', port);
  EXPECT_TRUE(outbox.full(10));
  outbox.flush();
  EXPECT_FALSE(outbox.full(memory.size()));
}

TEST_F(TurnOutboxTest, CountsThePacketsThatDidNotFit) {
  one.room = 1;
  for (int i = 0; i < 3; ++i) add(one, 100, 'a', 1);
  for (int i = 0; i < 4; ++i) add(one, 100, 'b', 2);
  add(one, 50, 'b', 2);
  add(one, 100, 'c', 3);
  EXPECT_EQ(outbox.flush(), 6u);
}

}  // namespace
}  // namespace kaon::io
