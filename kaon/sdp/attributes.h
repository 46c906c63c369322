// Values of the attributes that WebRTC uses in session descriptions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kaon::sdp {

/// Any attribute line: "a=name" or "a=name:value".
struct Attribute {
  std::string name;
  std::string value;
  bool operator==(const Attribute&) const = default;
};

/// Media direction (RFC 8866 §6.7), seen from whoever wrote the description. The values are bits: 1 sends, 2 receives.
enum class Direction : uint8_t { Inactive = 0, SendOnly = 1, RecvOnly = 2, SendRecv = 3 };

constexpr bool sends(Direction d) { return (static_cast<uint8_t>(d) & 1) != 0; }
constexpr bool receives(Direction d) { return (static_cast<uint8_t>(d) & 2) != 0; }
constexpr Direction make_direction(bool sends, bool receives) {
  return static_cast<Direction>((sends ? 1 : 0) | (receives ? 2 : 0));
}
/// The same direction seen from the other end.
constexpr Direction reversed(Direction d) { return make_direction(receives(d), sends(d)); }
constexpr Direction intersection(Direction a, Direction b) {
  return make_direction(sends(a) && sends(b), receives(a) && receives(b));
}
std::string_view to_string(Direction direction);

/// a=setup (RFC 4145 §4, RFC 8842): who opens the DTLS association.
enum class Setup : uint8_t { Active, Passive, ActPass, HoldConn };
std::string_view to_string(Setup setup);

/// a=group (RFC 5888), for example BUNDLE.
struct Group {
  std::string semantics;
  std::vector<std::string> mids;
  bool operator==(const Group&) const = default;
};

/// One payload type of an RTP section with its a=rtpmap, a=fmtp and a=rtcp-fb lines.
struct PayloadFormat {
  uint8_t payload_type = 0;  ///< 0 to 127.
  std::string name;          ///< Encoding name as written; compare without regard to case. Empty if unknown.
  uint32_t clock_rate = 0;   ///< In Hz.
  uint8_t channels = 1;
  std::string parameters;             ///< What follows "a=fmtp:PT ", for example "apt=96".
  std::vector<std::string> feedback;  ///< What follows "a=rtcp-fb:PT ", for example "nack pli".
  bool operator==(const PayloadFormat&) const = default;

  bool has_feedback(std::string_view value) const;
};

/// The value of `key` in parameters like "a=1;b=2" (keys in any letter case); nothing if absent.
std::optional<std::string_view> parameter(std::string_view parameters, std::string_view key);

/// Equality of ASCII text in any letter case.
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// a=extmap (RFC 8285 §8).
struct Extension {
  uint16_t id = 0;  ///< 1 to 255, or 4096 to 4351 where an offerer leaves the choice to the answerer.
  std::string uri;
  std::optional<Direction> direction;
  std::string attributes;
  bool operator==(const Extension&) const = default;
};

/// a=msid (RFC 8830): stream "-" means no stream.
struct Msid {
  std::string stream;
  std::string track;
  bool operator==(const Msid&) const = default;
};

/// a=ssrc:SSRC name:value (RFC 5576 §4.1).
struct SsrcAttribute {
  uint32_t ssrc = 0;
  std::string name;
  std::string value;
  bool operator==(const SsrcAttribute&) const = default;
};

/// a=ssrc-group (RFC 5576 §4.2), for example FID: a stream and its retransmissions.
struct SsrcGroup {
  std::string semantics;
  std::vector<uint32_t> ssrcs;
  bool operator==(const SsrcGroup&) const = default;
};

/// a=rid (RFC 8851).
struct Rid {
  std::string id;
  bool send = true;                     ///< Direction: "send" or "recv".
  std::vector<uint8_t> payload_types;   ///< The pt= list; empty means any.
  std::vector<Attribute> restrictions;  ///< The other restrictions, in order.
  bool operator==(const Rid&) const = default;
};

/// One stream of a=simulcast: its alternatives in order of preference.
struct SimulcastStream {
  struct Alternative {
    std::string rid;
    bool paused = false;
    bool operator==(const Alternative&) const = default;
  };
  std::vector<Alternative> alternatives;
  bool operator==(const SimulcastStream&) const = default;
};

/// a=simulcast (RFC 8853 §5.1).
struct Simulcast {
  std::vector<SimulcastStream> send;
  std::vector<SimulcastStream> recv;
  bool operator==(const Simulcast&) const = default;
};

}  // namespace kaon::sdp
