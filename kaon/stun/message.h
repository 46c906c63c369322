// Reading STUN messages in place.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "kaon/base/result.h"
#include "kaon/crypto/hash.h"
#include "kaon/net/address.h"
#include "kaon/stun/attribute.h"

namespace kaon::stun {

/// More attributes than this make a message malformed.
inline constexpr size_t kMaxAttributes = 64;
/// No more unknown attributes than this are listed in an answer.
inline constexpr size_t kMaxUnknownAttributes = 8;

enum class ParseError : uint8_t { NotStun, BadLength, BadAttribute, TooManyAttributes, BadFingerprint };

/// True if these bytes are STUN and not another protocol on the same port: first byte 0 to 3 (RFC 9443 §3), a whole
/// header, the magic cookie. Cheap; says nothing about the attributes.
bool is_stun(ByteView bytes);

/// ERROR-CODE; the reason is borrowed from the message.
struct ErrorCode {
  uint16_t number = 0;
  std::string_view reason;
};

/// GOOG-NETWORK-INFO.
struct NetworkInfo {
  uint16_t id = 0;
  uint16_t cost = 0;
};

/// Attribute types, at most kMaxUnknownAttributes of them.
struct AttributeList {
  std::array<Attribute, kMaxUnknownAttributes> types{};
  size_t size = 0;
  bool empty() const { return size == 0; }
  std::span<const Attribute> view() const { return {types.data(), size}; }
};

/// Password algorithms in order of preference.
struct PasswordAlgorithmList {
  std::array<PasswordAlgorithm, 2> algorithms{};
  size_t size = 0;
  std::span<const PasswordAlgorithm> view() const { return {algorithms.data(), size}; }
};

/// A parsed message: a view that borrows the bytes given to parse(). RFC 8489 §5.
///
/// Attributes behind MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 do not exist for the reader (RFC 8489 §14.5), except
/// the second of those two and FINGERPRINT.
class Message {
 public:
  /// Checks the structure of the whole message and FINGERPRINT if there is one; does not check the integrity.
  static Result<Message, ParseError> parse(ByteView bytes);

  Method method() const { return method_; }
  Class message_class() const { return class_; }
  bool is(Method m, Class c) const { return method_ == m && class_ == c; }
  const TransactionId& transaction_id() const { return transaction_id_; }
  size_t size() const { return bytes_.size(); }
  bool has_fingerprint() const { return has_fingerprint_; }
  bool has_integrity() const { return sha1_offset_ != 0; }
  bool has_integrity_sha256() const { return sha256_offset_ != 0; }

  /// Value of the first attribute of this type, without padding.
  std::optional<ByteView> find(Attribute type) const;
  bool has(Attribute type) const { return find(type).has_value(); }
  /// Calls visit(Attribute, ByteView value) for each attribute in order.
  template <class Visitor>
  void for_each(Visitor&& visit) const;

  /// Values of the fixed size their type demands; nothing if absent or of another size.
  std::optional<uint32_t> u32(Attribute type) const;
  std::optional<uint64_t> u64(Attribute type) const;
  std::optional<std::string_view> text(Attribute type) const;
  /// MAPPED-ADDRESS and its like, RFC 8489 §14.1.
  std::optional<net::Endpoint> address(Attribute type) const;
  /// XOR-MAPPED-ADDRESS and its like, RFC 8489 §14.2.
  std::optional<net::Endpoint> xor_address(Attribute type) const;
  /// The same from the value of one attribute, where there are several of a type.
  std::optional<net::Endpoint> decode_xor_address(ByteView value) const;
  std::optional<ErrorCode> error_code() const;
  std::optional<NetworkInfo> network_info() const;
  /// The algorithms of PASSWORD-ALGORITHMS that we know, in its order, at most two; nothing if absent or malformed.
  std::optional<PasswordAlgorithmList> password_algorithms() const;
  /// Nothing if absent, malformed or not known to us.
  std::optional<PasswordAlgorithm> password_algorithm() const;

  /// Attributes that must be understood and are not in `known`.
  AttributeList unknown_required(std::span<const Attribute> known) const;

  /// True if MESSAGE-INTEGRITY is there and fits `key` (HMAC-SHA1). In constant time.
  [[nodiscard]] bool verify_integrity(const crypto::Hmac& key) const;
  /// True if MESSAGE-INTEGRITY-SHA256 is there, untruncated or truncated to 16 bytes or more, and fits `key`
  /// (HMAC-SHA256).
  [[nodiscard]] bool verify_integrity_sha256(const crypto::Hmac& key) const;

  /// One line for logs: "Binding request".
  std::string to_string() const;

 private:
  Message() = default;
  crypto::Digest digest_before(size_t offset, size_t value_size, const crypto::Hmac& key) const;

  ByteView bytes_;
  ByteView attributes_;  // those the reader sees
  Method method_{};
  Class class_{};
  TransactionId transaction_id_;
  size_t sha1_offset_ = 0;  // of the attribute's header, zero if absent
  size_t sha256_offset_ = 0;
  bool has_fingerprint_ = false;
};

template <class Visitor>
void Message::for_each(Visitor&& visit) const {
  // parse() has checked every length, so this walk needs no checks.
  for (ByteView rest = attributes_; !rest.empty();) {
    const size_t size = load_be16(&rest[2]);
    visit(static_cast<Attribute>(load_be16(rest.data())), rest.subspan(4, size));
    rest = rest.subspan(4 + ((size + 3) & ~size_t{3}));
  }
}

}  // namespace kaon::stun
