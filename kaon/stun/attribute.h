// Numbers of STUN: methods, classes, attributes, error codes.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

#include "kaon/base/bytes.h"
#include "kaon/base/random.h"

namespace kaon::stun {

inline constexpr uint32_t kMagicCookie = 0x2112A442;
inline constexpr size_t kHeaderSize = 20;
/// XORed onto the CRC-32 of FINGERPRINT (RFC 8489 §14.7).
inline constexpr uint32_t kFingerprintXor = 0x5354554e;

/// RFC 8489 §18.2, RFC 8656 §17, RFC 6062 §6.1.
enum class Method : uint16_t {
  Binding = 0x001,
  Allocate = 0x003,
  Refresh = 0x004,
  Send = 0x006,
  Data = 0x007,
  CreatePermission = 0x008,
  ChannelBind = 0x009,
  Connect = 0x00a,
  ConnectionBind = 0x00b,
  ConnectionAttempt = 0x00c,
};

enum class Class : uint8_t { Request = 0, Indication = 1, Success = 2, Error = 3 };

/// Types up to 0x7fff must be understood by the receiver (comprehension-required), the others may be skipped.
enum class Attribute : uint16_t {
  // RFC 8489 §18.3
  MappedAddress = 0x0001,
  Username = 0x0006,
  MessageIntegrity = 0x0008,
  ErrorCode = 0x0009,
  UnknownAttributes = 0x000a,
  Realm = 0x0014,
  Nonce = 0x0015,
  MessageIntegritySha256 = 0x001c,
  PasswordAlgorithm = 0x001d,
  Userhash = 0x001e,
  XorMappedAddress = 0x0020,
  PasswordAlgorithms = 0x8002,
  AlternateDomain = 0x8003,
  Software = 0x8022,
  AlternateServer = 0x8023,
  Fingerprint = 0x8028,
  // RFC 8656 §18, RFC 6062 §6.2
  ChannelNumber = 0x000c,
  Lifetime = 0x000d,
  XorPeerAddress = 0x0012,
  Data = 0x0013,
  XorRelayedAddress = 0x0016,
  RequestedAddressFamily = 0x0017,
  EvenPort = 0x0018,
  RequestedTransport = 0x0019,
  DontFragment = 0x001a,
  ReservationToken = 0x0022,
  ConnectionId = 0x002a,
  AdditionalAddressFamily = 0x8000,
  AddressErrorCode = 0x8001,
  Icmp = 0x8004,
  // RFC 8016 §3.3
  MobilityTicket = 0x8030,
  // RFC 5780 §7
  ChangeRequest = 0x0003,
  Padding = 0x0026,
  ResponsePort = 0x0027,
  ResponseOrigin = 0x802b,
  OtherAddress = 0x802c,
  // RFC 8445 §16.1
  Priority = 0x0024,
  UseCandidate = 0x0025,
  IceControlled = 0x8029,
  IceControlling = 0x802a,
  // Used by browsers, not standardised.
  Nomination = 0xc001,       ///< renomination: uint32, the highest value wins
  GoogNetworkInfo = 0xc057,  ///< network id and network cost, 16 bits each
  DtlsInStun = 0xc070,       ///< SPED: one DTLS packet
  DtlsInStunAck = 0xc071,    ///< SPED: CRC-32 of DTLS packets received
};

constexpr bool comprehension_required(Attribute type) { return static_cast<uint16_t>(type) < 0x8000; }

/// PASSWORD-ALGORITHM numbers, RFC 8489 §18.5.
enum class PasswordAlgorithm : uint16_t { Md5 = 1, Sha256 = 2 };

/// RFC 8489 §14.8, RFC 8445 §7.3.1.1, RFC 8656 §19, RFC 6062 §6.3, RFC 8016 §3.4.
enum class ErrorNumber : uint16_t {
  TryAlternate = 300,
  BadRequest = 400,
  Unauthenticated = 401,
  Forbidden = 403,
  MobilityForbidden = 405,
  UnknownAttribute = 420,
  AllocationMismatch = 437,
  StaleNonce = 438,
  AddressFamilyNotSupported = 440,
  WrongCredentials = 441,
  UnsupportedTransport = 442,
  PeerAddressFamilyMismatch = 443,
  ConnectionAlreadyExists = 446,
  ConnectionTimeoutOrFailure = 447,
  AllocationQuotaReached = 486,
  RoleConflict = 487,
  ServerError = 500,
  InsufficientCapacity = 508,
};

/// 96 bits that tie a response to its request.
struct TransactionId {
  std::array<uint8_t, 12> bytes{};

  static TransactionId random(Random& random) {
    TransactionId id;
    random.fill(id.bytes);
    return id;
  }
  auto operator<=>(const TransactionId&) const = default;
};

}  // namespace kaon::stun
