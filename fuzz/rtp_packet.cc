// RTP packets with their header extensions: read, written in the form a forwarder writes, read again.
#include "fuzz/fuzz.h"
#include "kaon/base/buffer.h"
#include "kaon/rtp/packet.h"

namespace kaon::rtp {
namespace {

// The first byte says which forms are allowed, so that both writers are reached.
ExtensionMap make_map(bool allow_mixed) {
  ExtensionMap map;
  map.allow_mixed = allow_mixed;
  for (size_t kind = 0; kind < kExtensionKinds; ++kind) {
    const size_t id = kind < 14 ? kind + 1 : kind + 2;  // 15 is not to be used
    KAON_ASSERT(map.add(static_cast<uint8_t>(id), static_cast<ExtensionKind>(kind)).has_value());
  }
  return map;
}

bool same(const Extensions& a, const Extensions& b) {
  const auto equal = [](ByteView x, ByteView y) { return std::ranges::equal(x, y); };
  return static_cast<const ExtensionValues&>(a) == b && a.mid == b.mid && a.rid == b.rid &&
         a.repaired_rid == b.repaired_rid && equal(a.dependency_descriptor, b.dependency_descriptor) &&
         equal(a.video_layers_allocation, b.video_layers_allocation) && equal(a.video_timing, b.video_timing) &&
         equal(a.color_space, b.color_space) && equal(a.mixer_audio_levels, b.mixer_audio_levels) &&
         equal(a.corruption_detection, b.corruption_detection);
}

void write_and_read(const PacketView& packet, const Extensions& extensions, const ExtensionMap& map) {
  const OutgoingHeader out{.header = packet.header, .extensions = extensions};
  std::vector<uint8_t> memory(header_size(out, map));
  KAON_ASSERT(write_header(out, map, memory) == memory.size());
  memory.insert(memory.end(), packet.payload.begin(), packet.payload.end());
  const auto again = PacketView::parse(memory);
  KAON_ASSERT(again.has_value());
  KAON_ASSERT(again->header == packet.header);
  KAON_ASSERT(std::ranges::equal(again->payload, packet.payload));
  // Without a mix of forms what does not fit is left out.
  if (map.allow_mixed) KAON_ASSERT(same(parse_extensions(*again, map), extensions));
}

void look_at_values(const Extensions& extensions) {
  if (const auto timing = parse_video_timing(extensions.video_timing)) {
    std::array<uint8_t, kVideoTimingSize> memory;
    write(*timing, memory);
    KAON_ASSERT(parse_video_timing(memory) == timing);
  }
  if (const auto color = parse_color_space(extensions.color_space)) {
    std::array<uint8_t, kColorSpaceSize> memory;
    write(*color, memory);
    KAON_ASSERT(parse_color_space(memory) == color);
  }
}

}  // namespace

KAON_FUZZ_TARGET(rtp_packet) {
  if (input.empty()) return;
  const ExtensionMap map = make_map((input[0] & 1) != 0);
  const std::vector<uint8_t> bytes = fuzz::copy(input.subspan(1));
  (void)PacketView::parse_encrypted(bytes);
  const auto packet = PacketView::parse(bytes);
  if (!packet) return;
  KAON_ASSERT(!packet->header.to_string().empty());
  const Extensions extensions = parse_extensions(*packet, map);
  look_at_values(extensions);
  write_and_read(*packet, extensions, map);
  if (bytes.size() > 65535) return;
  BufferPool pool;
  const auto owned = Packet::parse(SharedBuffer(pool.copy(bytes)), map, Time(std::chrono::seconds(1)));
  KAON_ASSERT(owned.has_value());
  KAON_ASSERT(std::ranges::equal(owned->payload(), packet->payload));
  (void)owned->borrowed_extensions();
}

}  // namespace kaon::rtp
