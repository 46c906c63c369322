// What stands behind a PeerConnection: it outlives its owner while one of the handlers is running.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kaon/base/ring.h"
#include "kaon/io/mdns.h"
#include "kaon/io/peer_port.h"
#include "kaon/webrtc/peer_connection.h"

namespace kaon::webrtc {
struct IceUrl;
}

namespace kaon::webrtc::internal {

/// Most URLs of a configuration that are used.
inline constexpr size_t kMaxIceServers = ice::Agent::kMaxStunServers + io::HostedPeer::kMaxRelays;

/// Candidates of the peer whose names are looked up at once.
inline constexpr size_t kMaxNamesResolving = 16;

class Core final : public io::PeerHandler, public std::enable_shared_from_this<Core> {
 public:
  Core(io::Loop& loop, Configuration configuration, PeerConnectionHandlers handlers);
  ~Core() override;

  /// Opens the port and makes the connection; a failure is told later.
  void start();
  void close();
  bool closed() const { return closed_; }

  /// Null before start() has succeeded and after close().
  peer::Connection* connection() const { return hosted_ == nullptr ? nullptr : &hosted_->connection(); }
  io::Loop& loop() const { return loop_; }
  /// To be called after each command.
  void touch();
  void check_thread() const { KAON_ASSERT(loop_.on_loop_thread()); }

  // core.cc
  ConnectionState state() const;

  // signaling.cc
  Result<SessionDescription, NegotiationError> create(SdpType type);
  Result<SessionDescription, NegotiationError> set_local();
  Result<void, NegotiationError> set_local(const SessionDescription& description);
  Result<void, DescriptionError> set_remote(const SessionDescription& description);
  SessionDescription local_description() const;
  Result<void, ice::Error> add_candidate(const std::string& line);
  void restart_ice();

  // objects.cc
  Result<std::shared_ptr<RtpTransceiver>, NegotiationError> add_transceiver(MediaKind kind, TransceiverInit init,
                                                                            TransceiverHandlers handlers);
  Result<std::shared_ptr<RtpTransceiver>, NegotiationError> add_track(MediaKind kind,
                                                                      std::vector<std::string> stream_ids,
                                                                      TransceiverHandlers handlers);
  std::vector<std::shared_ptr<RtpTransceiver>> transceivers();
  Result<std::shared_ptr<DataChannel>, OpenError> create_channel(std::string label, DataChannelInit init,
                                                                 DataChannelHandlers handlers);

  // channels.cc
  /// It has coroutines that wait to send.
  void wait_to_send(std::shared_ptr<DataChannel> channel);
  /// Those that wait are being tried one after another: who comes now stands behind them.
  bool resuming_writers() const { return resuming_writers_; }
  /// A message of a detached channel has been read.
  void release(Buffer message);
  /// At the loop's next turn, because nobody is called within a call of the library.
  void resume_later(std::shared_ptr<WaiterList> ended);

  // stats.cc
  StatsReport stats() const;

  // PeerHandler
  void on_event(io::HostedPeer& peer, peer::Event event, Time now) override;
  void on_drain(io::HostedPeer& peer, Time now) override;

 private:
  class Dispatch;

  // core.cc
  Result<void, io::IoError> open_port();
  peer::Config take_peer_config();
  void report_failure(std::string detail);
  void release_port();
  void tell_negotiation_needed();

  // ice_servers.cc
  void use_ice_servers();
  void use_ice_server(const IceServer& server, const std::string& url);
  void ask_server(const IceServer& server, const std::string& url, const IceUrl& parsed, const net::IpAddress& ip);
  void server_done();
  void tell_candidate_error(const std::string& url, uint16_t code, std::string text, uint16_t proxy_status = 0);

  // signaling.cc
  void after_local_description(SdpType type);
  Result<void, ice::Error> resolve_candidate(const std::string& line);
  void resolve_candidates(const sdp::SessionDescription& remote);

  // events.cc
  void handle(const peer::LocalCandidate& event);
  void handle(const peer::GatheringDone& event);
  void handle(const peer::StateChanged& event);
  void handle(const peer::TrackAdded& event);
  void handle(const peer::TrackRemoved& event);
  void handle(const peer::KeyframeRequested& event);
  void handle(const dtls::KeyLogLine& event);
  template <class Other>
  void handle(const Other&) {}
  void tell_candidate(std::string line);
  void tell_early_candidates();
  void drain_channels();
  void drain_media();
  void tell_frame(const peer::MediaFrame& frame);

  // channels.cc
  void resume_writers();
  void handle(const datachannel::ChannelAnnounced& event);
  void handle(const datachannel::ChannelOpened& event);
  void handle(const datachannel::MessageReceived& event);
  void handle(const datachannel::BufferedAmountLow& event);
  void handle(const datachannel::SendBufferAvailable& event);
  void handle(const datachannel::ChannelClosing& event);
  void handle(const datachannel::ChannelClosed& event);

  // objects.cc
  std::shared_ptr<RtpTransceiver> transceiver(peer::TransceiverId id);
  std::shared_ptr<DataChannel> channel(datachannel::ChannelId id) const;
  std::shared_ptr<DataChannel> make_channel(datachannel::ChannelId id, datachannel::ChannelOptions options);

  io::Loop& loop_;
  Configuration config_;
  std::shared_ptr<const PeerConnectionHandlers> handlers_;
  std::shared_ptr<SharedPort> port_;
  io::HostedPeer* hosted_ = nullptr;
  bool closed_ = false;
  bool failed_to_start_ = false;
  int dispatching_ = 0;             // handlers of ours that run now
  std::shared_ptr<io::Mdns> mdns_;  // once a peer has told a name
  size_t names_resolving_ = 0;
  size_t servers_pending_ = 0;  // gathering goes on so long
  bool told_negotiation_needed_ = false;
  bool has_local_description_ = false;
  SdpType local_type_ = SdpType::Offer;
  std::string sdp_mid_;                        // of the section that carries the transport
  std::string created_;                        // what create_offer() or create_answer() gave last
  std::vector<std::string> early_candidates_;  // found before the local description; empty: no more
  std::vector<std::shared_ptr<RtpTransceiver>> transceivers_;
  std::unordered_map<datachannel::ChannelId, std::shared_ptr<DataChannel>> channels_;
  Ring<std::shared_ptr<DataChannel>> writers_;  // each once, with coroutines that wait to send
  bool resuming_writers_ = false;
  std::vector<uint8_t> bytes_;  // of the frame or message that a handler looks at
};

}  // namespace kaon::webrtc::internal
