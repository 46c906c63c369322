// Round trips for who receives only: extended reports. RFC 3611 §4.4 and §4.5, a=rtcp-xr:rcvr-rtt.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "kaon/base/time.h"
#include "kaon/rtcp/extended_report.h"

namespace kaon::interceptor {

/// One per transport: remembers the reference times that receivers sent, for the answer.
class ReferenceTimeResponder {
 public:
  /// Receivers remembered; the one heard longest ago makes room.
  static constexpr size_t kMaxReceivers = 16;

  void on_reference_time(rtp::Ssrc receiver, const rtcp::ReceiverReferenceTime& block, Time now);
  /// Items for a DLRR block, of those who sent a reference time since the last call; valid until the next.
  std::span<const rtcp::DlrrItem> take_items(Time now);

 private:
  struct Receiver {
    rtp::Ssrc ssrc;
    uint32_t reference = 0;
    Time arrival{Time::min()};
    bool fresh = false;
  };
  std::array<Receiver, kMaxReceivers> receivers_{};
  std::array<rtcp::DlrrItem, kMaxReceivers> items_{};
};

/// The round trip out of the item that answers our reference time; nothing if none is for us.
std::optional<Duration> round_trip_from(const rtcp::Dlrr& dlrr, rtp::Ssrc ours, NtpTime ntp_now);

}  // namespace kaon::interceptor
