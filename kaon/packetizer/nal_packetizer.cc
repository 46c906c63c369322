#include "kaon/packetizer/h26x.h"
#include "kaon/packetizer/internal/split.h"

namespace kaon::packetizer {
namespace {

// RFC 6184 table 1, RFC 7798 §4.4: what a NAL unit of a stream must not have, since it means a packet's structure.
bool reserved_for_rtp(Codec codec, ByteView nal) {
  if (codec == Codec::H264) return h264::nal_type(nal) == 0 || h264::nal_type(nal) >= h264::kStapA;
  // And nuh_temporal_id_plus1 is never 0 (H.265 §7.4.2.2).
  return nal.size() < 2 || h265::nal_type(nal) >= h265::kAggregation || (nal[1] & 7) == 0;
}

}  // namespace

NalPacketizer::NalPacketizer(Codec codec, int packetization_mode)
    : codec_(codec), mode_(codec == Codec::H265 ? 1 : packetization_mode) {
  KAON_ASSERT(codec == Codec::H264 || codec == Codec::H265);
}

Result<void, PacketizeError> NalPacketizer::collect(ByteView access_unit) {
  nals_.clear();
  NalReader reader(access_unit);
  while (const auto nal = reader.next()) {
    if (reserved_for_rtp(codec_, *nal)) return fail(PacketizeError::Malformed);
    nals_.push_back(*nal);
  }
  if (nals_.empty()) return fail(PacketizeError::Malformed);
  return {};
}

Result<void, PacketizeError> NalPacketizer::packetize(ByteView access_unit, const Limits& limits, PayloadList& out) {
  if (!internal::limits_fit(limits)) return fail(PacketizeError::LimitsTooSmall);
  if (auto collected = collect(access_unit); !collected) return collected;

  for (size_t i = 0; i < nals_.size();) {
    const size_t first_reduction = i == 0 ? limits.first_reduction : 0;
    const size_t capacity = limits.max_payload - first_reduction;
    const size_t last_reduction = i + 1 == nals_.size() ? limits.last_reduction : 0;
    if (nals_[i].size() + last_reduction > capacity) {
      if (mode_ == 0) return fail(PacketizeError::TooLarge);
      fragment(nals_[i], limits.max_payload, first_reduction, last_reduction, out);
      ++i;
    } else {
      i += aggregate(i, capacity, capacity - limits.last_reduction, out);
    }
  }
  return {};
}

// STAP-A, RFC 6184 §5.7.1; AP, RFC 7798 §4.4.2:
//
//   | header (1 or 2) | NALU 1 size (2) | NALU 1 | NALU 2 size (2) | NALU 2 | ...
//
// The header has the highest NRI (H.264), the lowest layer and temporal id (H.265) and the F bit of any unit inside.
size_t NalPacketizer::aggregate(size_t first, size_t capacity, size_t capacity_last, PayloadList& out) const {
  const size_t header_size = is_h265() ? 2 : 1;
  size_t size = header_size;
  size_t count = 0;
  for (size_t i = first; mode_ != 0 && i < nals_.size() && nals_[i].size() <= UINT16_MAX; ++i) {
    size += 2 + nals_[i].size();
    if (size > (i + 1 == nals_.size() ? capacity_last : capacity)) break;
    ++count;
  }
  if (count < 2) {
    out.add_piece(nals_[first]);
    out.end_payload();
    return 1;
  }
  uint8_t forbidden = 0, nri = 0, layer = 63, temporal = 7;
  for (size_t i = first; i < first + count; ++i) {
    const ByteView nal = nals_[i];
    forbidden |= nal[0] & 0x80;
    nri = std::max<uint8_t>(nri, nal[0] & 0x60);
    if (is_h265()) {
      layer = std::min<uint8_t>(layer, static_cast<uint8_t>(((nal[0] & 1) << 5) | (nal[1] >> 3)));
      temporal = std::min<uint8_t>(temporal, nal[1] & 7);
    }
  }
  for (size_t i = first; i < first + count; ++i) {
    Piece& piece = out.add_piece(nals_[i]);
    if (i == first && is_h265()) {
      piece.put(static_cast<uint8_t>(forbidden | (h265::kAggregation << 1) | (layer >> 5)));
      piece.put(static_cast<uint8_t>((layer << 3) | temporal));
    } else if (i == first) {
      piece.put(forbidden | nri | h264::kStapA);
    }
    piece.put16(static_cast<uint16_t>(nals_[i].size()));
  }
  out.end_payload();
  return count;
}

// FU-A, RFC 6184 §5.8; FU, RFC 7798 §4.4.3: the NAL unit's header goes into the payload header and the FU header.
//
//   FU header  |S|E|R| Type (5) |  H.264          |S|E| FuType (6) |  H.265
void NalPacketizer::fragment(ByteView nal, size_t capacity, size_t first_reduction, size_t last_reduction,
                             PayloadList& out) const {
  const size_t nal_header = is_h265() ? 2 : 1;
  const size_t overhead = nal_header + 1;
  const ByteView body = nal.subspan(nal_header);
  internal::split_evenly(body.size(), capacity - overhead, first_reduction, last_reduction,
                         [&](size_t offset, size_t size, bool first, bool last) {
                           Piece& piece = out.add_piece(body.subspan(offset, size));
                           const auto flags = static_cast<uint8_t>((first ? 0x80 : 0) | (last ? 0x40 : 0));
                           if (is_h265()) {
                             piece.put(static_cast<uint8_t>((nal[0] & 0x81) | (h265::kFragmentation << 1)));
                             piece.put(nal[1]);
                             piece.put(flags | h265::nal_type(nal));
                           } else {
                             piece.put((nal[0] & 0xe0) | h264::kFuA);
                             piece.put(flags | h264::nal_type(nal));
                           }
                           out.end_payload();
                         });
}

}  // namespace kaon::packetizer
