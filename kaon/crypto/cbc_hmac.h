// AES-CBC with an HMAC, as records of TLS 1.2 had it before AEAD: for peers that have nothing better.
#pragma once

#include <memory>
#include <optional>

#include "kaon/base/bytes.h"
#include "kaon/crypto/hash.h"

namespace kaon::crypto {

enum class CbcHmacAlgorithm : uint8_t { Aes128Sha1, Aes256Sha1, Aes128Sha256 };

/// Which comes first: RFC 5246 §6.2.3.2 or RFC 7366.
enum class CbcHmacOrder : uint8_t { MacThenEncrypt, EncryptThenMac };

size_t cbc_hmac_key_size(CbcHmacAlgorithm algorithm);
HashAlgorithm cbc_hmac_hash(CbcHmacAlgorithm algorithm);

/// One direction's keys. A record is an IV, encrypted blocks, and with EncryptThenMac the MAC. Not thread-safe.
///
/// Whether a forged record has the wrong padding or the wrong MAC cannot be told by what open() returns, nor, with
/// MacThenEncrypt, by the time it takes ("Lucky 13"): libcrypto takes off padding and MAC and computes the MAC in
/// constant time. The MAC has to be copied for that, so open() of MacThenEncrypt allocates inside libcrypto, and both
/// directions do what the README says of Hmac.
class CbcHmac {
 public:
  static constexpr size_t kBlockSize = 16;
  static constexpr size_t kIvSize = kBlockSize;

  /// `mac_key` has the size of the hash's digest, `key` that of cbc_hmac_key_size() (asserted).
  CbcHmac(CbcHmacAlgorithm algorithm, CbcHmacOrder order, ByteView mac_key, ByteView key);
  CbcHmac(CbcHmac&&) noexcept;
  CbcHmac& operator=(CbcHmac&&) noexcept;
  ~CbcHmac();

  size_t sealed_size(size_t plaintext_size) const;
  /// The most that sealed_size() adds.
  size_t overhead() const { return kIvSize + mac_size_ + kBlockSize; }

  /// Writes a record of sealed_size() bytes (asserted). `plaintext` stands at out + kIvSize or apart. The IV is
  /// `number`, which must never come twice under these keys, encrypted by them: nobody else can tell it beforehand (SP
  /// 800-38A, appendix C). `header`, of at least 13 bytes, is what the MAC covers before the content: its last two
  /// bytes are set here to the length of that.
  void seal(uint64_t number, Bytes header, ByteView plaintext, Bytes out);
  /// Decrypts in place; nothing, and `record` is worthless, if it is forged. `header` as above.
  std::optional<Bytes> open(Bytes header, Bytes record);

 private:
  std::optional<Bytes> open_mac_then_encrypt(Bytes header, Bytes record);
  std::optional<size_t> decrypt(Bytes encrypted);
  bool mac_fits(Bytes header, ByteView content_and_rest, size_t content_size, ByteView mac);

  struct Context;
  std::unique_ptr<Context> context_;
  CbcHmacOrder order_;
  size_t mac_size_;
};

}  // namespace kaon::crypto
