// The side of a DTLS association. Engines that do not know DTLS go by it too.
#pragma once

#include <cstdint>

namespace kaon::net {

/// Client is the side that is `a=setup:active` (RFC 5763 §5). It decides whose SRTP keys are which (RFC 5764 §4.2) and
/// who opens data channels on even streams (RFC 8832 §6: the client).
enum class DtlsRole : uint8_t { Client, Server };

}  // namespace kaon::net
