// One WHIP or WHEP session on its loop: a hosted connection that publishes a stream or watches it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kaon/io/peer_port.h"
#include "kaon/sfu/stream.h"

namespace kaon::sfu {

enum class SessionRole : uint8_t { Publisher, Viewer };

/// What the API tells of a session; made on its loop once a second.
struct SessionSnapshot {
  std::string state;
  std::string remote;
  std::string codec;
  double rtt_ms = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  double kilobits_in = 0;
  double kilobits_out = 0;
  int64_t packets_lost = 0;
  double loss_percent = 0;
  double jitter_ms = 0;
  double frames_per_second = 0;
  packetizer::Resolution resolution;
};

/// Why an offer was not answered, as HTTP says it.
struct Refusal {
  int status = 400;
  std::string sentence;
};

/// What a session tells the server; called on the session's loop.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  /// The connection failed or was closed by the peer. The session must be closed by then or soon.
  virtual void session_ended(uint64_t id) = 0;
  virtual void session_snapshot(uint64_t id, SessionSnapshot snapshot) = 0;
  /// A line for SSLKEYLOGFILE.
  virtual void key_log(std::string line) = 0;
};

/// Everything on the loop of its shard.
class Session final : public io::PeerHandler {
 public:
  /// Channels of one session beyond these are closed at once.
  static constexpr size_t kMaxChannels = 16;
  /// Chat messages above this are dropped.
  static constexpr size_t kMaxChatMessage = 16 * 1024;

  Session(uint64_t id, SessionRole role, std::shared_ptr<Stream> stream, io::PeerShard& shard, SessionOwner& owner);
  ~Session() override;

  uint64_t id() const { return id_; }
  bool is_viewer() const { return role_ == SessionRole::Viewer; }

  /// Makes the connection and answers the offer.
  Result<std::string, Refusal> answer(const sdp::SessionDescription& offer, peer::Config config, Time now);
  /// Candidates of a trickle fragment.
  void add_candidates(const std::vector<std::string>& lines, Time now);
  struct Restarted {
    ice::Credentials credentials;
    std::vector<std::string> candidates;
  };
  /// New credentials of the peer; the old path lives on until the new one is found.
  std::optional<Restarted> restart(const ice::Credentials& remote, const std::vector<std::string>& lines, Time now);
  std::string ufrag() const;
  const peer::Connection& connection() const { return std::as_const(*peer_).connection(); }

  void forward(std::span<const FanoutPacket> batch, Time now);
  void ask_keyframes(Time now);
  void send_chat(const std::string& text);

  void on_event(io::HostedPeer& peer, peer::Event event, Time now) override;
  void on_drain(io::HostedPeer& peer, Time now) override;

 private:
  enum class ChannelKind : uint8_t { Chat, Echo, Other };
  struct Out {
    peer::TransceiverId transceiver;
    router::Forwarder forwarder;
    Time asked{};
  };
  struct Pending {
    datachannel::ChannelId channel;
    bool binary = false;
    std::vector<uint8_t> bytes;
  };

  Result<void, Refusal> prepare_publisher(const sdp::SessionDescription& offer);
  Result<void, Refusal> prepare_viewer(const sdp::SessionDescription& offer);
  Result<void, Refusal> keep_accepted();
  void remember_tracks();
  void drain_media(Time now);
  void drain_channels(Time now);
  void handle_message(const datachannel::MessageReceived& message, Time now);
  bool echo(datachannel::ChannelId channel, bool binary, ByteView bytes, Time now);
  void need_keyframe(size_t track, Out& out, Time now);
  void snapshot(Time now);
  peer::Connection& connection() { return peer_->connection(); }

  uint64_t id_;
  SessionRole role_;
  std::shared_ptr<Stream> stream_;
  io::PeerShard& shard_;
  SessionOwner& owner_;
  io::HostedPeer* peer_ = nullptr;
  std::vector<peer::TransceiverId> in_;  // publisher: transceiver of each track
  std::vector<std::optional<Out>> out_;  // viewer: per track
  std::vector<FanoutPacket> batch_;
  std::map<datachannel::ChannelId, ChannelKind> channels_;
  std::optional<Pending> pending_;  // an echo that did not fit: the peer is not read until it does
  Time next_snapshot_{};
  SessionSnapshot last_;
  uint64_t last_frames_ = 0;
  Time last_snapshot_time_{};
};

}  // namespace kaon::sfu
