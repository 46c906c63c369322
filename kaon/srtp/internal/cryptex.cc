#include "kaon/srtp/internal/cryptex.h"

#include <cstring>

#include "kaon/base/assert.h"

namespace kaon::srtp::internal {
namespace {

// RFC 8285 §4.2 and §4.3; RFC 9335 §5.
struct Mark {
  uint16_t plain;
  uint16_t cryptex;
};
constexpr Mark kMarks[] = {{0xbede, 0xc0de}, {0x1000, 0xc2de}};

void copy_unless_there(ByteView from, Bytes to) {
  if (from.data() != to.data()) std::memcpy(to.data(), from.data(), from.size());
}

}  // namespace

std::optional<uint16_t> cryptex_mark(uint16_t profile) {
  for (const Mark& mark : kMarks) {
    if (mark.plain == profile) return mark.cryptex;
  }
  return std::nullopt;
}

std::optional<uint16_t> plain_mark(uint16_t profile) {
  for (const Mark& mark : kMarks) {
    if (mark.cryptex == profile) return mark.plain;
  }
  return std::nullopt;
}

bool is_cryptex(ByteView header) {
  return has_extension(header) && plain_mark(load_be16(header.data() + kFixedHeaderSize + csrc_size(header)));
}

bool is_encryptable(ByteView header) {
  return !has_extension(header) || cryptex_mark(load_be16(header.data() + kFixedHeaderSize + csrc_size(header)));
}

CryptexParts arrange_to_seal(ByteView header, ByteView payload, Bytes out) {
  const size_t sources = csrc_size(header);
  const size_t mark_at = kFixedHeaderSize + sources;
  const size_t header_size = header.size() + cryptex_growth(header);
  // Where it grows, what stood in its place makes room first.
  if (header_size != header.size()) {
    std::memmove(out.data() + header_size, payload.data(), payload.size());
    payload = out.subspan(header_size, payload.size());
  }
  const uint16_t profile = has_extension(header) ? load_be16(header.data() + mark_at) : kMarks[0].plain;
  const auto mark = cryptex_mark(profile);
  KAON_ASSERT(mark);
  copy_unless_there(header.first(kFixedHeaderSize), out);
  if (header_size == header.size()) {
    copy_unless_there(header.subspan(mark_at, kExtensionHeaderSize), out.subspan(mark_at));
  } else {
    store_be16(out.data() + mark_at + 2, 0);
    out[0] |= kExtensionBit;
  }
  store_be16(out.data() + mark_at, *mark);
  const ByteView elements = header.size() > mark_at ? header.subspan(mark_at + kExtensionHeaderSize) : ByteView();
  return {{out.first(kFixedHeaderSize), out.subspan(mark_at, kExtensionHeaderSize)},
          {{{header.subspan(kFixedHeaderSize, sources), out.subspan(kFixedHeaderSize, sources)},
            {elements, out.subspan(mark_at + kExtensionHeaderSize, elements.size())},
            {payload, out.subspan(header_size, payload.size())}}}};
}

CryptexParts arrange_to_open(size_t header_size, ByteView packet, Bytes out) {
  const size_t sources = csrc_size(packet);
  const size_t mark_at = kFixedHeaderSize + sources;
  const size_t elements_at = mark_at + kExtensionHeaderSize;
  const auto part = [&](size_t from, size_t to) {
    return crypto::CipherPart{packet.subspan(from, to - from), out.subspan(from, to - from)};
  };
  copy_unless_there(packet.first(kFixedHeaderSize), out);
  copy_unless_there(packet.subspan(mark_at, kExtensionHeaderSize), out.subspan(mark_at));
  return {{out.first(kFixedHeaderSize), out.subspan(mark_at, kExtensionHeaderSize)},
          {{part(kFixedHeaderSize, mark_at), part(elements_at, header_size), part(header_size, packet.size())}}};
}

void restore_mark(Bytes packet) {
  uint8_t* const mark = packet.data() + kFixedHeaderSize + csrc_size(packet);
  const auto plain = plain_mark(load_be16(mark));
  KAON_ASSERT(plain);
  store_be16(mark, *plain);
}

}  // namespace kaon::srtp::internal
