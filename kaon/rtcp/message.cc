#include "kaon/rtcp/message.h"

#include "kaon/base/text.h"

namespace kaon::rtcp {
namespace {

template <class T>
std::optional<Message> as_message(const PacketView& packet) {
  std::optional<T> message = T::parse(packet);
  if (!message) return std::nullopt;
  return Message(*message);
}

std::optional<Message> parse_transport_feedback(const PacketView& packet) {
  switch (static_cast<TransportFormat>(packet.count)) {
    case TransportFormat::Nack: return as_message<Nack>(packet);
    case TransportFormat::Tmmbr:
    case TransportFormat::Tmmbn: return as_message<MaxBitrateRequest>(packet);
    case TransportFormat::RapidResync: return as_message<RapidResyncRequest>(packet);
    case TransportFormat::CongestionControl: return as_message<CongestionFeedback>(packet);
    case TransportFormat::TransportWide: return as_message<TransportFeedback>(packet);
  }
  return Unknown{packet};
}

std::optional<Message> parse_payload_feedback(const PacketView& packet) {
  switch (static_cast<PayloadFormat>(packet.count)) {
    case PayloadFormat::PictureLoss: return as_message<PictureLossIndication>(packet);
    case PayloadFormat::SliceLoss: return as_message<SliceLossIndication>(packet);
    case PayloadFormat::ReferencePicture: return as_message<ReferencePictureSelection>(packet);
    case PayloadFormat::FullIntra: return as_message<FullIntraRequest>(packet);
    case PayloadFormat::LayerRefresh: return as_message<LayerRefreshRequest>(packet);
    case PayloadFormat::Application:
      // Other applications than REMB share the format.
      if (const auto remb = ReceiverEstimatedMaxBitrate::parse(packet)) return Message(*remb);
      break;
  }
  return Unknown{packet};
}

}  // namespace

std::optional<Message> parse_message(const PacketView& packet) {
  switch (static_cast<PacketType>(packet.type)) {
    case PacketType::SenderReport: return as_message<SenderReport>(packet);
    case PacketType::ReceiverReport: return as_message<ReceiverReport>(packet);
    case PacketType::SourceDescription: return as_message<SourceDescription>(packet);
    case PacketType::Bye: return as_message<Bye>(packet);
    case PacketType::App: return as_message<App>(packet);
    case PacketType::TransportLayerFeedback: return parse_transport_feedback(packet);
    case PacketType::PayloadSpecificFeedback: return parse_payload_feedback(packet);
    case PacketType::ExtendedReport: return as_message<ExtendedReport>(packet);
  }
  return Unknown{packet};
}

size_t Unknown::write(Bytes out) const {
  Writer writer(out);
  write_header(writer, static_cast<PacketType>(packet.type), packet.count, size());
  writer.bytes(packet.body);
  write_padding(writer, out, size());
  return writer.size();
}

std::string Unknown::to_string() const {
  return cat("unknown type=", int{packet.type}, " count=", int{packet.count}, " bytes=", packet.body.size());
}

}  // namespace kaon::rtcp
