// Transport-wide congestion control feedback. draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "kaon/base/time.h"
#include "kaon/rtcp/feedback.h"

namespace kaon::rtcp {

/// A received packet as the writer wants it.
struct PacketArrival {
  int64_t sequence = 0;  ///< unwrapped transport-wide sequence number
  Time time{};
};

/// What a report says about one packet.
struct PacketStatus {
  SequenceNumber sequence;
  /// Receiver's clock, wrapping with the 24-bit reference time every 12.4 days; nothing if the packet did not arrive.
  std::optional<Duration> arrival;
};

struct TransportFeedback {
  FeedbackHead head;
  SequenceNumber base_sequence;
  uint16_t status_count = 0;
  int32_t reference_time = 0;  ///< signed 24 bits, 64 ms
  uint8_t feedback_count = 0;
  ByteView chunks_and_deltas;

  /// Checks that the chunks cover the count and the deltas are all there.
  static std::optional<TransportFeedback> parse(const PacketView& packet);
  std::string to_string() const;

  /// Walks through the packets in order: while (auto status = cursor.next()) …
  class Cursor {
   public:
    explicit Cursor(const TransportFeedback& feedback);
    std::optional<PacketStatus> next();
    /// True if the bytes ended early or held a reserved symbol.
    bool failed() const { return failed_; }

   private:
    std::optional<PacketStatus> fail() { return failed_ = true, std::nullopt; }
    bool find_deltas();
    uint8_t next_symbol();
    ByteView chunks_;
    ByteView deltas_;
    SequenceNumber sequence_;
    uint32_t left_;
    uint32_t chunk_ = 0;       // bits of the current vector, or its symbol if a run
    uint32_t chunk_left_ = 0;  // symbols not yet given
    uint8_t chunk_bits_ = 0;   // per symbol; 0 in a run
    int64_t ticks_;            // 250 us
    bool failed_ = false;
  };
};

/// How much of the arrivals one report took.
struct WrittenFeedback {
  size_t size = 0;      ///< bytes written, 0 if not even one arrival fits
  size_t arrivals = 0;  ///< reported, from the front
};

/// Writes a report of as many arrivals as fit, which must be in ascending order of sequence. Packets between them are
/// reported lost, and so are those from `first_sequence` on, where the last report ended.
WrittenFeedback write_transport_feedback(FeedbackHead head, uint8_t feedback_count,
                                         std::span<const PacketArrival> arrivals, Bytes out,
                                         std::optional<int64_t> first_sequence = {});

}  // namespace kaon::rtcp
