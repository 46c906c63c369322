#include "kaon/rtcp/reports.h"

#include "kaon/base/reader.h"
#include "kaon/base/text.h"

namespace kaon::rtcp {

// RFC 3550 §6.4.1
//  |                             SSRC                              |
//  | fraction lost |       cumulative number of packets lost       |
//  |           extended highest sequence number received           |
//  |                      interarrival jitter                      |
//  |                         last SR (LSR)                         |
//  |                   delay since last SR (DLSR)                  |
ReportBlock ReportBlock::read(const uint8_t* p) {
  return {.source = Ssrc(load_be32(p)),
          .fraction_lost = p[4],
          .cumulative_lost = static_cast<int32_t>(load_be24(p + 5) << 8) >> 8,
          .extended_highest_sequence = load_be32(p + 8),
          .jitter = load_be32(p + 12),
          .last_sender_report = load_be32(p + 16),
          .delay_since_last_sender_report = load_be32(p + 20)};
}

void ReportBlock::write(Writer& writer) const {
  writer.u32(source.value());
  writer.u8(fraction_lost);
  writer.u24(static_cast<uint32_t>(cumulative_lost));
  writer.u32(extended_highest_sequence);
  writer.u32(jitter);
  writer.u32(last_sender_report);
  writer.u32(delay_since_last_sender_report);
}

// RFC 3550 §6.4.1; what stands behind the blocks is a profile's own and skipped.
std::optional<SenderReport> SenderReport::parse(const PacketView& packet) {
  if (!packet.is(PacketType::SenderReport)) return std::nullopt;
  Reader reader(packet.body);
  SenderReport report;
  report.sender = Ssrc(reader.u32());
  report.ntp_time = {reader.u64()};
  report.rtp_timestamp = Timestamp(reader.u32());
  report.packet_count = reader.u32();
  report.octet_count = reader.u32();
  report.reports = List<ReportBlock>::from_wire(reader.bytes(packet.count * ReportBlock::kSize));
  if (!reader.ok()) return std::nullopt;
  return report;
}

size_t SenderReport::write(Bytes out) const {
  Writer writer(out);
  write_header(writer, PacketType::SenderReport, reports.size(), size());
  writer.u32(sender.value());
  writer.u64(ntp_time.value);
  writer.u32(rtp_timestamp.value());
  writer.u32(packet_count);
  writer.u32(octet_count);
  reports.write(writer);
  return writer.size();
}

std::string ReportBlock::to_string() const {
  return cat("ssrc=", source.value(), " lost=", cumulative_lost, " fraction=", static_cast<int>(fraction_lost),
             "/256 highest=", extended_highest_sequence, " jitter=", jitter);
}

std::string SenderReport::to_string() const {
  return cat("SR ssrc=", sender.value(), " packets=", packet_count, " octets=", octet_count,
             " reports=", reports.size());
}

// RFC 3550 §6.4.2
std::optional<ReceiverReport> ReceiverReport::parse(const PacketView& packet) {
  if (!packet.is(PacketType::ReceiverReport)) return std::nullopt;
  Reader reader(packet.body);
  ReceiverReport report;
  report.sender = Ssrc(reader.u32());
  report.reports = List<ReportBlock>::from_wire(reader.bytes(packet.count * ReportBlock::kSize));
  if (!reader.ok()) return std::nullopt;
  return report;
}

size_t ReceiverReport::write(Bytes out) const {
  Writer writer(out);
  write_header(writer, PacketType::ReceiverReport, reports.size(), size());
  writer.u32(sender.value());
  reports.write(writer);
  return writer.size();
}

std::string ReceiverReport::to_string() const { return cat("RR ssrc=", sender.value(), " reports=", reports.size()); }

}  // namespace kaon::rtcp
