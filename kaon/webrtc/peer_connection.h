// RTCPeerConnection: the API for programs that speak WebRTC.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kaon/base/function.h"
#include "kaon/base/result.h"
#include "kaon/peer/stats.h"
#include "kaon/webrtc/configuration.h"
#include "kaon/webrtc/data_channel.h"
#include "kaon/webrtc/rtp_transceiver.h"
#include "kaon/webrtc/stats_report.h"

namespace kaon::webrtc {

using peer::ConnectionState;
using peer::SdpType;
using peer::SignalingState;
using peer::TransceiverInit;

/// RTCSessionDescription.
struct SessionDescription {
  /// Offer, answer, provisional answer or rollback.
  SdpType type = SdpType::Offer;
  /// The text (RFC 8866); not looked at for a rollback.
  std::string sdp;
};

/// RTCIceCandidate. An empty `candidate` says that there are no more.
struct IceCandidate {
  /// "candidate:…" as in an SDP line, without "a=".
  std::string candidate;
  /// The section that carries the transport; not looked at in what the peer sends, since everything is bundled.
  std::string sdp_mid = {};
  /// Of the ICE credentials it was gathered for; not looked at in what the peer sends.
  std::string username_fragment = {};
};

/// Why a description was refused.
using DescriptionError = std::variant<sdp::ParseError, NegotiationError>;
/// A sentence for people.
std::string to_string(const DescriptionError& error);

/// RTCTrackEvent.
struct TrackEvent {
  /// Existing, or made by the remote offer.
  std::shared_ptr<RtpTransceiver> transceiver;
  /// Ids of the MediaStreams it belongs to.
  std::vector<std::string> streams;
};

/// RTCPeerConnectionIceErrorEvent, W3C webrtc §4.8.3.
struct IceCandidateError {
  /// The server's, as it was configured.
  std::string url;
  /// STUN's error code (401 wrong user or password, 486 quota reached, …), or 701 without an answer of the server.
  uint16_t error_code = 0;
  /// The server's reason, or ours.
  std::string error_text;
  /// The HTTP status with which Configuration::http_proxy refuses (407: it wants other credentials), or 0. The text
  /// names the proxy.
  uint16_t proxy_status = 0;
};

/// All optional; called on the loop, never inside a call of the library, never after close(). Each may do anything,
/// also destroy the connection.
struct PeerConnectionHandlers {
  /// With a sentence for people when it is Failed, or Closed by the peer. For ICE and DTLS together.
  Function<void(ConnectionState, const std::string& detail)> on_connection_state = {};
  /// To be sent to the peer, for its add_ice_candidate(). The first comes after set_local_description().
  Function<void(const IceCandidate&)> on_ice_candidate = {};
  /// A STUN or TURN server is of no use. Others may be; the connection goes on.
  Function<void(const IceCandidateError&)> on_ice_candidate_error = {};
  /// Time for an offer.
  Function<void()> on_negotiation_needed = {};
  /// The peer sends on this transceiver from now on. Set its handlers before you return.
  Function<void(const TrackEvent&)> on_track = {};
  /// The peer made a channel. Set its handlers before you return; its on_open follows.
  Function<void(const std::shared_ptr<DataChannel>&)> on_data_channel = {};
};

/// A connection that lives on one loop: its methods are called there (asserted; anywhere as long as no thread runs the
/// loop), its handlers too. Media is NACKed, retransmitted, reported and paced without further ado. Nothing blocks.
/// Source: W3C webrtc §4; what is asynchronous there only for the browser's sake returns a result here.
class PeerConnection {
 public:
  /// `loop` must outlive the connection. If no socket can be had, the connection fails: on_connection_state tells.
  explicit PeerConnection(io::Loop& loop, Configuration configuration = {}, PeerConnectionHandlers handlers = {});
  /// close().
  ~PeerConnection();
  PeerConnection(const PeerConnection&) = delete;
  PeerConnection& operator=(const PeerConnection&) = delete;

  // -- signalling ----------------------------------------------------------------------------------------------------
  /// Of the present state; nothing changes until it is set.
  [[nodiscard]] Result<SessionDescription, NegotiationError> create_offer();
  /// To the remote offer; WrongState without one.
  [[nodiscard]] Result<SessionDescription, NegotiationError> create_answer();
  /// Makes the offer, or the answer that is due, and sets it; returns it with the candidates known by now.
  [[nodiscard]] Result<SessionDescription, NegotiationError> set_local_description();
  /// Sets what create_offer() or create_answer() made, unchanged (Modified otherwise); Rollback undoes an offer.
  [[nodiscard]] Result<void, NegotiationError> set_local_description(const SessionDescription& description);
  /// An offer while ours is out rolls ours back (perfect negotiation: the impolite side does not call this then).
  [[nodiscard]] Result<void, DescriptionError> set_remote_description(const SessionDescription& description);
  /// With the candidates known by now; empty text before there is one.
  SessionDescription local_description() const;
  /// RFC 9429 §3.2.
  SignalingState signaling_state() const;
  /// May come before the remote description. Names of Multicast DNS (a UUID and ".local") are looked up, up to 16 at
  /// once; any other name is Unresolved.
  [[nodiscard]] Result<void, ice::Error> add_ice_candidate(const IceCandidate& candidate);
  /// All local candidates are known and stand in local_description().
  bool ice_gathering_complete() const;
  /// The next offer carries new credentials.
  void restart_ice();

  // -- media and data ------------------------------------------------------------------------------------------------
  /// A new section with the next offer. Errors: Closed, TooManySections, BadParameter.
  [[nodiscard]] Result<std::shared_ptr<RtpTransceiver>, NegotiationError> add_transceiver(
      MediaKind kind, TransceiverInit init = {}, TransceiverHandlers handlers = {});
  /// Takes a transceiver that does not send yet (of a remote offer, for example), or adds one.
  [[nodiscard]] Result<std::shared_ptr<RtpTransceiver>, NegotiationError> add_track(
      MediaKind kind, std::vector<std::string> stream_ids = {}, TransceiverHandlers handlers = {});
  /// In the order of their making; none after the end.
  std::vector<std::shared_ptr<RtpTransceiver>> transceivers();
  /// Before the connection is connected or at any time after; it opens when both sides are ready. Errors: bounds of the
  /// label, of the number of channels, and options that exclude each other.
  [[nodiscard]] Result<std::shared_ptr<DataChannel>, OpenError> create_data_channel(std::string label,
                                                                                    DataChannelInit init = {},
                                                                                    DataChannelHandlers handlers = {});

  // -- the rest ------------------------------------------------------------------------------------------------------
  /// For ICE and DTLS together.
  ConnectionState connection_state() const;
  /// By the names of W3C webrtc-stats.
  StatsReport get_stats() const;
  /// The engine's own figures.
  peer::Stats get_engine_stats() const;
  /// The one it lives on.
  io::Loop& loop() const;
  /// Says goodbye and ends everything. At any moment, any number of times, from any handler.
  void close();

 private:
  std::shared_ptr<internal::Core> core_;
};

}  // namespace kaon::webrtc
