// Secrets of DTLS 1.3 and what is derived of them (RFC 8446 §7 with the labels of RFC 9147 §5.9).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/crypto/hash.h"
#include "kaon/dtls/internal/cipher_suites.h"
#include "kaon/dtls/internal/messages.h"
#include "kaon/dtls/internal/record_cipher13.h"

namespace kaon::dtls {

/// A digest-sized secret that is wiped when it goes.
struct Secret13 : crypto::Digest {
  Secret13() = default;
  explicit Secret13(const crypto::Digest& digest) : Digest(digest) {}
  Secret13(const Secret13&) = default;
  Secret13& operator=(const Secret13&) = default;
  ~Secret13() { wipe(data); }
};

/// The handshake messages as they are hashed (RFC 9147 §5.2): type, length and body, without message number and
/// fragment fields. Until the cipher suite is known, and with it the hash function, they are kept.
class Transcript13 {
 public:
  void add(HandshakeType type, ByteView body);
  /// The hash function; may be set once.
  void start(crypto::HashAlgorithm algorithm);
  /// RFC 8446 §4.4.1: goes on behind a first ClientHello with this hash.
  void start_behind(crypto::HashAlgorithm algorithm, ByteView first_hello);
  /// RFC 8446 §4.4.1: behind a HelloRetryRequest the first ClientHello counts as its hash. To be called before the
  /// HelloRetryRequest is added.
  void replace_by_hash();
  crypto::Digest hash() const { return hasher_->digest(); }

 private:
  std::vector<uint8_t> waiting_;
  std::optional<crypto::Hasher> hasher_;
};

class KeySchedule13 {
 public:
  RandomValue client_random{};

  /// Handshake traffic secrets of the shared secret of the key exchange; `hello_hash` covers ClientHello to
  /// ServerHello.
  void derive_handshake(const SuiteInfo& suite, ByteView shared_secret, const crypto::Digest& hello_hash);
  /// Application traffic and exporter secrets; `finished_hash` covers ClientHello to the server's Finished.
  void derive_application(const crypto::Digest& finished_hash);
  /// The next generation of a role's application traffic secret (RFC 8446 §7.2).
  void update(Role role);

  RecordCipher13 handshake_cipher(Role role) const { return cipher(handshake_[index(role)]); }
  RecordCipher13 application_cipher(Role role) const { return cipher(application_[index(role)]); }
  /// RFC 8446 §4.4.4, over the transcript before that Finished.
  crypto::Digest verify_data(Role role, const crypto::Digest& transcript_hash) const;
  /// RFC 8446 §7.5.
  void export_keying_material(std::string_view label, ByteView context, Bytes out) const;
  /// Secrets derived since the last call, in NSS key log format.
  std::vector<std::string> take_key_log_lines();
  /// Handshake secrets are of no use once both Finished are verified.
  void forget_handshake();
  /// All of them: the connection has ended.
  void forget();

 private:
  static size_t index(Role role) { return role == Role::Client ? 0 : 1; }
  RecordCipher13 cipher(const Secret13& secret) const { return {aead_, hash_, secret.view()}; }
  Secret13 derive_secret(const Secret13& secret, std::string_view label, const crypto::Digest& transcript) const;

  crypto::HashAlgorithm hash_ = crypto::HashAlgorithm::Sha256;
  crypto::AeadAlgorithm aead_ = crypto::AeadAlgorithm::Aes128Gcm;
  bool handshake_logged_ = false;
  bool application_logged_ = false;
  Secret13 current_;  // handshake secret, then exporter master secret
  std::array<Secret13, 2> handshake_;
  std::array<Secret13, 2> application_;
};

}  // namespace kaon::dtls
