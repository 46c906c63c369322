#include "kaon/stun/builder.h"

#include <algorithm>
#include <cstring>

#include "kaon/base/assert.h"
#include "kaon/base/crc.h"

namespace kaon::stun {

namespace {

uint16_t message_type(Method method, Class message_class) {
  const auto m = static_cast<uint16_t>(method);
  const auto c = static_cast<uint16_t>(message_class);
  return static_cast<uint16_t>((m & 0x000f) | ((m & 0x0070) << 1) | ((m & 0x0f80) << 2) | ((c & 1) << 4) |
                               ((c & 2) << 7));
}

}  // namespace

Builder::Builder(Bytes out, Method method, Class message_class, const TransactionId& id) : out_(out) {
  overflow_ = out.size() < kHeaderSize;
  if (overflow_) return;
  store_be16(&out_[0], message_type(method, message_class));
  store_be16(&out_[2], 0);
  store_be32(&out_[4], kMagicCookie);
  std::copy(id.bytes.begin(), id.bytes.end(), &out_[8]);
  size_ = kHeaderSize;
}

uint8_t* Builder::grow(Attribute type, size_t value_size) {
  const size_t padded = (value_size + 3) & ~size_t{3};
  overflow_ =
      overflow_ || value_size > 0xffff || out_.size() - size_ < 4 + padded || size_ + 4 + padded - kHeaderSize > 0xffff;
  if (overflow_) return nullptr;
  uint8_t* attribute = out_.data() + size_;
  store_be16(attribute, static_cast<uint16_t>(type));
  store_be16(attribute + 2, static_cast<uint16_t>(value_size));
  std::memset(attribute + 4 + value_size, 0, padded - value_size);
  size_ += 4 + padded;
  store_be16(&out_[2], static_cast<uint16_t>(size_ - kHeaderSize));
  return attribute + 4;
}

Builder& Builder::add(Attribute type, ByteView value) {
  uint8_t* p = grow(type, value.size());
  if (p != nullptr && !value.empty()) std::memmove(p, value.data(), value.size());
  return *this;
}

Builder& Builder::add_u32(Attribute type, uint32_t value) {
  if (uint8_t* p = grow(type, 4)) store_be32(p, value);
  return *this;
}

Builder& Builder::add_u64(Attribute type, uint64_t value) {
  if (uint8_t* p = grow(type, 8)) store_be64(p, value);
  return *this;
}

Builder& Builder::add_address(Attribute type, const net::Endpoint& address) {
  const ByteView ip = address.ip.bytes();
  KAON_ASSERT(!ip.empty());
  uint8_t* p = grow(type, 4 + ip.size());
  if (p == nullptr) return *this;
  p[0] = 0;
  p[1] = address.ip.is_v4() ? 1 : 2;
  store_be16(p + 2, address.port);
  std::copy(ip.begin(), ip.end(), p + 4);
  return *this;
}

Builder& Builder::add_xor_address(Attribute type, const net::Endpoint& address) {
  const size_t before = size_;
  add_address(type, address);
  if (overflow_) return *this;
  uint8_t* p = &out_[before + 4];
  p[2] ^= out_[4];
  p[3] ^= out_[5];
  for (size_t i = 0; i < address.ip.bytes().size(); ++i) p[4 + i] ^= out_[4 + i];
  return *this;
}

Builder& Builder::add_error(ErrorNumber number, std::string_view reason) {
  uint8_t* p = grow(Attribute::ErrorCode, 4 + reason.size());
  if (p == nullptr) return *this;
  const auto n = static_cast<uint16_t>(number);
  store_be16(p, 0);
  p[2] = static_cast<uint8_t>(n / 100);
  p[3] = static_cast<uint8_t>(n % 100);
  std::copy(reason.begin(), reason.end(), p + 4);
  return *this;
}

Builder& Builder::add_unknown_attributes(std::span<const Attribute> types) {
  uint8_t* p = grow(Attribute::UnknownAttributes, 2 * types.size());
  if (p == nullptr) return *this;
  for (const Attribute type : types) {
    store_be16(p, static_cast<uint16_t>(type));
    p += 2;
  }
  return *this;
}

Builder& Builder::add_network_info(uint16_t id, uint16_t cost) {
  return add_u32(Attribute::GoogNetworkInfo, (uint32_t{id} << 16) | cost);
}

// RFC 8489 §14.11, §14.12: number and length of the parameters, 16 bits each.
Builder& Builder::add_password_algorithms(std::span<const PasswordAlgorithm> algorithms) {
  uint8_t* p = grow(Attribute::PasswordAlgorithms, 4 * algorithms.size());
  if (p == nullptr) return *this;
  for (const PasswordAlgorithm algorithm : algorithms) {
    store_be32(p, uint32_t{static_cast<uint16_t>(algorithm)} << 16);
    p += 4;
  }
  return *this;
}

Builder& Builder::add_password_algorithm(PasswordAlgorithm algorithm) {
  return add_u32(Attribute::PasswordAlgorithm, uint32_t{static_cast<uint16_t>(algorithm)} << 16);
}

// The length in the header already counts the attribute when its value is computed (RFC 8489 §14.5).
Builder& Builder::add_mac(Attribute type, const crypto::Hmac& key, size_t size) {
  const size_t before = size_;
  uint8_t* p = grow(type, size);
  if (p == nullptr) return *this;
  const std::array<ByteView, 1> parts{ByteView{out_.data(), before}};
  const crypto::Digest digest = key.compute(parts);
  KAON_ASSERT(digest.size == size);
  std::copy_n(digest.data.begin(), size, p);
  return *this;
}

Builder& Builder::add_integrity(const crypto::Hmac& key) { return add_mac(Attribute::MessageIntegrity, key, 20); }
Builder& Builder::add_integrity_sha256(const crypto::Hmac& key) {
  return add_mac(Attribute::MessageIntegritySha256, key, 32);
}

Builder& Builder::add_fingerprint() {
  const size_t before = size_;
  if (uint8_t* p = grow(Attribute::Fingerprint, 4)) {
    store_be32(p, crc32({out_.data(), before}) ^ kFingerprintXor);
  }
  return *this;
}

}  // namespace kaon::stun
