#include "kaon/srtp/internal/packet_cipher.h"

#include <cstring>

#include "kaon/base/assert.h"
#include "kaon/srtp/internal/cryptex.h"

namespace kaon::srtp::internal {
namespace {

constexpr size_t kGcmTagSize = crypto::kAeadTagSize;
constexpr size_t kRtcpTagSize = 10;

bool is_gcm(Profile profile) { return profile == Profile::AeadAes128Gcm || profile == Profile::AeadAes256Gcm; }

crypto::AeadAlgorithm aead_of(Profile profile) {
  return profile == Profile::AeadAes128Gcm ? crypto::AeadAlgorithm::Aes128Gcm : crypto::AeadAlgorithm::Aes256Gcm;
}

std::array<uint8_t, 4> word(uint32_t value) {
  std::array<uint8_t, 4> bytes;
  store_be32(bytes.data(), value);
  return bytes;
}

/// XORs SSRC and 48-bit index onto the ten bytes at `at`: both kinds of nonce have them side by side.
void mix_in(PacketId id, uint8_t* at) {
  store_be32(at, load_be32(at) ^ id.ssrc);
  store_be16(at + 4, static_cast<uint16_t>(load_be16(at + 4) ^ (id.index >> 32)));
  store_be32(at + 6, load_be32(at + 6) ^ static_cast<uint32_t>(id.index));
}

/// The part in the clear goes along unchanged; in place there is nothing to do.
void copy_clear(ByteView from, Bytes to) {
  if (from.data() != to.data()) std::memcpy(to.data(), from.data(), from.size());
}

template <size_t kSize>
std::array<uint8_t, kSize> salt_of(const SessionKeys& keys) {
  std::array<uint8_t, kSize> salt;
  std::memcpy(salt.data(), keys.salt.data(), kSize);
  return salt;
}

}  // namespace

// IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16); the last two bytes count blocks.
std::array<uint8_t, 16> counter_block(const std::array<uint8_t, kMaxSaltSize>& salt, PacketId id) {
  std::array<uint8_t, 16> block{};
  std::memcpy(block.data(), salt.data(), salt.size());
  mix_in(id, block.data() + 4);
  return block;
}

GcmCipher::GcmCipher(Profile profile, const SessionKeys& keys)
    : aead_(aead_of(profile), ByteView(keys.key).first(key_size(profile))),
      salt_(salt_of<crypto::kAeadNonceSize>(keys)) {}

// RFC 7714 §8.1 and §9.1. For RTCP the upper 17 bits of the index are zero.
//
//   0  0  0  0  0  0  0  0  0  0  1  1
//   0  1  2  3  4  5  6  7  8  9  0  1
//  +--+--+--+--+--+--+--+--+--+--+--+--+
//  |00|00|    SSRC   |      index      |  XOR salt
//  +--+--+--+--+--+--+--+--+--+--+--+--+
std::array<uint8_t, crypto::kAeadNonceSize> GcmCipher::nonce(PacketId id) const {
  std::array<uint8_t, crypto::kAeadNonceSize> nonce = salt_;
  mix_in(id, nonce.data() + 2);
  return nonce;
}

void GcmCipher::seal_rtp(PacketId id, ByteView header, ByteView payload, Bytes out) {
  copy_clear(header, out);
  aead_.seal(nonce(id), out.first(header.size()), payload, out.subspan(header.size()));
}

bool GcmCipher::open_rtp(PacketId id, size_t header_size, ByteView packet, Bytes out) {
  const ByteView header = packet.first(header_size);
  copy_clear(header, out);
  return aead_.open(nonce(id), header, packet.subspan(header_size), out.subspan(header_size));
}

// RFC 9335 §6.2: fixed header and extension header are the associated data, side by side whatever stands between them.
void GcmCipher::seal_cryptex(PacketId id, ByteView header, ByteView payload, Bytes out) {
  const size_t size = out.size() - kGcmTagSize;
  const CryptexParts parts = arrange_to_seal(header, payload, out.first(size));
  aead_.seal(nonce(id), parts.clear, parts.hidden, out.subspan(size));
}

bool GcmCipher::open_cryptex(PacketId id, size_t header_size, ByteView packet, Bytes out) {
  const size_t size = packet.size() - kGcmTagSize;
  const CryptexParts parts = arrange_to_open(header_size, packet.first(size), out);
  if (!aead_.open(nonce(id), parts.clear, parts.hidden, packet.subspan(size))) return false;
  restore_mark(out);
  return true;
}

// RFC 7714 §9.2: the index word is authenticated behind the clear part, but stands behind the tag.
void GcmCipher::seal_rtcp(PacketId id, ByteView packet, Bytes out) {
  std::array<uint8_t, kRtcpClearSize + kRtcpIndexSize> aad;
  std::memcpy(aad.data(), packet.data(), kRtcpClearSize);
  store_be32(aad.data() + kRtcpClearSize, kRtcpEncryptedBit | static_cast<uint32_t>(id.index));
  copy_clear(packet.first(kRtcpClearSize), out);
  const Bytes sealed = out.subspan(kRtcpClearSize, packet.size() - kRtcpClearSize + kGcmTagSize);
  aead_.seal(nonce(id), aad, packet.subspan(kRtcpClearSize), sealed);
  std::memcpy(out.data() + kRtcpClearSize + sealed.size(), aad.data() + kRtcpClearSize, kRtcpIndexSize);
}

bool GcmCipher::open_rtcp(PacketId id, ByteView packet, Bytes out) {
  const size_t sealed_size = packet.size() - kRtcpClearSize - kRtcpIndexSize;
  std::array<uint8_t, kRtcpClearSize + kRtcpIndexSize> aad;
  std::memcpy(aad.data(), packet.data(), kRtcpClearSize);
  std::memcpy(aad.data() + kRtcpClearSize, packet.data() + kRtcpClearSize + sealed_size, kRtcpIndexSize);
  copy_clear(packet.first(kRtcpClearSize), out);
  return aead_.open(nonce(id), aad, packet.subspan(kRtcpClearSize, sealed_size), out.subspan(kRtcpClearSize));
}

CtrHmacCipher::CtrHmacCipher(Profile profile, const SessionKeys& keys, size_t tag_size, size_t mki_size)
    : cipher_(encrypts(profile) ? std::optional<crypto::AesCtr>(ByteView(keys.key).first(key_size(profile)))
                                : std::nullopt),
      mac_(crypto::HashAlgorithm::Sha1, keys.auth),
      tag_size_(tag_size),
      mki_size_(mki_size),
      salt_(keys.salt) {}

void CtrHmacCipher::crypt(PacketId id, ByteView in, Bytes out) {
  if (!cipher_) {
    if (!in.empty() && in.data() != out.data()) std::memmove(out.data(), in.data(), in.size());
    return;
  }
  cipher_->crypt(counter_block(salt_, id), in, out);
}

void CtrHmacCipher::crypt(PacketId id, std::span<const crypto::CipherPart> parts) {
  if (cipher_) return cipher_->crypt(counter_block(salt_, id), parts);
  for (const auto& [in, out] : parts) {
    if (!in.empty() && in.data() != out.data()) std::memmove(out.data(), in.data(), in.size());
  }
}

void CtrHmacCipher::write_tag(std::span<const ByteView> parts, Bytes tag) const {
  std::memcpy(tag.data(), mac_.compute(parts).data.data(), tag.size());
}

bool CtrHmacCipher::check_tag(std::span<const ByteView> parts, ByteView tag) const {
  return equal_in_constant_time(mac_.compute(parts).view().first(tag.size()), tag);
}

// RFC 3711 §4.2: the rollover counter is authenticated behind the packet, but not sent.
void CtrHmacCipher::seal_rtp(PacketId id, ByteView header, ByteView payload, Bytes out) {
  const size_t size = header.size() + payload.size();
  copy_clear(header, out);
  crypt(id, payload, out.subspan(header.size(), payload.size()));
  const auto rollover = word(static_cast<uint32_t>(id.index >> 16));
  const std::array<ByteView, 2> parts = {out.first(size), rollover};
  write_tag(parts, out.last(tag_size_));
}

bool CtrHmacCipher::open_rtp(PacketId id, size_t header_size, ByteView packet, Bytes out, size_t mac_cut) {
  const size_t size = packet.size() - mki_size_ - tag_size_;
  const auto rollover = word(static_cast<uint32_t>(id.index >> 16));
  const std::array<ByteView, 2> parts = {packet.first(size), rollover};
  if (!check_tag(parts, packet.last(tag_size_ - mac_cut))) return false;
  copy_clear(packet.first(header_size), out);
  crypt(id, packet.subspan(header_size, size - header_size), out.subspan(header_size, size - header_size));
  return true;
}

// RFC 9335 §6.2: one key stream over all that is encrypted, and the tag over the packet as it is sent.
void CtrHmacCipher::seal_cryptex(PacketId id, ByteView header, ByteView payload, Bytes out) {
  const size_t size = out.size() - mki_size_ - tag_size_;
  crypt(id, arrange_to_seal(header, payload, out.first(size)).hidden);
  const auto rollover = word(static_cast<uint32_t>(id.index >> 16));
  const std::array<ByteView, 2> parts = {out.first(size), rollover};
  write_tag(parts, out.last(tag_size_));
}

bool CtrHmacCipher::open_cryptex(PacketId id, size_t header_size, ByteView packet, Bytes out, size_t mac_cut) {
  const size_t size = packet.size() - mki_size_ - tag_size_;
  const auto rollover = word(static_cast<uint32_t>(id.index >> 16));
  const std::array<ByteView, 2> parts = {packet.first(size), rollover};
  if (!check_tag(parts, packet.last(tag_size_ - mac_cut))) return false;
  crypt(id, arrange_to_open(header_size, packet.first(size), out).hidden);
  restore_mark(out);
  return true;
}

void CtrHmacCipher::seal_rtcp(PacketId id, ByteView packet, Bytes out) {
  copy_clear(packet.first(kRtcpClearSize), out);
  crypt(id, packet.subspan(kRtcpClearSize), out.subspan(kRtcpClearSize, packet.size() - kRtcpClearSize));
  store_be32(out.data() + packet.size(), (cipher_ ? kRtcpEncryptedBit : 0) | static_cast<uint32_t>(id.index));
  const std::array<ByteView, 1> parts = {out.first(packet.size() + kRtcpIndexSize)};
  write_tag(parts, out.last(tag_size_));
}

bool CtrHmacCipher::open_rtcp(PacketId id, ByteView packet, Bytes out) {
  const size_t authenticated = packet.size() - mki_size_ - tag_size_;
  const std::array<ByteView, 1> parts = {packet.first(authenticated)};
  if (!check_tag(parts, packet.last(tag_size_))) return false;
  const size_t encrypted = authenticated - kRtcpIndexSize - kRtcpClearSize;
  copy_clear(packet.first(kRtcpClearSize), out);
  crypt(id, packet.subspan(kRtcpClearSize, encrypted), out.subspan(kRtcpClearSize, encrypted));
  return true;
}

namespace {

std::variant<GcmCipher, CtrHmacCipher> make_cipher(Profile profile, const SessionKeys& keys, size_t tag_size,
                                                   size_t mki_size) {
  if (is_gcm(profile)) return GcmCipher(profile, keys);
  return CtrHmacCipher(profile, keys, tag_size, mki_size);
}

size_t tag_size_of(Profile profile, Stream stream) {
  if (is_gcm(profile)) return kGcmTagSize;
  return stream == Stream::Rtp ? rtp_overhead(profile) : kRtcpTagSize;
}

}  // namespace

PacketCipher::PacketCipher(Profile profile, Stream stream, const SessionKeys& keys, size_t mki_size)
    : cipher_(make_cipher(profile, keys, tag_size_of(profile, stream), mki_size)),
      trailer_(is_gcm(profile) ? mki_size : 0),
      index_word_from_end_(mki_size + (is_gcm(profile) ? kRtcpIndexSize : kRtcpIndexSize + kRtcpTagSize)),
      mki_from_end_(mki_size + (is_gcm(profile) ? 0 : tag_size_of(profile, stream))),
      tag_from_end_(trailer_ + tag_size_of(profile, stream)),
      encrypted_bit_(encrypts(profile) ? kRtcpEncryptedBit : 0) {}

PacketCipher PacketCipher::derive(Profile profile, Stream stream, const KeyingMaterial& master) {
  SessionKeys keys;
  derive_session_keys(profile, master, stream, keys);
  return PacketCipher(profile, stream, keys, master.mki.size());
}

}  // namespace kaon::srtp::internal
