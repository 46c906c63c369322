// One published track on its way to one viewer: which packets go, and under which numbers.
#pragma once

#include <cstdint>
#include <optional>

#include "kaon/base/strong.h"
#include "kaon/base/time.h"
#include "kaon/packetizer/payload_info.h"
#include "kaon/rtp/packet.h"

namespace kaon::router {

/// Layer of a simulcast track; zero if there is only one.
using Layer = Strong<struct LayerTag, uint8_t>;

/// The numbers a packet has in the viewer's stream. SSRC, payload type and extension ids are the sending connection's.
struct Rewritten {
  rtp::SequenceNumber sequence;
  rtp::Timestamp timestamp;
};

/// Chooses and renumbers. The viewer sees one unbroken stream: it begins at a key frame, sequence numbers have a hole
/// only where the source has one (so that a NACK means a real loss), and both numbers run on when the source restarts
/// or the layer changes. A plain value per viewer and track; O(1), no allocation. Used on the viewer's loop.
class Forwarder {
 public:
  struct Start {
    rtp::SequenceNumber sequence;
    rtp::Timestamp timestamp;
  };

  /// Numbers begin at `start`, which should be random (RFC 3550 §5.1). `video` streams wait for a key frame.
  Forwarder(bool video, uint32_t clock_rate, Start start)
      : video_(video),
        clock_rate_(clock_rate),
        next_sequence_(start.sequence.value()),
        last_timestamp_(start.timestamp) {}

  /// The numbers for this packet, or nothing if the viewer does not get it. `info` is packetizer::inspect() of the
  /// payload, made once per packet for all viewers.
  std::optional<Rewritten> forward(const rtp::Packet& packet, Layer layer,
                                   const std::optional<packetizer::PayloadInfo>& info, Time now);

  /// Changes over at the target layer's next key frame.
  void select(Layer layer) { target_ = layer; }
  Layer selected() const { return target_; }
  /// True while the viewer has no picture, or waits to change layers: ask the source for a key frame.
  bool needs_keyframe() const { return video_ && (!source_ || current_ != target_); }

 private:
  void begin_source(const rtp::Packet& packet, Layer layer, Time now);

  bool video_;
  uint32_t clock_rate_;
  Layer target_;
  Layer current_;
  std::optional<rtp::Ssrc> source_;
  Unwrapper<uint16_t> unwrapper_;
  int64_t first_ = 0;            // unwrapped source number of the first packet forwarded
  int64_t sequence_offset_ = 0;  // viewer's number minus the source's
  int64_t next_sequence_;        // after the newest packet sent
  uint32_t timestamp_offset_ = 0;
  rtp::Timestamp last_timestamp_;
  Time last_time_{};
  bool sent_ = false;
};

}  // namespace kaon::router
