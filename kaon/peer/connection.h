// The peer connection without I/O: the only place where the engines meet.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "kaon/base/buffer.h"
#include "kaon/base/env.h"
#include "kaon/base/result.h"
#include "kaon/ice/agent.h"
#include "kaon/net/engine.h"
#include "kaon/peer/connection_types.h"
#include "kaon/peer/stats.h"

namespace kaon::peer {

/// ICE, DTLS, SRTP, SCTP and the RTP machinery behind offer and answer (RFC 8829). A net::DatagramEngine with two calls
/// more, poll_media() and poll_frame(). Used on one loop only; nothing here calls user code.
///
/// Drain poll_event(), poll_channel_event() and the media calls after each batch of inputs, then poll_transmit().
class Connection {
 public:
  /// poll_transmit() needs this much: a run of packets for one GSO send.
  static constexpr size_t kMaxTransmit = 65507;
  /// Packets of one run at most (the kernel's UDP_MAX_SEGMENTS).
  static constexpr size_t kMaxSegments = 64;
  /// Received packets that wait for poll_media(); further ones are dropped.
  static constexpr size_t kMaxReceivedPackets = 4096;
  /// Packets to be sent that wait for the pacer.
  static constexpr size_t kMaxQueuedPackets = 4096;

  /// `pool` is the loop's; it must outlive the connection.
  Connection(Env env, BufferPool& pool, Config config, Time now);
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  // -- signalling (RFC 9429) -----------------------------------------------------------------------------------------
  [[nodiscard]] Result<TransceiverId, NegotiationError> add_transceiver(sdp::MediaKind kind, TransceiverInit init = {});
  [[nodiscard]] Result<void, NegotiationError> set_direction(TransceiverId id, sdp::Direction direction);
  [[nodiscard]] Result<void, NegotiationError> set_track(TransceiverId id, std::vector<std::string> stream_ids,
                                                         std::string track_id);
  [[nodiscard]] Result<void, NegotiationError> set_codec_preferences(TransceiverId id, std::vector<Codec> codecs);
  [[nodiscard]] Result<void, NegotiationError> stop_transceiver(TransceiverId id);
  std::span<const Transceiver> transceivers() const;

  [[nodiscard]] Result<sdp::SessionDescription, NegotiationError> create_offer(Time now);
  [[nodiscard]] Result<sdp::SessionDescription, NegotiationError> create_answer(Time now);
  /// Sets what create_offer() or create_answer() makes; Rollback undoes an offer.
  [[nodiscard]] Result<void, NegotiationError> set_local_description(SdpType type, Time now);
  [[nodiscard]] Result<void, NegotiationError> set_remote_description(SdpType type,
                                                                      const sdp::SessionDescription& remote, Time now);
  /// As text, with the candidates known by now; empty before set_local_description().
  std::string local_description() const;
  /// a=mid of its first section.
  std::string_view first_mid() const;
  SignalingState signaling_state() const;
  bool negotiation_needed() const;
  /// What was agreed last; null before.
  const NegotiatedSession* session() const;

  // -- connectivity --------------------------------------------------------------------------------------------------
  /// A local address of the socket that carries the connection.
  [[nodiscard]] Result<void, ice::Error> add_local_address(const ice::LocalAddress& address, Time now);
  /// It is gone, as ice::Agent::remove_local_candidate().
  void remove_local_address(const net::Endpoint& base, net::Protocol protocol, Time now);
  /// As ice::Agent::handle_unreachable().
  void handle_unreachable(ByteView quoted, const net::Endpoint& remote, Time now);
  [[nodiscard]] Result<void, ice::Error> add_stun_server(const net::Endpoint& server, Time now);
  void end_of_local_addresses(Time now);
  /// "candidate:…" of the peer; an empty text ends its candidates.
  [[nodiscard]] Result<void, ice::Error> add_remote_candidate(std::string_view line, Time now);
  /// One whose name the caller has resolved.
  [[nodiscard]] Result<void, ice::Error> add_remote_candidate(const ice::Candidate& candidate, Time now);
  /// New credentials; the next offer (or the answer at hand) carries them. UfragChanged follows.
  void restart_ice(Time now);
  /// New credentials of the peer by other means than SDP (WHIP's PATCH): ours change too.
  [[nodiscard]] Result<void, ice::Error> restart_ice_with(const ice::Credentials& remote, Time now);
  const ice::Agent& ice() const;
  ConnectionState state() const;

  // -- data channels -------------------------------------------------------------------------------------------------
  [[nodiscard]] Result<datachannel::ChannelId, datachannel::OpenError> open_channel(datachannel::ChannelOptions options,
                                                                                    Time now);
  [[nodiscard]] Result<void, datachannel::SendError> send_text(datachannel::ChannelId channel, std::string_view text,
                                                               Time now);
  [[nodiscard]] Result<void, datachannel::SendError> send_binary(datachannel::ChannelId channel, ByteView bytes,
                                                                 Time now);
  void close_channel(datachannel::ChannelId channel, Time now);
  /// Null before there are any.
  datachannel::Channels* channels();
  const datachannel::Channels* channels() const;
  /// Events and messages of channels. Who does not poll stops the peer (its window closes), not the process.
  std::optional<datachannel::Event> poll_channel_event();

  // -- media ---------------------------------------------------------------------------------------------------------
  /// The codec our frames on this transceiver must have: the first that the peer takes. Nothing before negotiation.
  std::optional<packetizer::Codec> send_codec(TransceiverId id) const;
  /// Packetizes and queues one frame of that codec, or of another the peer takes.
  [[nodiscard]] Result<void, MediaError> send_frame(TransceiverId id, packetizer::Codec codec,
                                                    const OutgoingFrame& frame, Time now);
  /// Queues a packet whose sequence number and timestamp the caller has set; SSRC, payload type and extensions become
  /// ours. The payload is shared, not copied.
  [[nodiscard]] Result<void, MediaError> send_packet(TransceiverId id, packetizer::Codec codec,
                                                     const rtp::Packet& packet, Time now);
  /// How this track comes, if not as Config::delivery says. Takes effect with the next packet; of a stream that turns
  /// into frames, the first is a key frame.
  void set_delivery(TransceiverId id, Delivery delivery);
  /// Asks the peer for a key frame of this track, and again with back-off until one comes.
  void request_keyframe(TransceiverId id, Time now);
  std::optional<MediaPacket> poll_media();
  std::optional<MediaFrame> poll_frame();

  // -- the five calls ------------------------------------------------------------------------------------------------
  void handle_packet(const net::Datagram& packet, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const;
  /// A packet, or a run of equal ones to one address. `out` must hold kMaxTransmit bytes for full runs.
  std::optional<net::Transmit> poll_transmit(Bytes out);
  std::optional<Event> poll_event();

  /// Says goodbye (SCTP abort, RTCP BYE, DTLS close_notify: poll_transmit() has them) and ends.
  void close(Time now);

  Stats stats(Time now) const;
  /// Of packets that did not get past the transport, and of media behind it.
  const Counters<DropReason>& drops() const;
  const Counters<DropReason>& media_drops() const;
  /// Everything that any engine of the connection has dropped, by name: "ice_bad_integrity", "bad_srtp".
  std::map<std::string_view, uint64_t> drops_by_name() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

static_assert(net::DatagramEngine<Connection>);

}  // namespace kaon::peer
