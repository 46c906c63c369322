#include "kaon/rtcp/extended_report.h"

#include "kaon/base/reader.h"
#include "kaon/base/text.h"

namespace kaon::rtcp {
namespace {

RunLengths read_run_lengths(Reader& reader, bool duplicates, uint8_t type_specific) {
  RunLengths block;
  block.duplicates = duplicates;
  block.thinning = type_specific & 0x0f;
  block.source = Ssrc(reader.u32());
  block.begin = SequenceNumber(reader.u16());
  block.end = SequenceNumber(reader.u16());
  block.chunks = List<RleChunk>::from_wire(reader.rest());
  return block;
}

PacketReceiptTimes read_receipt_times(Reader& reader, uint8_t type_specific) {
  PacketReceiptTimes block;
  block.thinning = type_specific & 0x0f;
  block.source = Ssrc(reader.u32());
  block.begin = SequenceNumber(reader.u16());
  block.end = SequenceNumber(reader.u16());
  block.times = List<ReceiptTime>::from_wire(reader.rest());
  return block;
}

// §4.6
StatisticsSummary read_statistics(Reader& reader, uint8_t flags) {
  StatisticsSummary b;
  b.flags = flags;
  b.source = Ssrc(reader.u32());
  b.begin = SequenceNumber(reader.u16());
  b.end = SequenceNumber(reader.u16());
  for (uint32_t* field :
       {&b.lost_packets, &b.duplicate_packets, &b.min_jitter, &b.max_jitter, &b.mean_jitter, &b.deviation_jitter}) {
    *field = reader.u32();
  }
  for (uint8_t* field : {&b.min_ttl, &b.max_ttl, &b.mean_ttl, &b.deviation_ttl}) *field = reader.u8();
  return b;
}

// §4.7
VoipMetrics read_voip(Reader& reader) {
  VoipMetrics b;
  b.source = Ssrc(reader.u32());
  for (uint8_t* field : {&b.loss_rate, &b.discard_rate, &b.burst_density, &b.gap_density}) *field = reader.u8();
  for (uint16_t* field : {&b.burst_duration, &b.gap_duration, &b.round_trip_delay, &b.end_system_delay})
    *field = reader.u16();
  for (uint8_t* field : {&b.signal_level, &b.noise_level, &b.echo_return_loss, &b.gap_threshold, &b.r_factor,
                         &b.external_r_factor, &b.mos_listening, &b.mos_conversation, &b.receiver_configuration}) {
    *field = reader.u8();
  }
  reader.skip(1);
  for (uint16_t* field : {&b.jitter_buffer_nominal, &b.jitter_buffer_maximum, &b.jitter_buffer_absolute_maximum}) {
    *field = reader.u16();
  }
  return b;
}

XrBlock read_block(uint8_t type, uint8_t type_specific, ByteView body) {
  Reader reader(body);
  XrBlock block;
  switch (static_cast<XrType>(type)) {
    case XrType::LossRle: block = read_run_lengths(reader, false, type_specific); break;
    case XrType::DuplicateRle: block = read_run_lengths(reader, true, type_specific); break;
    case XrType::PacketReceiptTimes: block = read_receipt_times(reader, type_specific); break;
    case XrType::ReceiverReferenceTime: block = ReceiverReferenceTime{{reader.u64()}}; break;
    case XrType::Dlrr: block = Dlrr{List<DlrrItem>::from_wire(reader.rest())}; break;
    case XrType::StatisticsSummary: block = read_statistics(reader, type_specific); break;
    case XrType::VoipMetrics: block = read_voip(reader); break;
    default: reader.fail();
  }
  if (!reader.ok()) return UnknownXrBlock{.type = type, .type_specific = type_specific, .body = body};
  return block;
}

/// Writes the body of a block and says what stands in its header.
struct BlockWriter {
  Writer& writer;

  uint16_t operator()(const UnknownXrBlock& b) const {
    writer.bytes(b.body);
    return head(b.type, b.type_specific);
  }
  uint16_t operator()(const ReceiverReferenceTime& b) const {
    writer.u64(b.ntp_time.value);
    return head(XrType::ReceiverReferenceTime, 0);
  }
  uint16_t operator()(const Dlrr& b) const {
    b.items.write(writer);
    return head(XrType::Dlrr, 0);
  }
  uint16_t operator()(const RunLengths& b) const {
    range(b.source, b.begin, b.end);
    b.chunks.write(writer);
    if (b.chunks.size() % 2 != 0) writer.u16(0);
    return head(b.duplicates ? XrType::DuplicateRle : XrType::LossRle, b.thinning & 0x0f);
  }
  uint16_t operator()(const PacketReceiptTimes& b) const {
    range(b.source, b.begin, b.end);
    b.times.write(writer);
    return head(XrType::PacketReceiptTimes, b.thinning & 0x0f);
  }
  uint16_t operator()(const StatisticsSummary& b) const {
    range(b.source, b.begin, b.end);
    for (uint32_t v :
         {b.lost_packets, b.duplicate_packets, b.min_jitter, b.max_jitter, b.mean_jitter, b.deviation_jitter}) {
      writer.u32(v);
    }
    for (uint8_t v : {b.min_ttl, b.max_ttl, b.mean_ttl, b.deviation_ttl}) writer.u8(v);
    return head(XrType::StatisticsSummary, b.flags);
  }
  uint16_t operator()(const VoipMetrics& b) const {
    writer.u32(b.source.value());
    for (uint8_t v : {b.loss_rate, b.discard_rate, b.burst_density, b.gap_density}) writer.u8(v);
    for (uint16_t v : {b.burst_duration, b.gap_duration, b.round_trip_delay, b.end_system_delay}) writer.u16(v);
    for (uint8_t v : {b.signal_level, b.noise_level, b.echo_return_loss, b.gap_threshold, b.r_factor,
                      b.external_r_factor, b.mos_listening, b.mos_conversation, b.receiver_configuration, uint8_t{0}}) {
      writer.u8(v);
    }
    for (uint16_t v : {b.jitter_buffer_nominal, b.jitter_buffer_maximum, b.jitter_buffer_absolute_maximum})
      writer.u16(v);
    return head(XrType::VoipMetrics, 0);
  }

 private:
  static uint16_t head(uint8_t type, uint8_t specific) { return static_cast<uint16_t>((type << 8) | specific); }
  static uint16_t head(XrType type, int specific) {
    return head(static_cast<uint8_t>(type), static_cast<uint8_t>(specific));
  }
  void range(Ssrc source, SequenceNumber begin, SequenceNumber end) const {
    writer.u32(source.value());
    writer.u16(begin.value());
    writer.u16(end.value());
  }
};

struct BodySize {
  size_t operator()(const UnknownXrBlock& b) const { return b.body.size(); }
  size_t operator()(const ReceiverReferenceTime&) const { return 8; }
  size_t operator()(const Dlrr& b) const { return b.items.bytes(); }
  size_t operator()(const RunLengths& b) const { return 8 + (b.chunks.bytes() + 3) / 4 * 4; }
  size_t operator()(const PacketReceiptTimes& b) const { return 8 + b.times.bytes(); }
  size_t operator()(const StatisticsSummary&) const { return 36; }
  size_t operator()(const VoipMetrics&) const { return 32; }
};

}  // namespace

void DlrrItem::write(Writer& writer) const {
  writer.u32(receiver.value());
  writer.u32(last_receiver_report);
  writer.u32(delay);
}

// RFC 3611 §3: | BT (8) | type-specific (8) | block length in words (16) | …
std::optional<ExtendedReport> ExtendedReport::parse(const PacketView& packet) {
  if (!packet.is(PacketType::ExtendedReport)) return std::nullopt;
  Reader reader(packet.body);
  ExtendedReport report;
  report.sender = Ssrc(reader.u32());
  report.blocks = reader.ok() ? packet.body.subspan(4) : ByteView{};
  while (reader.ok() && !reader.at_end()) {
    reader.skip(2);
    reader.skip(size_t{reader.u16()} * 4);
  }
  if (!reader.ok()) return std::nullopt;
  return report;
}

std::optional<XrBlock> ExtendedReport::Cursor::next() {
  if (rest_.empty()) return std::nullopt;
  const size_t size = size_t{load_be16(&rest_[2])} * 4;
  const XrBlock block = read_block(rest_[0], rest_[1], rest_.subspan(4, size));
  rest_ = rest_.subspan(4 + size);
  return block;
}

size_t ExtendedReport::size() const {
  size_t size = kHeaderSize + 4;
  for (const XrBlock& block : outgoing) size += 4 + std::visit(BodySize{}, block);
  return size;
}

size_t ExtendedReport::write(Bytes out) const {
  Writer writer(out);
  write_header(writer, PacketType::ExtendedReport, 0, size());
  writer.u32(sender.value());
  for (const XrBlock& block : outgoing) {
    Writer head(writer.reserve(4));
    const size_t start = writer.size();
    head.u16(std::visit(BlockWriter{writer}, block));
    head.u16(static_cast<uint16_t>((writer.size() - start) / 4));
  }
  return writer.size();
}

std::string ExtendedReport::to_string() const {
  std::string out = cat("XR ssrc=", sender.value(), " blocks=");
  for (ByteView rest = blocks; !rest.empty(); rest = rest.subspan(4 + size_t{load_be16(&rest[2])} * 4)) {
    append_to(out, cat(int{rest[0]}, " "));
  }
  return out;
}

}  // namespace kaon::rtcp
