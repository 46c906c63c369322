// Any RTCP message, for dispatch by type.
#pragma once

#include <optional>
#include <variant>

#include "kaon/rtcp/congestion_feedback.h"
#include "kaon/rtcp/extended_report.h"
#include "kaon/rtcp/feedback.h"
#include "kaon/rtcp/reports.h"
#include "kaon/rtcp/source.h"
#include "kaon/rtcp/transport_feedback.h"

namespace kaon::rtcp {

/// A packet of a type or format we have no struct for, kept as it came.
struct Unknown {
  PacketView packet;
  size_t size() const { return kHeaderSize + (packet.body.size() + 3) / 4 * 4; }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

using Message = std::variant<Unknown, SenderReport, ReceiverReport, SourceDescription, Bye, App, Nack,
                             MaxBitrateRequest, RapidResyncRequest, TransportFeedback, CongestionFeedback,
                             PictureLossIndication, SliceLossIndication, ReferencePictureSelection, FullIntraRequest,
                             LayerRefreshRequest, ReceiverEstimatedMaxBitrate, ExtendedReport>;

/// The message in `packet`, borrowed from it; nothing if its fields are illegal.
std::optional<Message> parse_message(const PacketView& packet);

}  // namespace kaon::rtcp
