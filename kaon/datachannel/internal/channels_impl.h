// What Channels are made of. Methods are spread by topic over channels.cc (commands) and events.cc (what the peer
// does).
#pragma once

#include <unordered_map>

#include "kaon/base/ring.h"
#include "kaon/datachannel/channels.h"
#include "kaon/datachannel/internal/dcep.h"

namespace kaon::datachannel {

struct Channel {
  ChannelId id;
  ChannelOptions options;
  ChannelState state = ChannelState::Connecting;
  ChannelError error = ChannelError::None;
  bool remote = false;
  bool silent = false;       // nobody was told of it: a stream that is only being reset
  bool ack_missing = false;  // our OPEN is unanswered: send ordered, RFC 8832 §6
  bool ack_due = false;      // their OPEN could not be answered yet
  bool incoming_reset = false;
  bool outgoing_reset = false;
  ChannelStats stats;
  Buffer parts;  // of a message in PPIDs 52 and 54
};

class Channels::Impl {
 public:
  Impl(const Config& config, Env env) : config_(config), association_(config.sctp, env) {}

  // channels.cc
  void start(DtlsRole role, Time now);
  Result<ChannelId, OpenError> open(ChannelOptions options, Time now);
  Result<void, SendError> send(ChannelId id, PpidValue ppid, PpidValue empty, ByteView payload, Time now);
  void close(ChannelId id, Time now);
  Channel* find(ChannelId id);

  // events.cc
  std::optional<Event> poll_event();

 private:
  friend class Channels;
  using Handle = std::optional<Event>;

  static std::optional<OpenError> check(const ChannelOptions& options);
  std::optional<uint16_t> choose_stream();
  Channel* on_stream(uint16_t stream);
  Channel& add_channel(ChannelOptions options);
  void begin(Channel& channel);
  void begin_closing(Channel& channel);
  void request_reset(Channel& channel);
  void finish(Channel& channel);
  bool is_ours(uint16_t stream) const { return stream % 2 == (role_ == DtlsRole::Client ? 0 : 1); }

  Handle on(sctp::Connected& event);
  Handle on(sctp::Restarted& event);
  Handle on(sctp::Message& event);
  Handle on(sctp::IncomingStreamsReset& event);
  Handle on(sctp::OutgoingStreamsReset& event);
  Handle on(sctp::OutgoingResetFailed& event);
  Handle on(sctp::BufferedAmountLow& event);
  Handle on(sctp::SendBufferAvailable& event);
  Handle on(sctp::Closed& event);
  Handle on_data(Channel& channel, const sctp::Message& message);
  bool add_part(Channel& channel, ByteView part);
  static size_t cost(const Buffer& parts);
  Buffer take_parts(Channel& channel);
  void drop_parts(Channel& channel);
  void close_for_violation(Channel& channel);
  void on_dcep(const sctp::Message& message);
  void on_open(const sctp::Message& message);
  void on_ack(uint16_t stream);
  void send_ack(Channel& channel);
  void refuse_stream(uint16_t stream);
  void incoming_reset(Channel& channel);
  void outgoing_done(const std::vector<sctp::StreamId>& streams);
  void close_all(ChannelError error);
  /// In the order of open().
  std::vector<ChannelId> all_ids() const;

  Config config_;
  sctp::Association association_;
  std::optional<DtlsRole> role_;
  Time now_{};
  std::unordered_map<uint64_t, std::unique_ptr<Channel>> channels_;
  std::unordered_map<uint16_t, Channel*> by_stream_;
  Ring<Event> events_;
  Buffer assembled_;       // the payload just polled, if it came in PPIDs 52 or 54
  size_t parts_held_ = 0;  // memory of all channels' parts
  uint64_t next_id_ = 1;
  size_t incoming_channels_ = 0;
  uint32_t first_free_ = 0;  // no stream of ours is free below this
  uint32_t stream_limit_ = 65535;
  bool connected_ = false;
  bool closed_ = false;
  Counters<DropReason> drops_;
};

}  // namespace kaon::datachannel
