// A received stream: statistics, NACK, RTX and frame assembly, fed packets in any order, with any numbers and marks.
// Frames come out whole, in order, and from one timestamp.
#include "fuzz/fuzz.h"
#include "kaon/interceptor/frame_assembler.h"
#include "kaon/interceptor/nack_generator.h"
#include "kaon/interceptor/receive_statistics.h"
#include "kaon/interceptor/rtx.h"
#include "kaon/interceptor/transport_feedback_recorder.h"
#include "kaon/rtcp/message.h"

namespace kaon::interceptor {
namespace {

class Stream {
 public:
  Stream(bool video, fuzz::Choices& choices)
      : choices_(choices),
        assembler_(video ? FrameAssembler::Mode::Video : FrameAssembler::Mode::Audio, std::chrono::milliseconds(200)) {}

  void step() {
    switch (choices_.below(8)) {
      case 0: now_ += std::max(choices_.step(), Duration::zero()); break;
      case 1: nacks_.forget_before(assembler_.next_sequence()); break;
      case 2: report(); break;
      case 3: retransmission(); break;
      case 4: sequence_ = static_cast<uint16_t>(sequence_ + choices_.u16()); break;
      default: packet();
    }
    poll();
  }

 private:
  rtp::Packet make_packet(uint16_t sequence, uint8_t marks) {
    rtp::Header header;
    header.payload_type = 96;
    header.sequence = rtp::SequenceNumber(sequence);
    header.marker = (marks & 1) != 0;
    if ((marks & 2) != 0) timestamp_ += 3000;
    header.timestamp = rtp::Timestamp(timestamp_);
    header.ssrc = rtp::Ssrc(1);
    rtp::Packet packet = rtp::Packet::from_payload(header, SharedBuffer(pool_.copy(choices_.bytes(8))), now_);
    packet.frame.start_of_frame = (marks & 4) != 0;
    packet.frame.end_of_frame = (marks & 8) != 0;
    packet.frame.keyframe = (marks & 16) != 0;
    packet.extensions.transport_sequence = sequence;
    return packet;
  }
  void packet() {
    const uint8_t marks = choices_.u8();
    // Mostly the next number, sometimes one that is late or ahead.
    const int offset = (marks & 32) != 0 ? static_cast<int8_t>(choices_.u8()) : 1;
    sequence_ = static_cast<uint16_t>(sequence_ + offset);
    rtp::Packet packet = make_packet(sequence_, marks);
    recorder_.on_packet(sequence_, rtp::Ssrc(1), now_);
    if (const auto sequence = statistics_.on_packet(packet)) {
      nacks_.on_packet(*sequence, now_);
      assembler_.push(*sequence, std::move(packet));
    }
  }
  void retransmission() {
    rtp::Packet rtx = make_packet(choices_.u16(), choices_.u8());
    auto packet = restore_from_rtx(std::move(rtx), rtp::Ssrc(1), 96);
    if (!packet) return;
    statistics_.on_retransmission(*packet);
    const int64_t sequence = statistics_.unwrap(packet->header.sequence);
    nacks_.on_packet(sequence, now_);
    assembler_.push(sequence, *std::move(packet));
  }
  void report() {
    rtcp::SenderReport report;
    report.ntp_time.value = uint64_t{choices_.u32()} << 32;
    report.rtp_timestamp = rtp::Timestamp(choices_.u32());
    statistics_.on_sender_report(report, now_);
    if (const auto block = statistics_.make_report(now_)) (void)statistics_.ntp_of(rtp::Timestamp(timestamp_));
  }
  void poll() {
    std::array<rtp::SequenceNumber, 16> lost;
    for (size_t calls = 0; nacks_.poll(now_, lost) == lost.size(); ++calls) KAON_ASSERT(calls < 1000);
    KAON_ASSERT(nacks_.missing() <= NackGenerator::kMaxMissing);
    (void)nacks_.take_given_up();
    while (const auto frame = assembler_.poll(now_)) {
      KAON_ASSERT(!frame->packets.empty() && frame->packets.size() <= FrameAssembler::kMaxFramePackets);
      for (const rtp::Packet& p : frame->packets) KAON_ASSERT(p.header.timestamp == frame->timestamp);
      // In order, unless the numbering began anew, which is told as a loss.
      KAON_ASSERT(!last_end_ || frame->end_sequence > *last_end_ || frame->after_loss);
      last_end_ = frame->end_sequence;
    }
    KAON_ASSERT(assembler_.buffered() <= ReorderBuffer::kMaxPackets + FrameAssembler::kMaxFramePackets);
    (void)assembler_.take_frame_lost();
    std::array<uint8_t, 1100> memory;
    for (size_t calls = 0;; ++calls) {
      const size_t size = recorder_.poll(now_, rtp::Ssrc(2), memory);
      if (size == 0) break;
      KAON_ASSERT(calls < 1000);
      const auto compound = rtcp::Compound::parse(ByteView(memory).first(size));
      KAON_ASSERT(compound.has_value());
      KAON_ASSERT(rtcp::TransportFeedback::parse(*compound->begin()).has_value());
    }
  }
  fuzz::Choices& choices_;
  BufferPool pool_;
  Time now_{std::chrono::seconds(100)};
  uint16_t sequence_ = 0xffd0;
  uint32_t timestamp_ = 0xfffff000;
  std::optional<int64_t> last_end_;
  ReceiveStatistics statistics_{rtp::Ssrc(1), 90000};
  NackGenerator nacks_;
  FrameAssembler assembler_;
  TransportFeedbackRecorder recorder_;
};

}  // namespace

KAON_FUZZ_TARGET(interceptor_receive) {
  fuzz::Choices choices(input);
  Stream stream(choices.flag(), choices);
  for (size_t i = 0; i < 2000 && !choices.empty(); ++i) stream.step();
}

}  // namespace kaon::interceptor
