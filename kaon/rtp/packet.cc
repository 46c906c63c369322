#include "kaon/rtp/packet.h"

#include <algorithm>
#include <limits>

#include "kaon/base/assert.h"

namespace kaon::rtp {
namespace {

Slice slice_of(ByteView part, ByteView whole) {
  if (part.empty()) return {};
  return {static_cast<uint16_t>(part.data() - whole.data()), static_cast<uint16_t>(part.size())};
}

}  // namespace

ShortText::ShortText(std::string_view text) {
  if (text.size() > kMaxSize) return;
  std::ranges::copy(text, text_.begin());
  size_ = static_cast<uint8_t>(text.size());
}

Extensions Packet::borrowed_extensions() const {
  Extensions out;
  static_cast<ExtensionValues&>(out) = extensions;
  out.mid = mid.view();
  out.rid = rid.view();
  out.repaired_rid = repaired_rid.view();
  out.dependency_descriptor = dependency_descriptor();
  out.video_layers_allocation = video_layers_allocation();
  out.color_space = color_space();
  return out;
}

Result<Packet, ParseError> Packet::parse(SharedBuffer buffer, const ExtensionMap& map, Time arrival) {
  const ByteView whole = buffer.view();
  KAON_ASSERT(whole.size() <= std::numeric_limits<uint16_t>::max());
  KAON_TRY(const PacketView view, PacketView::parse(whole));
  const Extensions values = parse_extensions(view, map);
  Packet packet;
  packet.header = view.header;
  packet.payload_slice = slice_of(view.payload, whole);
  packet.dependency_descriptor_slice = slice_of(values.dependency_descriptor, whole);
  packet.video_layers_allocation_slice = slice_of(values.video_layers_allocation, whole);
  packet.color_space_slice = slice_of(values.color_space, whole);
  packet.extensions = values;
  packet.mid = ShortText(values.mid);
  packet.rid = ShortText(values.rid);
  packet.repaired_rid = ShortText(values.repaired_rid);
  packet.padding_size = view.padding_size;
  packet.time = arrival;
  packet.buffer = std::move(buffer);
  return packet;
}

Packet Packet::from_payload(const Header& header, SharedBuffer payload, Time now) {
  KAON_ASSERT(payload.size() <= std::numeric_limits<uint16_t>::max());
  Packet packet;
  packet.header = header;
  packet.payload_slice = {0, static_cast<uint16_t>(payload.size())};
  packet.buffer = std::move(payload);
  packet.time = now;
  return packet;
}

}  // namespace kaon::rtp
