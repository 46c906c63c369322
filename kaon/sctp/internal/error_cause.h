// Error causes of ABORT and ERROR, RFC 9260 §3.3.10.
#pragma once

#include <string>
#include <vector>

#include "kaon/sctp/internal/packet.h"

namespace kaon::sctp {

enum class ErrorCause : uint16_t {
  InvalidStreamIdentifier = 1,
  MissingMandatoryParameter = 2,
  StaleCookie = 3,
  OutOfResource = 4,
  UnresolvableAddress = 5,
  UnrecognizedChunkType = 6,
  InvalidMandatoryParameter = 7,
  UnrecognizedParameters = 8,
  NoUserData = 9,
  CookieWhileShuttingDown = 10,
  RestartWithNewAddresses = 11,
  UserInitiatedAbort = 12,
  ProtocolViolation = 13,
};

/// One cause in wire form, padded; `info` is cut to 256 bytes.
std::vector<uint8_t> make_cause(ErrorCause cause, ByteView info);
/// The causes of an ABORT or ERROR chunk for people; unprintable bytes become '?'.
std::string describe_causes(ByteView causes);
bool has_cause(ByteView causes, ErrorCause cause);

}  // namespace kaon::sctp
