// Numbers of the wire, the same for every DTLS version.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kaon::dtls {

/// RFC 6347 §4.1; Tls12Cid is RFC 9146 §4, Ack is RFC 9147 §7. None: an encrypted type that the record does not say.
enum class ContentType : uint8_t {
  None = 0,
  ChangeCipherSpec = 20,
  Alert = 21,
  Handshake = 22,
  ApplicationData = 23,
  Tls12Cid = 25,  ///< a protected record with a connection id; its real type is encrypted
  Ack = 26,
  ReturnRoutability = 27,  ///< RFC 9853 §5
};

/// RFC 5246 §7.4, RFC 6347 §4.3.2, RFC 8446 §4.
enum class HandshakeType : uint8_t {
  HelloRequest = 0,
  ClientHello = 1,
  ServerHello = 2,
  HelloVerifyRequest = 3,
  NewSessionTicket = 4,
  EncryptedExtensions = 8,
  RequestConnectionId = 9,  ///< RFC 9147 §9
  NewConnectionId = 10,     ///< RFC 9147 §9
  Certificate = 11,
  ServerKeyExchange = 12,
  CertificateRequest = 13,
  ServerHelloDone = 14,
  CertificateVerify = 15,
  ClientKeyExchange = 16,
  Finished = 20,
  KeyUpdate = 24,
  MessageHash = 254,  ///< stands for the first ClientHello in transcripts (RFC 8446 §4.4.1), never on the wire
};

/// Registry "TLS ExtensionType values".
enum class ExtensionType : uint16_t {
  SupportedGroups = 10,
  EcPointFormats = 11,
  SignatureAlgorithms = 13,
  UseSrtp = 14,
  Alpn = 16,
  EncryptThenMac = 22,  ///< RFC 7366 §2
  ExtendedMasterSecret = 23,
  SupportedVersions = 43,
  Cookie = 44,
  KeyShare = 51,
  ConnectionId = 54,       ///< RFC 9146 §3
  ReturnRoutability = 61,  ///< RFC 9853 §3
  RenegotiationInfo = 0xff01,
};

inline constexpr uint16_t kVersionDtls10 = 0xfeff;
inline constexpr uint16_t kVersionDtls12 = 0xfefd;

/// Epochs. Those of 1.3 are in RFC 9147 §6.1; 1 there would be early data, which nobody sends us.
inline constexpr uint64_t kEpochClear = 0;
inline constexpr uint64_t kEpochProtected12 = 1;
inline constexpr uint64_t kEpochHandshake13 = 2;
inline constexpr uint64_t kEpochApplication13 = 3;

inline constexpr size_t kRecordHeaderSize = 13;
/// The unified header as we write it: flags, 16-bit sequence number, length (RFC 9147 §4).
inline constexpr size_t kUnifiedHeaderSize = 5;
inline constexpr size_t kHandshakeHeaderSize = 12;
/// RFC 5246 §6.2.1: plaintext of one record.
inline constexpr size_t kMaxRecordPlaintext = 1 << 14;
/// The largest handshake message we take or make. Certificates of WebRTC are below 2 kB; this leaves room for chains.
inline constexpr size_t kMaxHandshakeMessage = 1 << 14;
inline constexpr size_t kRandomSize = 32;
inline constexpr size_t kVerifyDataSize = 12;
inline constexpr size_t kMasterSecretSize = 48;

}  // namespace kaon::dtls
