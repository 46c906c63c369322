// A sender and a receiver with everything between them: history, NACK, RTX, reordering, frames, in virtual time over a
// bad link.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "kaon/base/random.h"
#include "kaon/base/text.h"
#include "kaon/interceptor/frame_assembler.h"
#include "kaon/interceptor/internal/test_packets.h"
#include "kaon/interceptor/keyframe_requester.h"
#include "kaon/interceptor/nack_generator.h"
#include "kaon/interceptor/nack_responder.h"
#include "kaon/interceptor/receive_statistics.h"
#include "kaon/interceptor/transport_feedback_recorder.h"
#include "kaon/interceptor/transport_sequencer.h"

namespace {
size_t allocations = 0;
}

#if defined(__SANITIZE_ADDRESS__)
#define KAON_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KAON_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef KAON_COUNTS_ALLOCATIONS
#define KAON_COUNTS_ALLOCATIONS 1
void* operator new(size_t size) {
  ++allocations;
  void* p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) std::abort();
  return p;
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
#endif

namespace kaon::interceptor {
namespace {

using std::chrono::milliseconds;
using test::make_packet;

struct Link {
  uint64_t loss_percent = 0;
  uint64_t duplicate_percent = 0;
  Duration delay = milliseconds(20);
  uint64_t jitter_ms = 0;
};

/// What is under way in one direction, by arrival.
template <class T>
class Pipe {
 public:
  Pipe(Link link, Random& random) : link_(link), random_(random) { flying_.reserve(4096); }
  void send(T item, Time now) {
    if (random_.below(100) < link_.loss_percent) return;
    const int copies = random_.below(100) < link_.duplicate_percent ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      flying_.emplace_back(now + link_.delay + milliseconds(link_.jitter_ms == 0 ? 0 : random_.below(link_.jitter_ms)),
                           item);
    }
  }
  template <class F>
  void deliver(Time now, F f) {
    for (size_t i = 0; i < flying_.size();) {
      if (flying_[i].first > now) {
        ++i;
        continue;
      }
      T item = std::move(flying_[i].second);
      flying_.erase(flying_.begin() + static_cast<std::ptrdiff_t>(i));
      f(std::move(item));
    }
  }

 private:
  Link link_;
  Random& random_;
  std::vector<std::pair<Time, T>> flying_;
};

struct NackMessage {
  std::array<rtcp::NackItem, 32> items;
  size_t count = 0;
};

class Call {
 public:
  Call(Link link, uint64_t seed) : random_(seed), media_(link, random_), feedback_(link, random_) {
    nack_.set_round_trip(milliseconds(40));
    responder_.set_round_trip(milliseconds(40));
  }

  /// A frame of five packets every 33 ms, for `duration`.
  void run(Duration duration) {
    for (const Time end = now_ + duration; now_ < end; now_ += milliseconds(1)) {
      if (now_ >= next_frame_) send_frame();
      feedback_.deliver(now_, [&](NackMessage message) { on_nack(message); });
      media_.deliver(now_, [&](rtp::Packet packet) { on_packet(std::move(packet)); });
      receive();
    }
  }

  size_t frames_sent = 0;
  size_t frames_received = 0;
  size_t nack_messages = 0;
  size_t keyframe_requests = 0;

 private:
  void send_frame() {
    for (int i = 0; i < 5; ++i) {
      rtp::Packet packet = make_packet(pool_, {.sequence = sequence_++,
                                               .timestamp = static_cast<uint32_t>(frames_sent) * 2970,
                                               .marker = i == 4,
                                               .start = i == 0,
                                               .size = 1000});
      sequencer_.on_sent(DataSize::bytes(1040), now_);
      history_.push(packet, now_);
      media_.send(std::move(packet), now_);
    }
    ++frames_sent;
    next_frame_ += milliseconds(33);
  }
  void on_nack(const NackMessage& message) {
    const rtcp::Nack nack{.head = {}, .items = std::span(message.items).first(message.count)};
    responder_.on_nack(nack, history_, now_, [&](rtp::Packet packet) { media_.send(std::move(packet), now_); });
  }
  void on_packet(rtp::Packet packet) {
    packet.time = now_;
    int64_t sequence = 0;
    if (packet.original_sequence) {  // what the wire and restore_from_rtx() do, without the copy
      packet.header.sequence = *packet.original_sequence;
      packet.recovered = true;
      sequence = statistics_.unwrap(packet.header.sequence);
      statistics_.on_retransmission(packet);
    } else {
      const auto believed = statistics_.on_packet(packet);
      if (!believed) return;
      sequence = *believed;
      recorder_.on_packet(packet.header.sequence.value(), packet.header.ssrc, now_);
    }
    nack_.on_packet(sequence, now_);
    assembler_.push(sequence, std::move(packet));
  }
  void receive() {
    while (const auto frame = assembler_.poll(now_)) {
      ++frames_received;
      EXPECT_EQ(frame->packets.size(), 5u);
      nack_.forget_before(frame->end_sequence);
      keyframes_.on_keyframe();  // this sender's frames do not depend on each other
    }
    if (assembler_.take_frame_lost() || nack_.take_given_up()) keyframes_.request(now_);
    if (keyframes_.poll(now_)) ++keyframe_requests;
    std::array<rtp::SequenceNumber, 64> lost;
    const size_t count = nack_.poll(now_, lost);
    if (count != 0) {
      NackMessage message;
      message.count = rtcp::pack_nack_items(std::span(lost).first(count), message.items);
      feedback_.send(message, now_);
      ++nack_messages;
    }
    std::array<uint8_t, 1200> memory;
    while (recorder_.poll(now_, rtp::Ssrc(9), memory) != 0) {
    }
  }

  SeededRandom random_;
  BufferPool pool_;
  Pipe<rtp::Packet> media_;
  Pipe<NackMessage> feedback_;
  SendHistory history_;
  NackResponder responder_{RtxStream{rtp::Ssrc(2), 97}};
  TransportSequencer sequencer_;
  ReceiveStatistics statistics_{rtp::Ssrc(1), 90000};
  NackGenerator nack_;
  FrameAssembler assembler_{FrameAssembler::Mode::Video, milliseconds(600)};
  KeyframeRequester keyframes_;
  TransportFeedbackRecorder recorder_;
  Time now_;
  Time next_frame_;
  uint16_t sequence_ = 65000;
};

uint64_t first_seed() {
  const char* seed = std::getenv("KAON_SEED");
  return seed == nullptr ? 1 : parse_number<uint64_t>(seed).value_or(1);
}

TEST(Belt, AsksForNothingOnAGoodLink) {
  Call call(Link{}, 1);
  call.run(std::chrono::seconds(5));
  EXPECT_EQ(call.nack_messages, 0u);
  EXPECT_EQ(call.keyframe_requests, 0u);
  EXPECT_GE(call.frames_received + 2, call.frames_sent);
}

TEST(Belt, BringsEveryFrameOverALinkThatLosesATenth) {
  for (uint64_t seed = first_seed(); seed < first_seed() + 10; ++seed) {
    SCOPED_TRACE(cat("KAON_SEED=", seed));
    Call call(Link{.loss_percent = 10, .duplicate_percent = 2, .delay = milliseconds(20), .jitter_ms = 4}, seed);
    call.run(std::chrono::seconds(20));
    EXPECT_GE(call.frames_received + 15, call.frames_sent) << "those under way at the end";
    EXPECT_LE(call.keyframe_requests, 2u);
  }
}

TEST(Belt, SurvivesALinkThatLosesHalf) {
  for (uint64_t seed = first_seed(); seed < first_seed() + 5; ++seed) {
    SCOPED_TRACE(cat("KAON_SEED=", seed));
    Call call(Link{.loss_percent = 50, .duplicate_percent = 10, .delay = milliseconds(20), .jitter_ms = 30}, seed);
    call.run(std::chrono::seconds(20));
    EXPECT_GT(call.frames_received, call.frames_sent / 4);
    EXPECT_LE(call.keyframe_requests, 100u) << "one per pause at most";
  }
}

TEST(Belt, AllocatesNothingPerPacketAfterWarmUp) {
  if (KAON_COUNTS_ALLOCATIONS == 0) GTEST_SKIP() << "the sanitizer owns operator new";
  Call call(Link{.loss_percent = 10, .duplicate_percent = 2, .delay = milliseconds(20), .jitter_ms = 4}, 3);
  call.run(std::chrono::seconds(60));
  const size_t before = allocations;
  const size_t frames = call.frames_received;
  call.run(std::chrono::seconds(20));
  EXPECT_GT(call.frames_received, frames + 500);
  EXPECT_EQ(allocations - before, 0u);
}

}  // namespace
}  // namespace kaon::interceptor
