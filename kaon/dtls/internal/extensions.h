// Blocks of extensions in hello messages and the like (RFC 8446 §4.2): one type, one length, one content each.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "kaon/base/bytes.h"
#include "kaon/base/reader.h"
#include "kaon/dtls/internal/builder.h"
#include "kaon/dtls/internal/messages.h"
#include "kaon/dtls/internal/protocol.h"

namespace kaon::dtls {

/// A whole vector of 16-bit numbers; fails the reader if its length is odd.
inline U16List read_list(Reader& reader, ByteView bytes) {
  if (bytes.size() % 2 != 0) reader.fail();
  return U16List(bytes);
}

/// use_srtp as a server answers it (RFC 5764 §4.1.1): one profile, and the MKI we offered, which is none. False if it
/// is anything else.
bool read_chosen_profile(Reader& reader, SrtpProfileId& profile);

/// Calls `use(type, content)` for each extension; false if the block is malformed, if `use` says so, or if a type comes
/// twice, which RFC 5246 §7.4.1.4 and RFC 8446 §4.2 forbid.
template <class Use>
bool for_each_extension(ByteView block, Use use) {
  constexpr size_t kMaxExtensions = 64;
  std::array<uint16_t, kMaxExtensions> seen;
  size_t count = 0;
  Reader reader(block);
  while (!reader.at_end()) {
    const uint16_t type = reader.u16();
    const ByteView content = reader.vector16();
    const auto end = seen.begin() + static_cast<ptrdiff_t>(count);
    if (!reader.ok() || count == kMaxExtensions || std::find(seen.begin(), end, type) != end) return false;
    seen[count++] = type;
    if (!use(static_cast<ExtensionType>(type), content)) return false;
  }
  return reader.ok();
}

inline Builder::Vector begin_extension(Builder& out, ExtensionType type) {
  out.u16(static_cast<uint16_t>(type));
  return out.begin_vector(2);
}

inline void write_empty_extension(Builder& out, ExtensionType type) { out.end_vector(begin_extension(out, type)); }

/// An extension that is one list of 16-bit values.
template <class List>
void write_list_extension(Builder& out, ExtensionType type, const List& values) {
  const auto extension = begin_extension(out, type);
  const auto list = out.begin_vector(2);
  for (const auto value : values) out.u16(static_cast<uint16_t>(value));
  out.end_vector(list);
  if (type == ExtensionType::UseSrtp) out.u8(0);  // no MKI
  out.end_vector(extension);
}

/// RFC 8446 §4.2.2.
void write_cookie(Builder& out, ByteView cookie);

/// RFC 9146 §3.
void write_connection_id(Builder& out, ByteView id);

/// The protocol names that a client offers, or the one that a server chose (RFC 7301 §3.1).
template <class List>
void write_alpn(Builder& out, const List& names) {
  const auto extension = begin_extension(out, ExtensionType::Alpn);
  const auto list = out.begin_vector(2);
  for (const std::string_view name : names) out.vector8(as_bytes(name));
  out.end_vector(list);
  out.end_vector(extension);
}
/// What a server chose: false if that is not one name. It points into `content`.
bool read_chosen_protocol(ByteView content, std::optional<std::string_view>& name);

}  // namespace kaon::dtls
