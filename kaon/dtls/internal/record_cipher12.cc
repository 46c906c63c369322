#include "kaon/dtls/internal/record_cipher12.h"

#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/base/writer.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

namespace {

constexpr size_t kExplicitNonceSize = 8;

using AdditionalData = std::array<uint8_t, 8 + 3 + 2 + 8 + kMaxConnectionIdSize + 2>;

// RFC 9146 §5.3: a placeholder that no record number equals(8) type(1) id size(1) type(1) version(2) number(8) id
// plaintext length(2).
ByteView additional_data_with_id(const RecordId& id, size_t plaintext_size, AdditionalData& data) {
  Writer out(data);
  out.u64(~uint64_t{0});
  out.u8(static_cast<uint8_t>(id.type));
  out.u8(static_cast<uint8_t>(id.connection_id.size()));
  out.u8(static_cast<uint8_t>(id.type));
  out.u16(kVersionDtls12);
  out.u64(id.number);
  out.bytes(id.connection_id);
  out.u16(static_cast<uint16_t>(plaintext_size));
  return out.written();
}

// RFC 5246 §6.2.3.3 with the number of RFC 6347 §4.1.2.1: number(8) type(1) version(2) plaintext length(2).
ByteView additional_data(const RecordId& id, size_t plaintext_size, AdditionalData& data) {
  if (!id.connection_id.empty()) return additional_data_with_id(id, plaintext_size, data);
  store_be64(data.data(), id.number);
  data[8] = static_cast<uint8_t>(id.type);
  store_be16(&data[9], kVersionDtls12);
  store_be16(&data[11], static_cast<uint16_t>(plaintext_size));
  return ByteView(data).first(13);
}

bool has_explicit_nonce(crypto::AeadAlgorithm algorithm) {
  return algorithm != crypto::AeadAlgorithm::ChaCha20Poly1305;
}

}  // namespace

size_t RecordCipher12::iv_size(crypto::AeadAlgorithm algorithm) {
  return has_explicit_nonce(algorithm) ? 4 : crypto::kAeadNonceSize;
}

RecordCipher12::RecordCipher12(crypto::AeadAlgorithm algorithm, ByteView key, ByteView iv)
    : aead_(algorithm, key), explicit_nonce_size_(has_explicit_nonce(algorithm) ? kExplicitNonceSize : 0) {
  KAON_ASSERT(iv.size() == iv_size(algorithm));
  std::copy(iv.begin(), iv.end(), iv_.begin());
}

RecordCipher12::Nonce RecordCipher12::nonce_for(uint64_t number) const {
  Nonce nonce = iv_;
  // The last eight bytes of iv_ are zero where the nonce is explicit, so XOR is right for both.
  store_be64(&nonce[4], load_be64(&nonce[4]) ^ number);
  return nonce;
}

void RecordCipher12::seal(RecordId id, ByteView plaintext, Bytes out) {
  KAON_ASSERT(out.size() == plaintext.size() + overhead());
  AdditionalData data;
  aead_.seal(nonce_for(id.number), additional_data(id, plaintext.size(), data), plaintext,
             out.subspan(explicit_nonce_size_));
  if (explicit_nonce_size_ != 0) store_be64(out.data(), id.number);
}

std::optional<Bytes> RecordCipher12::open(RecordId id, Bytes fragment) {
  if (fragment.size() < overhead()) return std::nullopt;
  // RFC 5288 §3 lets the sender choose the explicit part, so it is taken from the record and not from its number.
  const uint64_t explicit_part = explicit_nonce_size_ != 0 ? load_be64(fragment.data()) : id.number;
  const Bytes ciphertext = fragment.subspan(explicit_nonce_size_);
  const Bytes plaintext = ciphertext.first(ciphertext.size() - aead_.tag_size());
  AdditionalData data;
  if (!aead_.open(nonce_for(explicit_part), additional_data(id, plaintext.size(), data), ciphertext, plaintext))
    return std::nullopt;
  return plaintext;
}

}  // namespace kaon::dtls
