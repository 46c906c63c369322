#include "kaon/rtcp/feedback.h"

#include <bit>

#include "kaon/base/text.h"
#include "kaon/rtcp/internal/feedback_head.h"

namespace kaon::rtcp {
namespace {

using internal::read_head;
using internal::write_head;

/// Messages that are a head only.
template <class Message>
std::optional<Message> parse_plain(const PacketView& packet) {
  if (!packet.is(Message::kType, Message::kFormat)) return std::nullopt;
  Reader reader(packet.body);
  Message message;
  message.head = read_head(reader);
  if (!reader.ok()) return std::nullopt;
  return message;
}

/// Messages that are a head and a list of at least one item.
template <class Message, class Item>
std::optional<Message> parse_list(const PacketView& packet) {
  std::optional<Message> message = parse_plain<Message>(packet);
  if (!message || packet.body.size() < 8 + Item::kSize) return std::nullopt;
  message->items = List<Item>::from_wire(packet.body.subspan(8));
  return message;
}

template <class Message>
size_t write_plain(const Message& message, Bytes out) {
  Writer writer(out);
  write_head(writer, Message::kType, Message::kFormat, message.size(), message.head);
  return writer.size();
}

template <class Message>
size_t write_list(const Message& message, Bytes out) {
  Writer writer(out);
  write_head(writer, Message::kType, Message::kFormat, message.size(), message.head);
  message.items.write(writer);
  return writer.size();
}

std::string name_head(std::string_view name, const FeedbackHead& head) {
  return cat(name, " ssrc=", head.sender.value(), " media=", head.media.value());
}

/// Floating rates of RTCP: mantissa of `bits` bits times a power of two.
struct FloatingRate {
  uint8_t exponent = 0;
  uint32_t mantissa = 0;
};
FloatingRate to_floating(DataRate rate, unsigned bits, bool round_up) {
  auto value = static_cast<uint64_t>(rate.bits_per_second() < 0 ? 0 : rate.bits_per_second());
  uint8_t exponent = 0;
  bool lost = false;
  while (value >> bits != 0) {
    lost = lost || (value & 1) != 0;
    value >>= 1;
    ++exponent;
    if (round_up && lost && value >> bits == 0) {
      ++value;  // may grow to one bit more, which the loop then shifts out again
      lost = false;
    }
  }
  return {exponent, static_cast<uint32_t>(value)};
}
DataRate from_floating(FloatingRate rate) {
  // 63 is the largest exponent; what does not fit into 63 bits is no limit.
  const uint64_t mantissa = rate.mantissa;
  if (mantissa != 0 && std::bit_width(mantissa) + rate.exponent > 63) return DataRate::infinite();
  return DataRate::bits_per_second(static_cast<int64_t>(mantissa == 0 ? 0 : mantissa << rate.exponent));
}

}  // namespace

void NackItem::write(Writer& writer) const {
  writer.u16(first.value());
  writer.u16(following);
}

size_t pack_nack_items(std::span<const SequenceNumber> lost, std::span<NackItem> out) {
  size_t count = 0;
  for (const SequenceNumber sequence : lost) {
    const uint16_t distance = count == 0 ? 0 : sequence.distance_from(out[count - 1].first);
    if (count != 0 && distance <= 16) {
      if (distance != 0) out[count - 1].following |= static_cast<uint16_t>(1u << (distance - 1));
    } else if (count == out.size()) {
      break;
    } else {
      out[count++] = {.first = sequence, .following = 0};
    }
  }
  return count;
}

std::optional<Nack> Nack::parse(const PacketView& packet) { return parse_list<Nack, NackItem>(packet); }
size_t Nack::write(Bytes out) const { return write_list(*this, out); }
std::string Nack::to_string() const {
  std::string out = name_head("NACK", head);
  for_each([&](SequenceNumber sequence) { append_to(out, cat(" ", sequence.value())); });
  return out;
}

std::optional<PictureLossIndication> PictureLossIndication::parse(const PacketView& packet) {
  return parse_plain<PictureLossIndication>(packet);
}
size_t PictureLossIndication::write(Bytes out) const { return write_plain(*this, out); }
std::string PictureLossIndication::to_string() const { return name_head("PLI", head); }

std::optional<RapidResyncRequest> RapidResyncRequest::parse(const PacketView& packet) {
  return parse_plain<RapidResyncRequest>(packet);
}
size_t RapidResyncRequest::write(Bytes out) const { return write_plain(*this, out); }
std::string RapidResyncRequest::to_string() const { return name_head("RRR", head); }

// RFC 4585 §6.3.2.2: | First (13) | Number (13) | PictureID (6) |
SliceLossItem SliceLossItem::read(const uint8_t* p) {
  const uint32_t v = load_be32(p);
  return {.first = static_cast<uint16_t>(v >> 19),
          .number = static_cast<uint16_t>((v >> 6) & 0x1fff),
          .picture_id = static_cast<uint8_t>(v & 0x3f)};
}
void SliceLossItem::write(Writer& writer) const {
  writer.u32((uint32_t{first} << 19) | ((uint32_t{number} & 0x1fff) << 6) | (picture_id & 0x3fu));
}
std::optional<SliceLossIndication> SliceLossIndication::parse(const PacketView& packet) {
  return parse_list<SliceLossIndication, SliceLossItem>(packet);
}
size_t SliceLossIndication::write(Bytes out) const { return write_list(*this, out); }
std::string SliceLossIndication::to_string() const { return cat(name_head("SLI", head), " slices=", items.size()); }

// RFC 4585 §6.3.3.2: | PB (8) | 0 | Payload Type (7) | bit string … | padding of PB bits |
std::optional<ReferencePictureSelection> ReferencePictureSelection::parse(const PacketView& packet) {
  auto message = parse_plain<ReferencePictureSelection>(packet);
  if (!message || packet.body.size() < 10) return std::nullopt;
  const size_t padding = packet.body[8] / 8;
  const ByteView rest = packet.body.subspan(10);
  if (padding > rest.size()) return std::nullopt;
  message->payload_type = packet.body[9] & 0x7f;
  message->bits = rest.first(rest.size() - padding);
  return message;
}
size_t ReferencePictureSelection::write(Bytes out) const {
  Writer writer(out);
  write_head(writer, kType, kFormat, size(), head);
  const size_t padding = size() - writer.size() - 2 - bits.size();
  writer.u8(static_cast<uint8_t>(padding * 8));
  writer.u8(payload_type & 0x7f);
  writer.bytes(bits);
  writer.zeros(padding);
  return writer.size();
}
std::string ReferencePictureSelection::to_string() const {
  return cat(name_head("RPSI", head), " pt=", int{payload_type});
}

void FullIntraItem::write(Writer& writer) const {
  writer.u32(media.value());
  writer.u8(sequence);
  writer.zeros(3);
}
std::optional<FullIntraRequest> FullIntraRequest::parse(const PacketView& packet) {
  return parse_list<FullIntraRequest, FullIntraItem>(packet);
}
size_t FullIntraRequest::write(Bytes out) const { return write_list(*this, out); }
std::string FullIntraRequest::to_string() const {
  std::string out = name_head("FIR", head);
  for (const FullIntraItem& item : items) append_to(out, cat(" ", item.media.value(), "/", int{item.sequence}));
  return out;
}

// RFC 5104 §4.2.1.1: | SSRC | MxTBR exponent (6) | mantissa (17) | measured overhead (9) |
BitrateItem BitrateItem::read(const uint8_t* p) {
  const uint32_t v = load_be32(p + 4);
  return {.media = Ssrc(load_be32(p)),
          .limit = from_floating({static_cast<uint8_t>(v >> 26), (v >> 9) & 0x1ffff}),
          .overhead = static_cast<uint16_t>(v & 0x1ff)};
}
void BitrateItem::write(Writer& writer) const {
  const FloatingRate rate = to_floating(limit, 17, true);
  writer.u32(media.value());
  writer.u32((uint32_t{rate.exponent} << 26) | (rate.mantissa << 9) | (overhead & 0x1ffu));
}
std::optional<MaxBitrateRequest> MaxBitrateRequest::parse(const PacketView& packet) {
  const auto request = static_cast<uint8_t>(TransportFormat::Tmmbr);
  const auto notification = static_cast<uint8_t>(TransportFormat::Tmmbn);
  if (!packet.is(PacketType::TransportLayerFeedback)) return std::nullopt;
  if (packet.count != request && packet.count != notification) return std::nullopt;
  Reader reader(packet.body);
  MaxBitrateRequest message;
  message.head = read_head(reader);
  message.notification = packet.count == notification;
  message.items = List<BitrateItem>::from_wire(reader.rest());
  if (!reader.ok()) return std::nullopt;
  return message;
}
size_t MaxBitrateRequest::write(Bytes out) const {
  Writer writer(out);
  const auto format = notification ? TransportFormat::Tmmbn : TransportFormat::Tmmbr;
  write_head(writer, PacketType::TransportLayerFeedback, static_cast<uint8_t>(format), size(), head);
  items.write(writer);
  return writer.size();
}
std::string MaxBitrateRequest::to_string() const {
  std::string out = name_head(notification ? "TMMBN" : "TMMBR", head);
  for (const BitrateItem& item : items)
    append_to(out, cat(" ", item.media.value(), "<=", item.limit.bits_per_second()));
  return out;
}

// RFC 9627 §3.1
//  |                             SSRC                              |
//  | Seq nr.       |C| Payload Type| Reserved                      |
//  | RES | TTID|  TLID             | RES | CTID|  CLID             |   5, 3, 8, 5, 3, 8 bits
LayerRefreshItem LayerRefreshItem::read(const uint8_t* p) {
  return {.media = Ssrc(load_be32(p)),
          .sequence = p[4],
          .has_current = (p[5] & 0x80) != 0,
          .payload_type = static_cast<uint8_t>(p[5] & 0x7f),
          .target_temporal = static_cast<uint8_t>(p[8] & 7),
          .target_layer = p[9],
          .current_temporal = static_cast<uint8_t>(p[10] & 7),
          .current_layer = p[11]};
}
void LayerRefreshItem::write(Writer& writer) const {
  writer.u32(media.value());
  writer.u8(sequence);
  writer.u8(static_cast<uint8_t>((has_current ? 0x80 : 0) | (payload_type & 0x7f)));
  writer.u16(0);
  writer.u8(target_temporal & 7);
  writer.u8(target_layer);
  writer.u8(current_temporal & 7);
  writer.u8(current_layer);
}
std::optional<LayerRefreshRequest> LayerRefreshRequest::parse(const PacketView& packet) {
  return parse_list<LayerRefreshRequest, LayerRefreshItem>(packet);
}
size_t LayerRefreshRequest::write(Bytes out) const { return write_list(*this, out); }
std::string LayerRefreshRequest::to_string() const { return cat(name_head("LRR", head), " items=", items.size()); }

// draft-alvestrand-rmcat-remb-03 §2.2
//  |  Unique identifier 'R' 'E' 'M' 'B'                            |
//  |  Num SSRC     | BR Exp    |  BR Mantissa (18)                 |
//  |   SSRC feedback                                               |
std::optional<ReceiverEstimatedMaxBitrate> ReceiverEstimatedMaxBitrate::parse(const PacketView& packet) {
  if (!packet.is(PacketType::PayloadSpecificFeedback, static_cast<uint8_t>(PayloadFormat::Application)))
    return std::nullopt;
  Reader reader(packet.body);
  ReceiverEstimatedMaxBitrate remb;
  remb.sender = read_head(reader).sender;
  const ByteView identifier = reader.bytes(4);
  const size_t count = reader.u8();
  const uint32_t rate = reader.u24();
  remb.bitrate = from_floating({static_cast<uint8_t>(rate >> 18), rate & 0x3ffff});
  remb.sources = List<SsrcItem>::from_wire(reader.bytes(count * SsrcItem::kSize));
  if (!reader.ok() || as_text(identifier) != "REMB") return std::nullopt;
  return remb;
}
size_t ReceiverEstimatedMaxBitrate::write(Bytes out) const {
  KAON_ASSERT(sources.size() <= 255);
  Writer writer(out);
  write_head(writer, PacketType::PayloadSpecificFeedback, static_cast<uint8_t>(PayloadFormat::Application), size(),
             {.sender = sender, .media = {}});
  writer.bytes(as_bytes("REMB"));
  writer.u8(static_cast<uint8_t>(sources.size()));
  const FloatingRate rate = to_floating(bitrate, 18, false);
  writer.u24((uint32_t{rate.exponent} << 18) | rate.mantissa);
  sources.write(writer);
  return writer.size();
}
std::string ReceiverEstimatedMaxBitrate::to_string() const {
  return cat("REMB ssrc=", sender.value(), " bps=", bitrate.bits_per_second(), " sources=", sources.size());
}

}  // namespace kaon::rtcp
