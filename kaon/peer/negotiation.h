// Offer/answer (RFC 9429, JSEP) for one bundled transport: no I/O, no engines, no time.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/env.h"
#include "kaon/base/result.h"
#include "kaon/peer/negotiation_types.h"
#include "kaon/sdp/session_description.h"

namespace kaon::peer {

struct NegotiatorConfig {
  /// What we answer to a=setup:actpass: Passive makes us the DTLS server, Active the client. Nothing: Active to an
  /// offer of data channels alone, unless both sides have SPED, and else Passive (docs/adr/0010).
  std::optional<sdp::Setup> answer_setup;
  std::vector<Codec> audio_codecs = default_codecs(sdp::MediaKind::Audio);
  std::vector<Codec> video_codecs = default_codecs(sdp::MediaKind::Video);
  std::vector<SupportedExtension> audio_extensions = default_extensions(sdp::MediaKind::Audio);
  std::vector<SupportedExtension> video_extensions = default_extensions(sdp::MediaKind::Video);
  /// Of RTP header extensions and sources. Off costs nothing; browsers do not offer it yet.
  HeaderEncryption header_encryption = HeaderEncryption::Off;
};

/// The signaling side of a peer connection: transceivers in, descriptions out and in, a NegotiatedSession at the end.
/// Everything shares one transport (max-bundle, rtcp-mux). A failed call changes nothing. Descriptions at rest are kept
/// as text. Used on the connection's loop only. Source: RFC 9429 and the W3C's webrtc-pc.
class Negotiator {
 public:
  explicit Negotiator(Env env, NegotiatorConfig config = {});
  Negotiator(Negotiator&&) noexcept;
  Negotiator& operator=(Negotiator&&) noexcept;
  ~Negotiator();

  /// Needed before the first description; with other ICE credentials it restarts ICE in the next one.
  void set_transport(LocalTransport transport);
  const LocalTransport& transport() const;

  // Transceivers. References and spans stay valid until the next call that is not const.
  Result<TransceiverId, NegotiationError> add_transceiver(sdp::MediaKind kind, TransceiverInit init = {});
  std::span<const Transceiver> transceivers() const;
  const Transceiver* find(TransceiverId id) const;
  const Transceiver* find(std::string_view mid) const;
  Result<void, NegotiationError> set_direction(TransceiverId id, sdp::Direction direction);
  /// Puts a track on an existing transceiver, for example on one that a remote offer made, and makes it send.
  /// With `rids` only before the first negotiation of its section.
  Result<void, NegotiationError> set_track(TransceiverId id, std::vector<std::string> stream_ids, std::string track_id,
                                           std::vector<std::string> rids = {});
  Result<void, NegotiationError> set_codec_preferences(TransceiverId id, std::vector<Codec> preferences);
  /// Its section is rejected by the next offer or answer and may then serve another.
  Result<void, NegotiationError> stop(TransceiverId id);
  /// From now on descriptions carry a section for data channels.
  void want_data();

  /// Made of the current state; nothing changes until it is set.
  Result<sdp::SessionDescription, NegotiationError> create_offer();
  Result<sdp::SessionDescription, NegotiationError> create_answer();

  /// Sets what create_offer() or create_answer() would make now, or made last (W3C: without argument); Rollback undoes
  /// an offer.
  Result<void, NegotiationError> set_local_description(SdpType type);
  /// As above, after a check that nobody changed the description.
  Result<void, NegotiationError> set_local_description(SdpType type, const sdp::SessionDescription& description);
  /// `description` is not looked at for Rollback. An offer in HaveLocalOffer rolls ours back first, which is all the
  /// polite side of perfect negotiation has to do; the impolite side does not call this while its own offer is out.
  Result<void, NegotiationError> set_remote_description(SdpType type, const sdp::SessionDescription& description);
  void close();

  SignalingState state() const;
  /// What was agreed last, also by a provisional answer; null before, and after close().
  const NegotiatedSession* session() const;
  /// True if the remote offer at hand changed the peer's ICE credentials, so that an answer needs new ones of ours, and
  /// set_transport() has not given them yet.
  bool remote_restarts_ice() const;
  /// True if an offer is due (W3C negotiationneeded). Meaningful in Stable.
  bool negotiation_needed() const;

  /// Descriptions as text; empty if there is none. `candidates` ("candidate:…") and the end mark go into the section
  /// that carries the transport.
  std::string local_description(std::span<const std::string> candidates = {}, bool end_of_candidates = false) const;
  std::string remote_description() const;
  /// a=mid of the first section as described last; empty if there is none.
  std::string_view first_mid() const;
  /// The transport of a remote offer that awaits its answer, so that checks can begin early; null in other states.
  const RemoteTransport* offered_transport() const;
  const std::string& cname() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// For WHIP (RFC 9725 §4.2) and WHEP: at least one section of audio or video, and everything bundled, so that one
/// transport does. The error is what an HTTP 422 should say.
Result<void, NegotiationError> check_http_offer(const sdp::SessionDescription& offer);

}  // namespace kaon::peer
