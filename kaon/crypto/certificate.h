// Certificates, signatures and fingerprints.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/random.h"
#include "kaon/crypto/hash.h"

namespace kaon::crypto {

enum class KeyType : uint8_t { EcdsaP256, EcdsaP384, Ed25519, Rsa2048 };

/// Values are those of the TLS registry "signature schemes". In TLS 1.2 the ECDSA ones do not bind the curve.
enum class SignatureScheme : uint16_t {
  RsaPkcs1Sha256 = 0x0401,
  RsaPkcs1Sha384 = 0x0501,
  RsaPkcs1Sha512 = 0x0601,
  EcdsaSecp256r1Sha256 = 0x0403,
  EcdsaSecp384r1Sha384 = 0x0503,
  RsaPssRsaeSha256 = 0x0804,
  RsaPssRsaeSha384 = 0x0805,
  RsaPssRsaeSha512 = 0x0806,
  Ed25519 = 0x0807,
};

/// A peer's public key, out of its certificate.
class PublicKey {
 public:
  /// From a DER X.509 certificate; nothing if malformed or of an unsupported key type. Chain, names and dates are not
  /// looked at: in WebRTC the fingerprint is what counts (RFC 8827 §5.1).
  static std::optional<PublicKey> from_certificate(ByteView der);
  PublicKey(PublicKey&&) noexcept;
  PublicKey& operator=(PublicKey&&) noexcept;
  ~PublicKey();

  KeyType type() const { return type_; }
  /// False if the scheme does not go with the key or the signature does not fit.
  [[nodiscard]] bool verify(SignatureScheme scheme, ByteView data, ByteView signature) const;

 private:
  struct Key;
  PublicKey(KeyType type, std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
  KeyType type_;
};

/// "sha-256" and the digest of a certificate, as in a=fingerprint (RFC 8122 §5).
struct Fingerprint {
  HashAlgorithm algorithm = HashAlgorithm::Sha256;
  std::vector<uint8_t> digest;

  /// "sha-256 AB:CD:…": sha-1, sha-256, sha-384 and sha-512 of the right length, in any letter case; nothing otherwise.
  static std::optional<Fingerprint> parse(std::string_view text);
  static Fingerprint of(HashAlgorithm algorithm, ByteView der);
  std::string to_string() const;
  bool matches(ByteView der) const;
  bool operator==(const Fingerprint&) const = default;
};

/// A certificate of our own with its private key. Copying shares the key.
class Certificate {
 public:
  /// Self-signed, valid from a day before `now` (since 1970) for `lifetime`. With Ed25519 the same random bytes give
  /// the same certificate and the same signatures.
  static Certificate generate(KeyType type, Random& random, std::chrono::seconds now,
                              std::chrono::seconds lifetime = std::chrono::days(30));
  /// From PEM texts; nothing if they are malformed or do not belong together.
  static std::optional<Certificate> from_pem(std::string_view certificate, std::string_view private_key);

  KeyType type() const;
  ByteView der() const;
  /// Seconds since 1970.
  std::chrono::seconds expires() const;
  Fingerprint fingerprint(HashAlgorithm algorithm = HashAlgorithm::Sha256) const;
  /// Nothing if the scheme does not go with the key.
  std::optional<std::vector<uint8_t>> sign(SignatureScheme scheme, ByteView data) const;
  std::string certificate_pem() const;
  std::string private_key_pem() const;

 private:
  struct Impl;
  explicit Certificate(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

/// The certificate of a server, one for many connections: made when it is first asked for, and anew when it has become
/// old. Who has it keeps it. Clients had better make one for each connection, or all that they connect to can tell that
/// they are the same.
class CachedCertificate {
 public:
  explicit CachedCertificate(KeyType type, std::chrono::seconds lifetime = std::chrono::days(1))
      : type_(type), lifetime_(lifetime) {}
  /// The one of `now` (since 1970).
  const Certificate& get(Random& random, std::chrono::seconds now);

 private:
  KeyType type_;
  std::chrono::seconds lifetime_;
  std::chrono::seconds made_{};
  std::optional<Certificate> certificate_;
};

}  // namespace kaon::crypto
