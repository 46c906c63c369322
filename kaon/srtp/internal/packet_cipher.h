// What a profile does to one packet whose index is known: encryption and authentication, no state of streams.
#pragma once

#include <array>
#include <optional>
#include <variant>

#include "kaon/base/bytes.h"
#include "kaon/crypto/aead.h"
#include "kaon/crypto/cipher.h"
#include "kaon/crypto/hash.h"
#include "kaon/srtp/internal/session_keys.h"

namespace kaon::srtp::internal {

/// What makes the nonce of a packet unique under a key. `index` is rollover counter and sequence number (48 bits) for
/// RTP, the SRTCP index (31 bits) for RTCP.
struct PacketId {
  uint32_t ssrc = 0;
  uint64_t index = 0;
};

/// Bytes of RTCP that stay in the clear: the first header and the sender's SSRC.
inline constexpr size_t kRtcpClearSize = 8;
/// The word behind the payload of SRTCP: E bit and index.
inline constexpr size_t kRtcpIndexSize = 4;
inline constexpr uint32_t kRtcpEncryptedBit = 0x80000000;

/// RFC 3711 §4.1.1: where the key stream of a packet starts.
std::array<uint8_t, 16> counter_block(const std::array<uint8_t, kMaxSaltSize>& salt, PacketId id);

/// RFC 7714.
class GcmCipher {
 public:
  GcmCipher(Profile profile, const SessionKeys& keys);
  void seal_rtp(PacketId id, ByteView header, ByteView payload, Bytes out);
  bool open_rtp(PacketId id, size_t header_size, ByteView packet, Bytes out);
  void seal_cryptex(PacketId id, ByteView header, ByteView payload, Bytes out);
  bool open_cryptex(PacketId id, size_t header_size, ByteView packet, Bytes out);
  void seal_rtcp(PacketId id, ByteView packet, Bytes out);
  bool open_rtcp(PacketId id, ByteView packet, Bytes out);

 private:
  std::array<uint8_t, crypto::kAeadNonceSize> nonce(PacketId id) const;

  crypto::Aead aead_;
  std::array<uint8_t, crypto::kAeadNonceSize> salt_;
};

/// RFC 3711: AES in counter mode or nothing, then a truncated HMAC-SHA1.
class CtrHmacCipher {
 public:
  CtrHmacCipher(Profile profile, const SessionKeys& keys, size_t tag_size, size_t mki_size);
  void seal_rtp(PacketId id, ByteView header, ByteView payload, Bytes out);
  bool open_rtp(PacketId id, size_t header_size, ByteView packet, Bytes out, size_t mac_cut);
  void seal_cryptex(PacketId id, ByteView header, ByteView payload, Bytes out);
  bool open_cryptex(PacketId id, size_t header_size, ByteView packet, Bytes out, size_t mac_cut);
  void seal_rtcp(PacketId id, ByteView packet, Bytes out);
  bool open_rtcp(PacketId id, ByteView packet, Bytes out);

 private:
  void crypt(PacketId id, ByteView in, Bytes out);
  void crypt(PacketId id, std::span<const crypto::CipherPart> parts);
  void write_tag(std::span<const ByteView> parts, Bytes tag) const;
  bool check_tag(std::span<const ByteView> parts, ByteView tag) const;

  std::optional<crypto::AesCtr> cipher_;  // none: NULL profile
  crypto::Hmac mac_;
  size_t tag_size_;
  size_t mki_size_;
  std::array<uint8_t, kMaxSaltSize> salt_;
};

/// The cipher of a profile for RTP or for RTCP. `out` has exactly the size of the result, and starts at the packet or
/// does not overlap it; sizes have been checked by the caller. Room for a master key identifier is left where it
/// belongs (RFC 3711 §3.1 and §3.4, RFC 7714 §8.1 and §9.1); the caller writes it and chooses the cipher by it.
class PacketCipher {
 public:
  PacketCipher(Profile profile, Stream stream, const SessionKeys& keys, size_t mki_size = 0);
  static PacketCipher derive(Profile profile, Stream stream, const KeyingMaterial& master);

  /// Header, encrypted payload, tag. The identifier is last with GCM, else it stands before the tag; so too in RTCP.
  void seal_rtp(PacketId id, ByteView header, ByteView payload, Bytes out) {
    std::visit([&](auto& cipher) { cipher.seal_rtp(id, header, payload, without_trailer(out)); }, cipher_);
  }
  /// `mac_cut` bytes are missing at the end of the tag, which is as long as ever (RFC 4771, and not with GCM).
  bool open_rtp(PacketId id, size_t header_size, ByteView packet, Bytes out, size_t mac_cut = 0) {
    if (auto* ctr = std::get_if<CtrHmacCipher>(&cipher_)) return ctr->open_rtp(id, header_size, packet, out, mac_cut);
    return std::get<GcmCipher>(cipher_).open_rtp(id, header_size, without_trailer(packet), out);
  }
  /// With the header encrypted too (RFC 9335): larger by cryptex_growth(header).
  void seal_cryptex(PacketId id, ByteView header, ByteView payload, Bytes out) {
    std::visit([&](auto& cipher) { cipher.seal_cryptex(id, header, payload, without_trailer(out)); }, cipher_);
  }
  bool open_cryptex(PacketId id, size_t header_size, ByteView packet, Bytes out, size_t mac_cut = 0) {
    if (auto* ctr = std::get_if<CtrHmacCipher>(&cipher_))
      return ctr->open_cryptex(id, header_size, packet, out, mac_cut);
    return std::get<GcmCipher>(cipher_).open_cryptex(id, header_size, without_trailer(packet), out);
  }
  /// GCM: clear part, encrypted part, tag, index word. Otherwise the tag is last.
  void seal_rtcp(PacketId id, ByteView packet, Bytes out) {
    std::visit([&](auto& cipher) { cipher.seal_rtcp(id, packet, without_trailer(out)); }, cipher_);
  }
  bool open_rtcp(PacketId id, ByteView packet, Bytes out) {
    return std::visit([&](auto& cipher) { return cipher.open_rtcp(id, without_trailer(packet), out); }, cipher_);
  }
  /// Where the index word stands in an SRTCP packet, counted from its end.
  size_t index_word_from_end() const { return index_word_from_end_; }
  /// The same of the identifier, and of the tag.
  size_t mki_from_end() const { return mki_from_end_; }
  size_t tag_from_end() const { return tag_from_end_; }
  /// The E bit as this profile has it: zero if it does not encrypt (RFC 3711 §3.4).
  uint32_t encrypted_bit() const { return encrypted_bit_; }

 private:
  template <class Span>
  Span without_trailer(Span packet) const {
    return packet.first(packet.size() - trailer_);
  }

  std::variant<GcmCipher, CtrHmacCipher> cipher_;
  size_t trailer_;  // what stands behind the cipher's part: the identifier with GCM
  size_t index_word_from_end_;
  size_t mki_from_end_;
  size_t tag_from_end_;
  uint32_t encrypted_bit_;
};

}  // namespace kaon::srtp::internal
