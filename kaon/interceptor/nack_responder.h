// Answers NACKs with retransmissions, at a bounded rate. RFC 4585 §6.2.1, RFC 4588.
#pragma once

#include <optional>

#include "kaon/base/counters.h"
#include "kaon/interceptor/rtx.h"
#include "kaon/interceptor/send_history.h"
#include "kaon/interceptor/stream_stats.h"
#include "kaon/rtcp/feedback.h"

namespace kaon::interceptor {

/// One per sent media stream, beside its SendHistory.
class NackResponder {
 public:
  /// A packet goes out at most once in this time, or in a round trip if that is longer.
  static constexpr Duration kMinPause = std::chrono::milliseconds(10);
  static constexpr uint8_t kMaxRetransmissions = 10;  ///< of one packet
  /// Of all packets of the stream: what a flood of NACKs can make us send.
  static constexpr size_t kMaxPerSecond = 2000;
  static constexpr size_t kMaxBurst = 500;

  enum class Refusal : uint8_t { NotInHistory, TooSoon, TooOften, RateLimit, Count };

  /// Without `rtx` the original packets are sent again. `first_sequence` of the RTX stream is random by RFC 3550 §5.1.
  explicit NackResponder(std::optional<RtxStream> rtx = {}, rtp::SequenceNumber first_sequence = {})
      : rtx_(rtx), rtx_sequence_(first_sequence) {}

  void set_round_trip(Duration rtt) { round_trip_ = rtt; }
  /// Calls send(rtp::Packet) for each packet to send again.
  template <class Send>
  void on_nack(const rtcp::Nack& nack, SendHistory& history, Time now, Send send) {
    refill(now);
    nack.for_each([&](rtp::SequenceNumber sequence) {
      if (auto packet = retransmission(sequence, history, now)) send(*std::move(packet));
    });
  }
  /// A packet of the RTX stream that probes for bandwidth: the newest packet again, nothing without one or without RTX.
  std::optional<rtp::Packet> probe(const SendHistory& history);

  const Counters<Refusal>& refused() const { return refused_; }
  uint64_t packets_sent() const { return packets_sent_; }
  uint64_t bytes_sent() const { return bytes_sent_; }
  const std::optional<RtxStream>& rtx() const { return rtx_; }

 private:
  void refill(Time now);
  std::optional<rtp::Packet> retransmission(rtp::SequenceNumber sequence, SendHistory& history, Time now);
  rtp::Packet make(rtp::Packet packet);

  std::optional<RtxStream> rtx_;
  rtp::SequenceNumber rtx_sequence_;
  Duration round_trip_ = std::chrono::milliseconds(50);
  Duration credit_ = std::chrono::seconds(1);  // a packet costs 1/kMaxPerSecond s
  Time refilled_{Time::min()};
  uint64_t packets_sent_ = 0;
  uint64_t bytes_sent_ = 0;
  Counters<Refusal> refused_;
};

}  // namespace kaon::interceptor
