// Values that offer/answer takes and yields.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/strong.h"
#include "kaon/net/dtls_role.h"
#include "kaon/peer/codec_registry.h"
#include "kaon/sdp/session_description.h"

namespace kaon::peer {

/// Most transceivers of a connection; equal to the most m= sections.
inline constexpr size_t kMaxTransceivers = sdp::kMaxMediaSections;
/// Most simulcast layers of a section; an answer drops the rest.
inline constexpr size_t kMaxSimulcastLayers = 8;

enum class NegotiationError : uint8_t {
  Closed,      ///< After close().
  WrongState,  ///< Not in this signaling state (InvalidStateError).
  Modified,    ///< The description is not the one created (InvalidModificationError).
  TooManySections,
  UnknownTransceiver,
  TransceiverStopped,
  BadParameter,              ///< A rid, codec or other argument is malformed or unsupported.
  MissingTransport,          ///< No ICE credentials or fingerprint, ours or in a live section of theirs.
  BundleRequired,            ///< Several live sections without a BUNDLE group that contains the first.
  RtcpMuxRequired,           ///< A live RTP section without a=rtcp-mux.
  BundleConflict,            ///< Bundled sections give one payload type or extension id two meanings.
  MissingMid,                ///< A live section without a=mid.
  SectionMismatch,           ///< Sections fewer, or of other mid, kind or order, than in the description before.
  BadDirection,              ///< An answer that sends or receives what the offer does not allow.
  BadCodecs,                 ///< An answer accepts a section without any format of the offer.
  BadSetup,                  ///< An a=setup that does not fit the offer or would turn a running association round.
  FingerprintChanged,        ///< A new certificate without an ICE restart (RFC 8842 §5).
  NewCredentialsRequired,    ///< The offer restarts ICE: call set_transport() with fresh credentials first.
  PlanB,                     ///< Several media streams in one section, as in Plan B.
  BadSctpInit,               ///< An a=sctp-init that is no INIT chunk, or another than its association began with.
  HeaderEncryptionRequired,  ///< RTP sections of the peer without a=cryptex, which our configuration insists on.
  NoMedia,                   ///< check_http_offer(): no section of audio or video to accept.
};
/// The enumerator's name, then what to do about it; plain ASCII.
std::string_view to_string(NegotiationError error);

enum class SignalingState : uint8_t {
  Stable,
  HaveLocalOffer,
  HaveRemoteOffer,
  HaveLocalPranswer,
  HaveRemotePranswer,
  Closed,
};
std::string_view to_string(SignalingState state);

enum class SdpType : uint8_t { Offer, Pranswer, Answer, Rollback };
std::string_view to_string(SdpType type);

/// Encryption of RTP header extensions and sources (Cryptex, RFC 9335). W3C webrtc-extensions:
/// rtpHeaderEncryptionPolicy.
enum class HeaderEncryption : uint8_t {
  Off,        ///< Not offered and not accepted.
  Negotiate,  ///< Offered and accepted; used if both sides can.
  Require,    ///< Descriptions with RTP whose author cannot are refused, and so are packets that are not encrypted so.
};

/// ICE options that say SPED: the draft's, libwebrtc's since M155, and that of M149 to M154, which is no ice-char and
/// which we never write.
inline constexpr std::string_view kSped = "sped";
inline constexpr std::string_view kGoogSped = "googspedv1";
inline constexpr std::string_view kOldGoogSped = "goog-sped-v1";
/// Whether one of them is among these.
bool has_sped(const std::vector<std::string>& ice_options);

/// What our ICE agent, certificate and SCTP endpoint put into descriptions.
struct LocalTransport {
  std::string ice_ufrag;
  std::string ice_pwd;
  bool ice_lite = false;
  std::vector<std::string> ice_options = {"trickle", "renomination"};
  std::vector<std::string> fingerprints;  ///< "sha-256 AB:CD:…".
  uint16_t sctp_port = 5000;
  uint64_t max_message_size = 262144;
  std::string sctp_init;  ///< Base64 of our INIT chunk, to offer and accept SNAP; empty for neither.
};

using TransceiverId = Strong<struct TransceiverIdTag, uint32_t>;

/// One stream we may send.
struct SendEncoding {
  std::string rid;  ///< Empty without simulcast.
  uint32_t ssrc = 0;
  uint32_t rtx_ssrc = 0;
  bool active = true;
  bool operator==(const SendEncoding&) const = default;
};

struct TransceiverInit {
  sdp::Direction direction = sdp::Direction::SendRecv;
  std::vector<std::string> stream_ids{};   ///< Streams the track belongs to.
  std::string track_id{};                  ///< Made up if empty.
  std::vector<std::string> rids{};         ///< Simulcast layers, highest priority first; empty for a single stream.
  std::vector<Codec> codec_preferences{};  ///< Empty for the defaults.
  /// True if made for a track (addTrack): such a one takes up the section of a remote offer.
  bool for_track = false;
};

/// One m= section's worth of sending and receiving (W3C RTCRtpTransceiver).
struct Transceiver {
  TransceiverId id{};
  sdp::MediaKind kind = sdp::MediaKind::Audio;
  std::string mid;  ///< Empty until associated with a section.
  sdp::Direction direction = sdp::Direction::SendRecv;
  std::optional<sdp::Direction> current_direction;  ///< As negotiated last; nothing before.
  bool stopping = false;                            ///< Stopped here; the next offer says so.
  bool for_track = false;
  bool created_by_remote = false;
  bool changed = false;  ///< Differs from what our last description said of it.
  std::vector<std::string> stream_ids;
  std::string track_id;
  std::vector<SendEncoding> encodings;  ///< One without rid, or one per layer.
  std::vector<Codec> codec_preferences;
};

struct NegotiatedCodec {
  CodecKind kind = CodecKind::Other;
  std::string name;
  uint32_t clock_rate = 0;
  uint8_t channels = 1;
  uint8_t send_payload_type = 0;     ///< In packets we send: the number the peer chose.
  uint8_t receive_payload_type = 0;  ///< In packets we receive: the number we wrote.
  std::optional<uint8_t> send_rtx_payload_type;
  std::optional<uint8_t> receive_rtx_payload_type;
  std::string send_parameters;     ///< The peer's a=fmtp: what it wants to receive.
  std::string receive_parameters;  ///< Ours.
  bool nack = false;
  bool pli = false;
  bool fir = false;
  bool remb = false;
  bool transport_cc = false;
  bool operator==(const NegotiatedCodec&) const = default;
};

struct NegotiatedExtension {
  ExtensionKind kind{};
  uint8_t id = 0;
  sdp::Direction direction = sdp::Direction::SendRecv;  ///< Ours.
  bool operator==(const NegotiatedExtension&) const = default;
};

/// A stream the peer announced by SSRC.
struct RemoteStream {
  uint32_t ssrc = 0;
  std::optional<uint32_t> rtx_ssrc;
  std::string cname;
  bool operator==(const RemoteStream&) const = default;
};

/// An RTP section both sides know.
struct NegotiatedMedia {
  size_t index = 0;  ///< Of the m= section.
  std::string mid;
  sdp::MediaKind kind = sdp::MediaKind::Audio;
  TransceiverId transceiver{};
  bool rejected = false;                                ///< Then nothing below counts.
  sdp::Direction direction = sdp::Direction::Inactive;  ///< Ours.
  std::vector<NegotiatedCodec> codecs;                  ///< In order of preference: send the first that you can.
  std::vector<NegotiatedExtension> extensions;
  bool reduced_size_rtcp = false;
  std::vector<SendEncoding> send_encodings;  ///< What the peer accepted of ours.
  std::vector<RemoteStream> remote_streams;  ///< Empty with rids only: packets tell the SSRCs.
  std::vector<std::string> receive_rids;     ///< Simulcast layers the peer will send.
  std::vector<sdp::Msid> remote_msids;
  bool operator==(const NegotiatedMedia&) const = default;

  /// The id of an extension, 0 if not negotiated.
  uint8_t extension_id(ExtensionKind extension) const;
  const NegotiatedCodec* find_receive_codec(uint8_t payload_type) const;
};

struct NegotiatedData {
  size_t index = 0;
  std::string mid;
  uint16_t remote_port = 5000;
  uint64_t remote_max_message_size = 65536;  ///< RFC 8841 §6.1; 0 means any size.
  std::string remote_sctp_init;              ///< SNAP, if both sides gave one: what sctp_init_bytes() reads.
  bool operator==(const NegotiatedData&) const = default;
};

/// The INIT chunk that a value of a=sctp-init stands for, padded base64 or not; nothing if it is none.
std::optional<std::vector<uint8_t>> sctp_init_bytes(std::string_view value);

using net::DtlsRole;

/// The peer's side of the one transport, from the section that stands for the bundle.
struct RemoteTransport {
  std::string mid;
  std::string ice_ufrag;
  std::string ice_pwd;
  bool ice_lite = false;
  std::vector<std::string> ice_options;
  std::vector<std::string> fingerprints;
  std::vector<std::string> candidates;  ///< "candidate:…"
  bool end_of_candidates = false;
  bool operator==(const RemoteTransport&) const = default;
};

/// What offer and answer agreed on.
struct NegotiatedSession {
  RemoteTransport remote;
  DtlsRole dtls_role = DtlsRole::Server;  ///< Ours.
  bool ice_controlling = false;           ///< RFC 8445 §6.1.1, by who offered first and who is lite.
  bool ice_restarted = false;             ///< The peer's credentials differ from those before.
  bool new_association = false;           ///< The peer's certificate too: start DTLS afresh (RFC 8842 §4).
  bool sped = false;                      ///< Both sides have the ICE option of SPED.
  bool extmap_allow_mixed = false;
  /// Our setting if both sides said a=cryptex in every RTP section, else Off.
  HeaderEncryption header_encryption = HeaderEncryption::Off;
  std::vector<std::string> bundle;     ///< Mids that live on the transport.
  std::vector<NegotiatedMedia> media;  ///< All RTP sections, rejected ones too.
  std::optional<NegotiatedData> data;
  bool operator==(const NegotiatedSession&) const = default;

  const NegotiatedMedia* find(std::string_view mid) const;
};

}  // namespace kaon::peer
