#include "kaon/stun/message.h"

#include <algorithm>

#include "kaon/base/crc.h"
#include "kaon/base/text.h"

namespace kaon::stun {

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1     RFC 8489 §5
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |0 0|  M11..M7  |C1| M6..M4 |C0| M3..M0 |    length, no header  |
// |                         magic cookie                          |
// |                    transaction id, 96 bits                    |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |             type              |        value length           |    each attribute, padded to 4 bytes
// |                         value (variable)                      |
namespace {

constexpr size_t kAttributeHeader = 4;
constexpr size_t kSha1Size = 20;
constexpr size_t kSha256Size = 32;
constexpr size_t kMinSha256Size = 16;  // RFC 8489 §14.6: may be truncated down to this

size_t padded(size_t size) { return (size + 3) & ~size_t{3}; }

Method method_of(uint16_t type) {
  return static_cast<Method>((type & 0x000f) | ((type & 0x00e0) >> 1) | ((type & 0x3e00) >> 2));
}
Class class_of(uint16_t type) { return static_cast<Class>(((type >> 4) & 1) | ((type >> 7) & 2)); }

bool fingerprint_fits(ByteView message, size_t offset) {
  return load_be32(&message[offset + kAttributeHeader]) == (crc32(message.first(offset)) ^ kFingerprintXor);
}

}  // namespace

bool is_stun(ByteView bytes) {
  return bytes.size() >= kHeaderSize && bytes[0] < 4 && load_be32(&bytes[4]) == kMagicCookie;
}

Result<Message, ParseError> Message::parse(ByteView bytes) {
  if (!is_stun(bytes)) return fail(ParseError::NotStun);
  const size_t length = load_be16(&bytes[2]);
  if (length % 4 != 0 || length + kHeaderSize != bytes.size()) return fail(ParseError::BadLength);
  const uint16_t type = load_be16(bytes.data());
  Message message;
  message.bytes_ = bytes;
  message.method_ = method_of(type);
  message.class_ = class_of(type);
  std::copy_n(&bytes[8], message.transaction_id_.bytes.size(), message.transaction_id_.bytes.begin());

  size_t visible_end = bytes.size();
  size_t count = 0;
  for (size_t offset = kHeaderSize; offset < bytes.size();) {
    // Sizes are multiples of four, so that a header always fits.
    const auto attribute = static_cast<Attribute>(load_be16(&bytes[offset]));
    const size_t size = load_be16(&bytes[offset + 2]);
    const size_t end = offset + kAttributeHeader + padded(size);
    if (end > bytes.size()) return fail(ParseError::BadAttribute);
    if (++count > kMaxAttributes) return fail(ParseError::TooManyAttributes);
    const bool sealed = visible_end != bytes.size();
    if (attribute == Attribute::Fingerprint) {
      // RFC 8489 §14.7: the last attribute.
      if (size != 4 || end != bytes.size()) return fail(ParseError::BadAttribute);
      if (!fingerprint_fits(bytes, offset)) return fail(ParseError::BadFingerprint);
      message.has_fingerprint_ = true;
      visible_end = std::min(visible_end, offset);
    } else if (attribute == Attribute::MessageIntegrity && !sealed) {
      if (size != kSha1Size) return fail(ParseError::BadAttribute);
      message.sha1_offset_ = offset;
      visible_end = offset;
    } else if (attribute == Attribute::MessageIntegritySha256 && message.sha256_offset_ == 0) {
      if (size < kMinSha256Size || size > kSha256Size || size % 4 != 0) return fail(ParseError::BadAttribute);
      message.sha256_offset_ = offset;
      visible_end = std::min(visible_end, offset);
    }
    offset = end;
  }
  message.attributes_ = bytes.subspan(kHeaderSize, visible_end - kHeaderSize);
  return message;
}

std::optional<ByteView> Message::find(Attribute type) const {
  std::optional<ByteView> found;
  for_each([&](Attribute attribute, ByteView value) {
    if (attribute == type && !found) found = value;
  });
  return found;
}

std::optional<uint32_t> Message::u32(Attribute type) const {
  const auto value = find(type);
  if (!value || value->size() != 4) return std::nullopt;
  return load_be32(value->data());
}

std::optional<uint64_t> Message::u64(Attribute type) const {
  const auto value = find(type);
  if (!value || value->size() != 8) return std::nullopt;
  return load_be64(value->data());
}

std::optional<std::string_view> Message::text(Attribute type) const {
  const auto value = find(type);
  if (!value) return std::nullopt;
  return as_text(*value);
}

namespace {

// RFC 8489 §14.1: one byte zero, family, port, address.
struct RawAddress {
  uint16_t port;
  ByteView ip;
};

std::optional<RawAddress> raw_address(ByteView value) {
  if (value.size() < 4) return std::nullopt;
  const size_t ip_size = value[1] == 1 ? 4 : value[1] == 2 ? 16 : 0;
  if (ip_size == 0 || value.size() != 4 + ip_size) return std::nullopt;
  return RawAddress{load_be16(&value[2]), value.subspan(4)};
}

}  // namespace

std::optional<net::Endpoint> Message::address(Attribute type) const {
  const auto raw = raw_address(find(type).value_or(ByteView()));
  if (!raw) return std::nullopt;
  return net::Endpoint{net::IpAddress::from_bytes(raw->ip), raw->port};
}

std::optional<net::Endpoint> Message::xor_address(Attribute type) const {
  return decode_xor_address(find(type).value_or(ByteView()));
}

std::optional<net::Endpoint> Message::decode_xor_address(ByteView value) const {
  const auto raw = raw_address(value);
  if (!raw) return std::nullopt;
  // XORed with the cookie and, for IPv6, the transaction id behind it (RFC 8489 §14.2).
  std::array<uint8_t, 16> ip{};
  for (size_t i = 0; i < raw->ip.size(); ++i) ip[i] = raw->ip[i] ^ bytes_[4 + i];
  const auto port = static_cast<uint16_t>(raw->port ^ (kMagicCookie >> 16));
  return net::Endpoint{net::IpAddress::from_bytes(ByteView{ip}.first(raw->ip.size())), port};
}

std::optional<ErrorCode> Message::error_code() const {
  const auto value = find(Attribute::ErrorCode);
  if (!value || value->size() < 4) return std::nullopt;
  const int hundreds = (*value)[2] & 7;
  const int rest = (*value)[3];
  if (hundreds < 3 || hundreds > 6 || rest > 99) return std::nullopt;
  return ErrorCode{static_cast<uint16_t>(hundreds * 100 + rest), as_text(value->subspan(4))};
}

std::optional<NetworkInfo> Message::network_info() const {
  const auto value = u32(Attribute::GoogNetworkInfo);
  if (!value) return std::nullopt;
  return NetworkInfo{static_cast<uint16_t>(*value >> 16), static_cast<uint16_t>(*value)};
}

namespace {

bool known_algorithm(uint16_t number) { return number == 1 || number == 2; }

}  // namespace

std::optional<PasswordAlgorithmList> Message::password_algorithms() const {
  const auto value = find(Attribute::PasswordAlgorithms);
  if (!value) return std::nullopt;
  PasswordAlgorithmList list;
  for (ByteView rest = *value; !rest.empty();) {
    if (rest.size() < 4) return std::nullopt;
    const size_t whole = 4 + padded(load_be16(&rest[2]));
    if (whole > rest.size()) return std::nullopt;
    const auto algorithm = static_cast<PasswordAlgorithm>(load_be16(rest.data()));
    const auto seen = list.view();
    const bool wanted = known_algorithm(load_be16(rest.data())) && std::ranges::find(seen, algorithm) == seen.end();
    if (wanted) list.algorithms[list.size++] = algorithm;
    rest = rest.subspan(whole);
  }
  return list;
}

std::optional<PasswordAlgorithm> Message::password_algorithm() const {
  const auto value = find(Attribute::PasswordAlgorithm);
  if (!value || value->size() < 4 || !known_algorithm(load_be16(value->data()))) return std::nullopt;
  return static_cast<PasswordAlgorithm>(load_be16(value->data()));
}

AttributeList Message::unknown_required(std::span<const Attribute> known) const {
  AttributeList list;
  for_each([&](Attribute attribute, ByteView) {
    if (!comprehension_required(attribute) || list.size == kMaxUnknownAttributes) return;
    if (std::find(known.begin(), known.end(), attribute) == known.end()) list.types[list.size++] = attribute;
  });
  return list;
}

// RFC 8489 §14.5: over everything in front of the attribute, with a header length that ends behind the attribute.
crypto::Digest Message::digest_before(size_t offset, size_t value_size, const crypto::Hmac& key) const {
  std::array<uint8_t, 2> length{};
  store_be16(length.data(), static_cast<uint16_t>(offset + kAttributeHeader + value_size - kHeaderSize));
  const std::array<ByteView, 3> parts{bytes_.first(2), length, bytes_.subspan(4, offset - 4)};
  return key.compute(parts);
}

bool Message::verify_integrity(const crypto::Hmac& key) const {
  if (sha1_offset_ == 0) return false;
  const crypto::Digest digest = digest_before(sha1_offset_, kSha1Size, key);
  return equal_in_constant_time(digest.view(), bytes_.subspan(sha1_offset_ + kAttributeHeader, kSha1Size));
}

bool Message::verify_integrity_sha256(const crypto::Hmac& key) const {
  if (sha256_offset_ == 0) return false;
  const size_t size = load_be16(&bytes_[sha256_offset_ + 2]);
  const crypto::Digest digest = digest_before(sha256_offset_, size, key);
  return digest.size >= size &&
         equal_in_constant_time(digest.view().first(size), bytes_.subspan(sha256_offset_ + kAttributeHeader, size));
}

std::string Message::to_string() const {
  static constexpr std::string_view kClasses[] = {"request", "indication", "success", "error"};
  std::string out = method_ == Method::Binding ? "Binding " : cat("method ", static_cast<int>(method_), " ");
  out += kClasses[static_cast<size_t>(class_)];
  if (const auto error = error_code()) append_to(out, cat(" ", error->number));
  return out;
}

}  // namespace kaon::stun
