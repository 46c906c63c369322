// A sent stream: history, retransmissions and transport-wide numbers, with feedback that says anything.
#include "fuzz/fuzz.h"
#include "kaon/interceptor/nack_responder.h"
#include "kaon/interceptor/send_history.h"
#include "kaon/interceptor/transport_sequencer.h"
#include "kaon/rtcp/message.h"

namespace kaon::interceptor {
namespace {

class Stream {
 public:
  explicit Stream(fuzz::Choices& choices)
      : choices_(choices), responder_(choices.flag() ? std::optional(RtxStream{rtp::Ssrc(2), 97}) : std::nullopt) {}

  void step() {
    switch (choices_.below(4)) {
      case 0: now_ += std::max(choices_.step(), Duration::zero()); break;
      case 1: feedback(); break;
      default: send();
    }
    KAON_ASSERT(history_.size() <= SendHistory::kMaxPackets);
    KAON_ASSERT(history_.bytes() <= SendHistory::kMaxSize);
    KAON_ASSERT(sequencer_.in_flight() <= DataSize::bytes(int64_t{2000} * TransportSequencer::kMaxInFlight));
  }

 private:
  void send() {
    const size_t count = choices_.flag() ? 1 : choices_.below(256);
    for (size_t i = 0; i < count; ++i) {
      rtp::Header header;
      header.sequence = rtp::SequenceNumber(sequence_++);
      header.ssrc = rtp::Ssrc(1);
      Buffer payload = pool_.allocate(1000);
      history_.push(rtp::Packet::from_payload(header, SharedBuffer(std::move(payload)), now_), now_);
      sequencer_.on_sent(DataSize::bytes(1040), now_);
      ++sent_;
    }
    if (choices_.flag()) sequence_ = static_cast<uint16_t>(sequence_ + choices_.u8());
    (void)responder_.probe(history_);
  }
  // The peer's RTCP, as it comes out of the parser.
  void feedback() {
    std::vector<uint8_t> body = fuzz::copy(choices_.bytes(600));
    rtcp::PacketView packet;
    packet.type = static_cast<uint8_t>(rtcp::PacketType::TransportLayerFeedback);
    packet.count =
        static_cast<uint8_t>(choices_.flag() ? rtcp::TransportFormat::Nack : rtcp::TransportFormat::TransportWide);
    packet.body = body;
    const auto message = rtcp::parse_message(packet);
    if (!message) return;
    if (const auto* nack = std::get_if<rtcp::Nack>(&*message)) {
      size_t resent = 0;
      responder_.on_nack(*nack, history_, now_, [&](const rtp::Packet&) { ++resent; });
      KAON_ASSERT(resent <= NackResponder::kMaxPerSecond);
    }
    if (const auto* report = std::get_if<rtcp::TransportFeedback>(&*message)) {
      if (const auto results = sequencer_.on_feedback(*report, now_)) KAON_ASSERT(results->packets.size() <= sent_);
    }
  }

  fuzz::Choices& choices_;
  BufferPool pool_;
  Time now_{std::chrono::seconds(100)};
  uint16_t sequence_ = 0xff00;
  size_t sent_ = 0;
  SendHistory history_;
  NackResponder responder_;
  TransportSequencer sequencer_;
};

}  // namespace

KAON_FUZZ_TARGET(interceptor_send) {
  fuzz::Choices choices(input);
  Stream stream(choices);
  for (size_t i = 0; i < 200 && !choices.empty(); ++i) stream.step();
}

}  // namespace kaon::interceptor
