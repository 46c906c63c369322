// INIT and INIT ACK, RFC 9260 §3.3.2 and §3.3.3.
#pragma once

#include <optional>
#include <vector>

#include "kaon/sctp/internal/packet.h"

namespace kaon::sctp {

/// Extensions one side announced.
struct Capabilities {
  bool partial_reliability = false;  // Forward-TSN-Supported, RFC 3758 §3.1
  bool stream_reset = false;         // RE-CONFIG in Supported Extensions, RFC 6525 §3.1
  bool interleaving = false;         // I-DATA in Supported Extensions, RFC 8260 §2.2.1
  bool zero_checksum = false;        // it takes packets without a checksum, because DTLS protects them, RFC 9653 §3
  bool ecn = false;                  // ECN-capable, RFC 4960 Appendix A.1
  bool operator==(const Capabilities&) const = default;
};

//  +---------------------------------------------------------------+
//  |                         Initiate Tag                          |
//  |           Advertised Receiver Window Credit (a_rwnd)          |
//  | Number of Outbound Streams    |   Number of Inbound Streams   |
//  |                          Initial TSN                          |
//  \              Optional/Variable-Length Parameters              \.
struct InitChunk {
  uint32_t initiate_tag = 0;
  uint32_t a_rwnd = 0;
  uint16_t outgoing_streams = 0;
  uint16_t incoming_streams = 0;
  Tsn initial_tsn;
  Capabilities capabilities;
  /// INIT ACK only; borrowed when parsed. It may be empty.
  std::optional<ByteView> cookie;
  /// A Host Name Address parameter as it came; borrowed when parsed.
  std::optional<ByteView> host_name;
  /// Parameters of unknown type that ask to be reported, each as it came; borrowed when parsed, at most kMaxReported.
  std::vector<ByteView> unrecognized;

  static constexpr size_t kMaxReported = 8;

  /// `value` of an INIT or INIT ACK chunk; nothing if a length lies.
  static std::optional<InitChunk> parse(ByteView value);
  /// Size of the chunk's value.
  size_t size() const;
  void write(Bytes out) const;
};

/// A whole INIT chunk by itself, with or without the padding at its end, as SNAP carries it. Nothing if it is another
/// chunk, if anything else follows, or if it is an INIT that must not be accepted (§3.3.2).
std::optional<InitChunk> parse_init_chunk(ByteView bytes);

}  // namespace kaon::sctp
