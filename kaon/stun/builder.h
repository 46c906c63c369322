// Writing STUN messages into the caller's memory.
#pragma once

#include <span>
#include <string_view>

#include "kaon/crypto/hash.h"
#include "kaon/net/address.h"
#include "kaon/stun/attribute.h"

namespace kaon::stun {

/// Writes one message, attribute after attribute; padding is zero. What does not fit makes finish() empty and writes
/// nothing past the end. Order as RFC 8489 §14.5 wants it: others, integrity, fingerprint.
class Builder {
 public:
  Builder(Bytes out, Method method, Class message_class, const TransactionId& id);

  Builder& add(Attribute type, ByteView value);
  Builder& add_flag(Attribute type) { return add(type, {}); }
  Builder& add_text(Attribute type, std::string_view text) { return add(type, as_bytes(text)); }
  Builder& add_u32(Attribute type, uint32_t value);
  Builder& add_u64(Attribute type, uint64_t value);
  Builder& add_address(Attribute type, const net::Endpoint& address);
  Builder& add_xor_address(Attribute type, const net::Endpoint& address);
  Builder& add_error(ErrorNumber number, std::string_view reason = {});
  Builder& add_unknown_attributes(std::span<const Attribute> types);
  Builder& add_network_info(uint16_t id, uint16_t cost);
  /// PASSWORD-ALGORITHMS, or with one of them PASSWORD-ALGORITHM; none of ours has parameters.
  Builder& add_password_algorithms(std::span<const PasswordAlgorithm> algorithms);
  Builder& add_password_algorithm(PasswordAlgorithm algorithm);
  /// MESSAGE-INTEGRITY; `key` is an HMAC-SHA1.
  Builder& add_integrity(const crypto::Hmac& key);
  /// MESSAGE-INTEGRITY-SHA256; `key` is an HMAC-SHA256.
  Builder& add_integrity_sha256(const crypto::Hmac& key);
  Builder& add_fingerprint();

  /// The whole message; empty if it did not fit.
  ByteView finish() const { return overflow_ ? ByteView{} : ByteView{out_.data(), size_}; }

 private:
  /// Space for an attribute's value; updates the length in the header.
  uint8_t* grow(Attribute type, size_t value_size);
  Builder& add_mac(Attribute type, const crypto::Hmac& key, size_t size);

  Bytes out_;
  size_t size_ = 0;
  bool overflow_ = false;
};

}  // namespace kaon::stun
