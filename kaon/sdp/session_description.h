// Session descriptions (RFC 8866) as WebRTC uses them: values, parser and writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/sdp/attributes.h"

namespace kaon::sdp {

/// Longest description parse() looks at, in bytes. A section of a browser takes 1 to 3 KB.
inline constexpr size_t kMaxSdpSize = 512 * 1024;
/// Most m= sections of a description.
inline constexpr size_t kMaxMediaSections = 256;
/// Longest a=mid, a=rid and group member: it travels in an RTP header extension.
inline constexpr size_t kMaxIdLength = 64;

/// Why a description was refused. `line` counts from 1; 0 stands for the whole.
struct ParseError {
  enum class Code : uint8_t {
    TooLarge,         ///< More than kMaxSdpSize bytes.
    TooManySections,  ///< More than kMaxMediaSections m= lines.
    BadLine,          ///< Not "x=…", or NUL or a lone CR in it.
    BadStructure,     ///< v=, o=, s= missing or in the wrong place.
    BadMedia,         ///< Malformed m= line.
    BadAttribute,     ///< Malformed value of an attribute that Kaon relies on.
    Duplicate,        ///< A mid, payload type, extension id, rid or single-valued attribute twice.
  };
  Code code = Code::BadLine;
  uint32_t line = 0;
  std::string message;  ///< Plain ASCII without anything of the input, fit for the body of an HTTP 400.

  std::string to_string() const;
};

/// ICE and DTLS parameters: at session level, the defaults of all sections.
struct TransportAttributes {
  std::string ice_ufrag;  ///< Empty, or 4 to 256 ice-chars (RFC 8839 §5.4).
  std::string ice_pwd;    ///< Empty, or 22 to 256 ice-chars.
  std::vector<std::string> ice_options;
  std::vector<std::string> fingerprints;  ///< "sha-256 AB:CD:…" (RFC 8122 §5), checked for form only.
  std::optional<Setup> setup;
  std::string tls_id;  ///< RFC 8842 §4.
  bool operator==(const TransportAttributes&) const = default;
};

enum class MediaKind : uint8_t { Audio, Video, Application, Other };

/// One m= section.
struct MediaDescription {
  std::string media;                  ///< "audio", "video", "application" or something else.
  uint16_t port = 9;                  ///< 0 rejects the section, unless it is bundle-only in an offer.
  std::string protocol;               ///< For example "UDP/TLS/RTP/SAVPF".
  std::vector<std::string> formats;   ///< Of sections that are not RTP; those of RTP sections stand in `payloads`.
  std::string connection;             ///< What follows "c=".
  std::vector<Attribute> bandwidths;  ///< b= lines: type and value.

  TransportAttributes transport;
  std::vector<std::string> candidates;  ///< What follows "a=", for example "candidate:1 1 udp …", not looked into.
  bool end_of_candidates = false;

  std::string mid;                     ///< Empty if absent.
  std::optional<Direction> direction;  ///< Of this section's own line; see direction_of().
  bool bundle_only = false;
  bool rtcp_mux = false;
  bool rtcp_mux_only = false;
  bool rtcp_rsize = false;
  bool extmap_allow_mixed = false;
  bool cryptex = false;                 ///< RFC 9335 §4; see encrypts_headers().
  std::vector<PayloadFormat> payloads;  ///< In the order of the m= line.
  std::vector<Extension> extensions;
  std::vector<Msid> msids;
  std::vector<SsrcAttribute> ssrcs;
  std::vector<SsrcGroup> ssrc_groups;
  std::vector<Rid> rids;
  std::optional<Simulcast> simulcast;

  std::optional<uint16_t> sctp_port;         ///< RFC 8841.
  std::optional<uint64_t> max_message_size;  ///< RFC 8841; 0 means any size.
  std::string sctp_init;                     ///< Base64 of an INIT chunk; empty if absent.

  std::vector<Attribute> other;  ///< Everything else, for inspection.
  bool operator==(const MediaDescription&) const = default;

  MediaKind kind() const;
  /// True if the protocol is one of the RTP profiles.
  bool is_rtp() const;
  /// True if the section is refused: port 0 and not bundle-only.
  bool is_rejected() const { return port == 0 && !bundle_only; }
  const PayloadFormat* find_payload(uint8_t payload_type) const;
  const Rid* find_rid(std::string_view id) const;
};

/// o= (RFC 8866 §5.2).
struct Origin {
  std::string username = "-";
  uint64_t session_id = 0;
  uint64_t session_version = 0;
  std::string address = "IN IP4 127.0.0.1";
  bool operator==(const Origin&) const = default;
};

/// A whole description. Plain data: fill it in and write() it.
struct SessionDescription {
  Origin origin;
  std::string session_name = "-";
  std::string connection;
  std::vector<Attribute> bandwidths;
  bool ice_lite = false;
  bool extmap_allow_mixed = false;
  bool cryptex = false;  ///< RFC 9335 §4: of all sections.
  std::optional<Direction> direction;
  std::vector<Group> groups;
  TransportAttributes transport;
  std::vector<Attribute> other;
  std::vector<MediaDescription> media;
  bool operator==(const SessionDescription&) const = default;

  /// From text with lines ending in CRLF or LF. Unknown attributes land in `other`; lines without meaning for WebRTC
  /// (i= u= e= p= k= z= r= t=) are checked for form and left out. Malformed known attributes are errors.
  static Result<SessionDescription, ParseError> parse(std::string_view text);
  /// With CRLF. Attributes come in a fixed order, those of `other` last.
  std::string write() const;

  const MediaDescription* find_media(std::string_view mid) const;
  /// The first BUNDLE group; null without one.
  const Group* bundle() const;
};

/// A section's parameters with the session's where it has none of its own.
TransportAttributes transport_of(const SessionDescription& session, const MediaDescription& media);
/// The section's a=cryptex or the session's: its sender can receive encrypted RTP headers there (RFC 9335 §4).
bool encrypts_headers(const SessionDescription& session, const MediaDescription& media);
/// A section's direction: its own, else the session's, else sendrecv.
Direction direction_of(const SessionDescription& session, const MediaDescription& media);

}  // namespace kaon::sdp
