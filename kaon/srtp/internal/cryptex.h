// Cryptex (RFC 9335): which parts of an RTP packet are encrypted beside its payload, and where they stand.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "kaon/base/bytes.h"
#include "kaon/crypto/cipher.h"

namespace kaon::srtp::internal {

inline constexpr size_t kFixedHeaderSize = 12;
inline constexpr size_t kExtensionHeaderSize = 4;
inline constexpr uint8_t kExtensionBit = 0x10;

inline size_t csrc_size(ByteView header) { return 4 * size_t{header[0] & 0x0fu}; }
inline bool has_extension(ByteView header) { return (header[0] & kExtensionBit) != 0; }
/// There is something to hide in this RTP header.
inline bool has_hidden_parts(ByteView header) { return (header[0] & (kExtensionBit | 0x0f)) != 0; }

/// The marks of RFC 9335 §5 for those of RFC 8285 §4 and back; nothing for others. An extension of two-byte elements
/// with "appbits" has no mark.
std::optional<uint16_t> cryptex_mark(uint16_t profile);
std::optional<uint16_t> plain_mark(uint16_t profile);
/// Of a whole header: that it is marked as encrypted.
bool is_cryptex(ByteView header);
/// Of a whole header: that its extension, if any, has a mark.
bool is_encryptable(ByteView header);
/// Bytes that sealing adds to a header: an empty extension, if there are sources and none (RFC 9335 §5.1).
inline size_t cryptex_growth(ByteView header) {
  return has_hidden_parts(header) && !has_extension(header) ? kExtensionHeaderSize : 0;
}

/// A packet cut into what stays in the clear and what is encrypted.
///
///   fixed header | CSRCs     | extension header | elements  | payload
///   clear        | encrypted | clear            | encrypted | encrypted
struct CryptexParts {
  std::array<ByteView, 2> clear;
  std::array<crypto::CipherPart, 3> hidden;
};

/// Writes the clear parts, the extension marked, to `out`, which has the size of the result without its tag. `header`
/// and `payload` stand at their places there or do not overlap it, and the extension, if any, has a mark (asserted).
CryptexParts arrange_to_seal(ByteView header, ByteView payload, Bytes out);
/// Of a packet without its tag that is_cryptex(). Its clear parts go to `out` as they are: they are authenticated so.
CryptexParts arrange_to_open(size_t header_size, ByteView packet, Bytes out);
/// Gives the extension of an opened packet its usual mark.
void restore_mark(Bytes packet);

}  // namespace kaon::srtp::internal
