#include "kaon/dtls/internal/record_cipher12.h"

#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/base/writer.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

namespace {

constexpr size_t kExplicitNonceSize = 8;

using AdditionalData = std::array<uint8_t, 8 + 3 + 2 + 8 + kMaxConnectionIdSize + 2>;

// RFC 9146 §5: a placeholder that no record number equals(8) type(1) id size(1) type(1) version(2) number(8) id
// length(2).
Bytes additional_data_with_id(const RecordId& id, size_t length, AdditionalData& data) {
  Writer out(data);
  out.u64(~uint64_t{0});
  out.u8(static_cast<uint8_t>(id.type));
  out.u8(static_cast<uint8_t>(id.connection_id.size()));
  out.u8(static_cast<uint8_t>(id.type));
  out.u16(kVersionDtls12);
  out.u64(id.number);
  out.bytes(id.connection_id);
  out.u16(static_cast<uint16_t>(length));
  return out.written();
}

// RFC 5246 §6.2.3.3 and §6.2.3.1 with the number of RFC 6347 §4.1.2.1: number(8) type(1) version(2) length(2). The
// length is that of the plaintext, but with CBC the cipher's affair.
Bytes additional_data(const RecordId& id, size_t length, AdditionalData& data) {
  if (!id.connection_id.empty()) return additional_data_with_id(id, length, data);
  store_be64(data.data(), id.number);
  data[8] = static_cast<uint8_t>(id.type);
  store_be16(&data[9], kVersionDtls12);
  store_be16(&data[11], static_cast<uint16_t>(length));
  return Bytes(data).first(13);
}

bool has_explicit_nonce(crypto::AeadAlgorithm algorithm) {
  return algorithm != crypto::AeadAlgorithm::ChaCha20Poly1305;
}

std::variant<crypto::Aead, crypto::CbcHmac> make_cipher(const RecordAlgorithm& algorithm, const RecordKeys& keys,
                                                        bool encrypt_then_mac) {
  if (const auto* aead = std::get_if<crypto::AeadAlgorithm>(&algorithm)) return crypto::Aead(*aead, keys.cipher);
  const auto order = encrypt_then_mac ? crypto::CbcHmacOrder::EncryptThenMac : crypto::CbcHmacOrder::MacThenEncrypt;
  return crypto::CbcHmac(std::get<crypto::CbcHmacAlgorithm>(algorithm), order, keys.mac, keys.cipher);
}

}  // namespace

RecordKeySizes record_key_sizes(const RecordAlgorithm& algorithm) {
  if (const auto* aead = std::get_if<crypto::AeadAlgorithm>(&algorithm))
    return {.cipher = crypto::aead_key_size(*aead), .iv = has_explicit_nonce(*aead) ? 4 : crypto::kAeadNonceSize};
  const auto cbc = std::get<crypto::CbcHmacAlgorithm>(algorithm);
  return {.mac = crypto::digest_size(crypto::cbc_hmac_hash(cbc)), .cipher = crypto::cbc_hmac_key_size(cbc)};
}

RecordCipher12::RecordCipher12(const RecordAlgorithm& algorithm, const RecordKeys& keys, bool encrypt_then_mac)
    : cipher_(make_cipher(algorithm, keys, encrypt_then_mac)) {
  KAON_ASSERT(keys.iv.size() == record_key_sizes(algorithm).iv);
  std::copy(keys.iv.begin(), keys.iv.end(), iv_.begin());
  if (is_cbc(algorithm)) {
    explicit_nonce_size_ = crypto::CbcHmac::kIvSize;
  } else if (has_explicit_nonce(std::get<crypto::AeadAlgorithm>(algorithm))) {
    explicit_nonce_size_ = kExplicitNonceSize;
  }
}

size_t RecordCipher12::sealed_size(size_t plaintext_size) const {
  if (const auto* cbc = std::get_if<crypto::CbcHmac>(&cipher_)) return cbc->sealed_size(plaintext_size);
  return plaintext_size + overhead();
}

size_t RecordCipher12::overhead() const {
  if (const auto* cbc = std::get_if<crypto::CbcHmac>(&cipher_)) return cbc->overhead();
  return explicit_nonce_size_ + std::get<crypto::Aead>(cipher_).tag_size();
}

RecordCipher12::Nonce RecordCipher12::nonce_for(uint64_t number) const {
  Nonce nonce = iv_;
  // The last eight bytes of iv_ are zero where the nonce is explicit, so XOR is right for both.
  store_be64(&nonce[4], load_be64(&nonce[4]) ^ number);
  return nonce;
}

void RecordCipher12::seal(RecordId id, ByteView plaintext, Bytes out) {
  KAON_ASSERT(out.size() == sealed_size(plaintext.size()));
  AdditionalData data;
  const Bytes additional = additional_data(id, plaintext.size(), data);
  if (auto* cbc = std::get_if<crypto::CbcHmac>(&cipher_)) return cbc->seal(id.number, additional, plaintext, out);
  std::get<crypto::Aead>(cipher_).seal(nonce_for(id.number), additional, plaintext, out.subspan(explicit_nonce_size_));
  if (explicit_nonce_size_ != 0) store_be64(out.data(), id.number);
}

std::optional<Bytes> RecordCipher12::open(RecordId id, Bytes fragment) {
  AdditionalData data;
  if (auto* cbc = std::get_if<crypto::CbcHmac>(&cipher_)) return cbc->open(additional_data(id, 0, data), fragment);
  if (fragment.size() < overhead()) return std::nullopt;
  // RFC 5288 §3 lets the sender choose the explicit part, so it is taken from the record and not from its number.
  const uint64_t explicit_part = explicit_nonce_size_ != 0 ? load_be64(fragment.data()) : id.number;
  const Bytes ciphertext = fragment.subspan(explicit_nonce_size_);
  auto& aead = std::get<crypto::Aead>(cipher_);
  const Bytes plaintext = ciphertext.first(ciphertext.size() - aead.tag_size());
  if (!aead.open(nonce_for(explicit_part), additional_data(id, plaintext.size(), data), ciphertext, plaintext))
    return std::nullopt;
  return plaintext;
}

}  // namespace kaon::dtls
