// What a peer connection is configured with, and what it tells.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kaon/base/counters.h"
#include "kaon/crypto/certificate.h"
#include "kaon/datachannel/channels.h"
#include "kaon/dtls/types.h"
#include "kaon/ice/types.h"
#include "kaon/packetizer/codec.h"
#include "kaon/peer/negotiation.h"
#include "kaon/rtp/packet.h"

namespace kaon::peer {

/// How received media is given out; see also Connection::set_delivery().
enum class Delivery : uint8_t {
  Packets,  ///< each RTP packet as it arrives: for who forwards
  Frames,   ///< whole encoded frames in order: for who decodes or records
};

/// The DSCP of packets that we send, by what they carry: RFC 8837 §5 at medium priority, with interactive video.
/// Networks may know these numbers, change them, or drop packets that have them.
struct Dscp {
  static constexpr uint8_t kExpeditedForwarding = 46;
  static constexpr uint8_t kAssuredForwarding42 = 36;
  static constexpr uint8_t kAssuredForwarding11 = 10;

  uint8_t audio = kExpeditedForwarding;
  uint8_t video = kAssuredForwarding42;
  uint8_t data = kAssuredForwarding11;
  bool operator==(const Dscp&) const = default;
};

struct Config {
  crypto::Certificate certificate;
  /// Role, credentials and renomination are set by the connection.
  ice::Config ice;
  /// What our ICE user fragments begin with; a server encodes the connection's loop here. The rest is random.
  std::string ufrag_prefix;
  NegotiatorConfig negotiation;
  std::vector<dtls::SrtpProfileId> srtp_profiles = {dtls::kSrtpAeadAes128Gcm, dtls::kSrtpAeadAes256Gcm,
                                                    dtls::kSrtpAes128CmSha1_80};
  /// 1.2 for paths that lose records of 1.3, as some relays of calls do.
  dtls::Version max_dtls_version = dtls::Version::Dtls13;
  /// Whether DTLS 1.3 is to be safe from quantum computers at the cost of larger hellos.
  dtls::KeyExchangePolicy key_exchange = dtls::KeyExchangePolicy::Latency;
  datachannel::Config data;
  /// SNAP (draft-hancke-tsvwg-snap): the INIT chunks of SCTP travel in the descriptions, which saves data channels two
  /// round trips. Offered, accepted, and not used with peers that lack it.
  bool snap = true;
  /// SPED (draft-hancke-webrtc-sped): connectivity checks carry the DTLS handshake, which saves a round trip and mends
  /// losses sooner. Offered, accepted, and not used with peers that lack it.
  bool sped = true;
  Delivery delivery = Delivery::Frames;
  /// Largest UDP payload of media and handshake packets.
  size_t mtu = 1200;
  /// Marks RTP and data channels; ICE, DTLS and RTCP stay unmarked. Numbers of six bits. None: nothing is marked.
  std::optional<Dscp> dscp = {};
  /// Wall-clock time since 1970 at Time zero, for sender reports.
  std::chrono::nanoseconds unix_time_at_zero{};
  /// Emit dtls::KeyLogLine events. They let their reader decrypt everything.
  bool key_log = false;
};

/// RTCPeerConnectionState, W3C webrtc §4.3.3.
enum class ConnectionState : uint8_t { New, Connecting, Connected, Disconnected, Failed, Closed };
std::string_view to_string(ConnectionState state);

/// A candidate of ours to be signalled: "candidate:…".
struct LocalCandidate {
  std::string line;
};
struct GatheringDone {};
/// Our user fragment changed with an ICE restart; a Mux needs it.
struct UfragChanged {
  std::string ufrag;
};
/// An authenticated path; a Mux may bind it.
struct PathValidated {
  ice::Path path;
};
/// The first authentic packet of a stream; a Mux may bind its SSRC.
struct StreamAdded {
  rtp::Ssrc ssrc;
};
struct StateChanged {
  ConnectionState state;
  /// For people; empty unless Failed or Closed.
  std::string detail;
};
/// DTLS and SRTP are up, with the peer's certificate verified.
struct Secured {
  dtls::Version version{};
  dtls::CipherSuite cipher_suite{};
  dtls::SrtpProfileId srtp_profile{};
  /// Of the key exchange.
  crypto::Group group{};
};
/// The peer began to send on this transceiver (W3C "track").
struct TrackAdded {
  TransceiverId transceiver;
  sdp::MediaKind kind{};
  std::vector<sdp::Msid> msids;
};
/// The peer stopped sending on it, by negotiation.
struct TrackRemoved {
  TransceiverId transceiver;
};
/// The receiver of our media on this transceiver cannot go on without a key frame. Comes at most every 100 ms per
/// sender.
struct KeyframeRequested {
  TransceiverId transceiver;
};
using Event = std::variant<LocalCandidate, GatheringDone, UfragChanged, PathValidated, StreamAdded, StateChanged,
                           Secured, TrackAdded, TrackRemoved, KeyframeRequested, dtls::KeyLogLine>;

/// A received RTP packet, decrypted, retransmissions restored. Not in order.
struct MediaPacket {
  TransceiverId transceiver;
  /// Simulcast layer, counted in the order of NegotiatedMedia::receive_rids; 0 without.
  uint8_t layer = 0;
  packetizer::Codec codec{};
  rtp::Packet packet;
};

/// A received encoded frame, in order.
struct MediaFrame {
  TransceiverId transceiver;
  uint8_t layer = 0;
  packetizer::Codec codec{};
  /// Valid until the next call of any method.
  ByteView data;
  packetizer::FrameInfo info;
  /// Media clock, unwrapped.
  int64_t timestamp = 0;
  /// Frames were given up between the one before and this.
  bool after_loss = false;
};

/// An encoded frame to be sent.
struct OutgoingFrame {
  ByteView data;
  /// Media clock; the random offset of RFC 3550 §5.1 is added.
  uint32_t timestamp = 0;
  /// Of audio: the first after a silence.
  bool marker = false;
};

enum class MediaError : uint8_t {
  UnknownTransceiver,
  NotNegotiated,  ///< the peer does not take this codec, or does not want to receive
  NotConnected,   ///< no keys yet, or no path
  Malformed,      ///< the frame is not what its codec says
  QueueFull,      ///< more than kMaxQueuedPackets wait for the pacer
  NotKeyframe,    ///< the first frame of another source must be a key frame
};
std::string_view to_string(MediaError error);

/// Why a packet went no further. The engines count their own reasons.
enum class DropReason : uint8_t {
  UnknownProtocol,  ///< first byte of nothing we speak (RFC 7983)
  UnknownAddress,   ///< DTLS or media from where no authenticated check came
  HeldTooMany,      ///< early DTLS beyond kMaxHeldPackets
  NoKeys,           ///< media before the handshake
  BadSrtp,          ///< authentication failed
  ReplayedSrtp,
  MalformedRtp,
  MalformedRtcp,
  UnknownStream,  ///< an SSRC that no section explains
  TooManyStreams,
  UnknownPayloadType,
  QueueFull,
  Count
};

}  // namespace kaon::peer
