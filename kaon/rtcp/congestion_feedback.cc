#include "kaon/rtcp/congestion_feedback.h"

#include "kaon/base/reader.h"
#include "kaon/base/text.h"
#include "kaon/rtcp/feedback.h"

namespace kaon::rtcp {

// RFC 8888 §3.1: | R (1) | ECN (2) | arrival time offset (13) |
PacketMetric PacketMetric::read(const uint8_t* p) {
  const uint16_t v = load_be16(p);
  return {.received = (v & 0x8000) != 0,
          .ecn = static_cast<uint8_t>((v >> 13) & 3),
          .arrival_offset = static_cast<uint16_t>(v & 0x1fff)};
}

void PacketMetric::write(Writer& writer) const {
  // The other fields of a packet that did not arrive must be zero.
  writer.u16(received ? static_cast<uint16_t>(0x8000 | ((ecn & 3) << 13) | (arrival_offset & 0x1fff)) : uint16_t{0});
}

std::optional<StreamMetrics> CongestionFeedback::Cursor::next() {
  if (failed_ || rest_.empty()) return std::nullopt;
  Reader reader(rest_);
  StreamMetrics stream;
  stream.media = Ssrc(reader.u32());
  stream.begin = SequenceNumber(reader.u16());
  const size_t count = reader.u16();
  stream.packets = List<PacketMetric>::from_wire(reader.bytes(count * PacketMetric::kSize));
  reader.skip(count % 2 * PacketMetric::kSize);
  if (!reader.ok() || count > kMaxPackets) {
    failed_ = true;
    return std::nullopt;
  }
  rest_ = reader.rest();
  return stream;
}

// RFC 8888 §3.1: sender, blocks, report timestamp at the end.
std::optional<CongestionFeedback> CongestionFeedback::parse(const PacketView& packet) {
  if (!packet.is(PacketType::TransportLayerFeedback, static_cast<uint8_t>(TransportFormat::CongestionControl))) {
    return std::nullopt;
  }
  if (packet.body.size() < 8) return std::nullopt;
  CongestionFeedback feedback;
  feedback.sender = Ssrc(load_be32(packet.body.data()));
  feedback.blocks = packet.body.subspan(4, packet.body.size() - 8);
  feedback.report_time = load_be32(packet.body.data() + packet.body.size() - 4);
  Cursor cursor(feedback);
  while (cursor.next()) {
  }
  if (cursor.failed()) return std::nullopt;
  return feedback;
}

size_t CongestionFeedback::size() const {
  size_t size = kHeaderSize + 8;
  for (const StreamMetrics& stream : streams) size += stream.size();
  return size;
}

size_t CongestionFeedback::write(Bytes out) const {
  Writer writer(out);
  write_header(writer, PacketType::TransportLayerFeedback, static_cast<uint8_t>(TransportFormat::CongestionControl),
               size());
  writer.u32(sender.value());
  for (const StreamMetrics& stream : streams) {
    KAON_ASSERT(stream.packets.size() <= kMaxPackets);
    writer.u32(stream.media.value());
    writer.u16(stream.begin.value());
    writer.u16(static_cast<uint16_t>(stream.packets.size()));
    stream.packets.write(writer);
    writer.zeros(stream.packets.size() % 2 * PacketMetric::kSize);
  }
  writer.u32(report_time);
  return writer.size();
}

std::string CongestionFeedback::to_string() const {
  std::string out = cat("CCFB ssrc=", sender.value(), " time=", report_time);
  Cursor cursor(*this);
  while (const auto stream = cursor.next()) {
    append_to(out, cat(" ", stream->media.value(), ":", stream->begin.value(), "+", stream->packets.size()));
  }
  return out;
}

}  // namespace kaon::rtcp
