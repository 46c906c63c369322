// Packets that cross over from the publisher's loop to that of its viewers.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "kaon/io/loop.h"
#include "kaon/sfu/session.h"
#include "kaon/sfu/stream.h"

// ThreadSanitizer has an operator new of its own.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KAON_THREAD_SANITIZER
#endif
#endif

#ifndef KAON_THREAD_SANITIZER
namespace {
std::atomic<size_t> allocations = 0;
}

void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* p = std::malloc(size);
  if (p == nullptr) std::abort();
  return p;
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
#endif

namespace kaon::sfu {
namespace {

/// A stream that is published on one stepped loop and watched on another.
class Handover : public testing::Test {
 protected:
  Handover() {
    for (std::atomic<uint32_t>& viewers : stream_->viewers) viewers = 1;
    stream_->gates.resize(1);
  }
  void publish(size_t packets) {
    for (size_t i = 0; i < packets; ++i) {
      FanoutPacket packet;
      packet.packet = rtp::Packet::from_payload({}, SharedBuffer(loops_[0].buffers().allocate(1000)), io::Loop::now());
      batch_.push_back(std::move(packet));
    }
    stream_->publish(batch_, io::Loop::now());
    batch_.clear();
  }
  void step() {
    for (io::Loop& loop : loops_) loop.step();
  }

  std::array<io::Loop, 2> loops_;
  std::array<io::Loop*, 2> pointers_{&loops_[0], &loops_[1]};
  ForwardFigures figures_;
  std::shared_ptr<Stream> stream_ = std::make_shared<Stream>("a", pointers_, 0, figures_);
  std::vector<FanoutPacket> batch_;
};

#ifndef KAON_THREAD_SANITIZER
TEST_F(Handover, AllocatesNothingOnceItIsWarm) {
  for (int turn = 0; turn < 100; ++turn) {
    publish(20);
    step();
  }
  const size_t before = allocations;
  ASSERT_GT(before, 100u);
  for (int turn = 0; turn < 500; ++turn) {
    publish(20);
    step();
  }
  EXPECT_EQ(allocations - before, 0u);
  EXPECT_EQ(figures_.handover_dropped, 0u);
}
#endif

TEST_F(Handover, DropsAndCountsWhatAFullLoopDoesNotTake) {
  publish(kMaxHandedOver + 3);
  EXPECT_EQ(figures_.handover_dropped, 3u);
  step();
  publish(kMaxHandedOver);
  EXPECT_EQ(figures_.handover_dropped, 3u);
}

TEST_F(Handover, KeepsTheStreamUntilItHasArrived) {
  publish(1);
  const std::weak_ptr<Stream> watched = stream_;
  stream_.reset();
  EXPECT_FALSE(watched.expired());
  step();
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace kaon::sfu
