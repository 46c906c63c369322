#include "kaon/srtp/internal/extension_cipher.h"

#include "kaon/srtp/internal/cryptex.h"

namespace kaon::srtp::internal {
namespace {

/// The key stream of one packet, made in pieces where it is asked for: only values need it.
class KeyStream {
 public:
  KeyStream(crypto::AesCtr& cipher, const std::array<uint8_t, 16>& start) : cipher_(cipher), start_(start) {}

  /// `position` counts from the start of the elements.
  uint8_t at(size_t position) {
    if (position / kPiece != piece_) {
      piece_ = position / kPiece;
      std::array<uint8_t, 16> counter = start_;
      store_be16(counter.data() + 14, static_cast<uint16_t>(piece_ * (kPiece / 16)));
      bytes_.fill(0);
      cipher_.crypt(counter, bytes_, bytes_);
    }
    return bytes_[position % kPiece];
  }

 private:
  static constexpr size_t kPiece = 64;
  crypto::AesCtr& cipher_;
  std::array<uint8_t, 16> start_;
  std::array<uint8_t, kPiece> bytes_{};
  size_t piece_ = SIZE_MAX;
};

}  // namespace

ExtensionCipher::ExtensionCipher(Profile profile, const SessionKeys& keys)
    : cipher_(encrypts(profile) ? std::optional<crypto::AesCtr>(ByteView(keys.key).first(key_size(profile)))
                                : std::nullopt),
      salt_(keys.salt) {}

ExtensionCipher ExtensionCipher::derive(Profile profile, const KeyingMaterial& master) {
  SessionKeys keys;
  derive_extension_keys(profile, master, keys);
  return ExtensionCipher(profile, keys);
}

// RFC 6904 §3: one key stream over all elements with their heads and padding, as long as the block, of which the mask
// lets through what falls on the values of encrypted elements. RFC 8285 §4.2 and §4.3.
//
//   one byte:  | id (4) | length-1 (4) | value ...
//   two bytes: | id (8) | length (8)   | value ...
void ExtensionCipher::crypt(PacketId id, const ExtensionIds& ids, Bytes header) {
  if (!cipher_ || !has_extension(header)) return;
  const size_t mark_at = kFixedHeaderSize + csrc_size(header);
  const uint16_t profile = load_be16(header.data() + mark_at);
  const bool two_byte = (profile & 0xfff0) == 0x1000;
  if (profile != 0xbede && !two_byte) return;
  KeyStream stream(*cipher_, counter_block(salt_, id));
  const Bytes block = header.subspan(mark_at + kExtensionHeaderSize);
  const size_t head = two_byte ? 2 : 1;
  for (size_t at = 0; at + head <= block.size();) {
    if (block[at] == 0) {  // padding
      ++at;
      continue;
    }
    const uint8_t number = two_byte ? block[at] : block[at] >> 4;
    const size_t size = two_byte ? block[at + 1] : (block[at] & 0x0f) + size_t{1};
    if (number == 0 || (!two_byte && number == 15) || block.size() - at - head < size) return;
    at += head;
    if (ids[number]) {
      for (size_t i = at; i < at + size; ++i) block[i] ^= stream.at(i);
    }
    at += size;
  }
}

}  // namespace kaon::srtp::internal
