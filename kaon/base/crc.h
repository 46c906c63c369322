// The two checksums of the WebRTC protocols.
#pragma once

#include <cstdint>

#include "kaon/base/bytes.h"

namespace kaon {

/// CRC-32 of ISO 3309, as in zlib: STUN FINGERPRINT, RFC 8489 §14.7, and the acks of handshakes in STUN.
uint32_t crc32(ByteView bytes);

/// CRC-32C (Castagnoli) of SCTP, RFC 9260 Appendix A. Uses the processor's instruction where it has one. Chain calls by
/// passing the previous result as `seed`.
uint32_t crc32c(ByteView bytes, uint32_t seed = 0);
/// The same without the instruction.
uint32_t crc32c_portable(ByteView bytes, uint32_t seed = 0);

}  // namespace kaon
