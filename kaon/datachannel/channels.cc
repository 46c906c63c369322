#include "kaon/datachannel/channels.h"

#include <algorithm>

#include "kaon/datachannel/internal/channels_impl.h"
#include "kaon/datachannel/internal/utf8.h"

namespace kaon::datachannel {

std::string_view to_string(ChannelState state) {
  switch (state) {
    case ChannelState::Connecting: return "connecting";
    case ChannelState::Open: return "open";
    case ChannelState::Closing: return "closing";
    case ChannelState::Closed: return "closed";
  }
  return "unknown";
}

std::string_view to_string(OpenError error) {
  switch (error) {
    case OpenError::LabelTooLong: return "label or protocol too long";
    case OpenError::InvalidUtf8: return "label or protocol is not UTF-8";
    case OpenError::InvalidOptions: return "options contradict each other";
    case OpenError::StreamInUse: return "stream in use";
    case OpenError::NoStreamLeft: return "no stream left";
    case OpenError::Closed: return "closed";
  }
  return "unknown";
}

std::string_view to_string(SendError error) {
  switch (error) {
    case SendError::UnknownChannel: return "unknown channel";
    case SendError::NotOpen: return "channel is not open";
    case SendError::MessageTooLarge: return "message too large";
    case SendError::BufferFull: return "send buffer full";
    case SendError::InvalidUtf8: return "text is not UTF-8";
  }
  return "unknown";
}

std::string_view to_string(ChannelError error) {
  switch (error) {
    case ChannelError::None: return "none";
    case ChannelError::AssociationClosed: return "association closed";
    case ChannelError::ProtocolViolation: return "protocol violation";
    case ChannelError::NoStreamLeft: return "no stream left";
  }
  return "unknown";
}

std::optional<OpenError> Channels::Impl::check(const ChannelOptions& options) {
  if (options.label.size() > 65535 || options.protocol.size() > 65535) return OpenError::LabelTooLong;
  if (!is_utf8(options.label) || !is_utf8(options.protocol)) return OpenError::InvalidUtf8;
  if (options.max_packet_lifetime_ms && options.max_retransmits) return OpenError::InvalidOptions;
  if (options.negotiated && !options.stream) return OpenError::InvalidOptions;
  return std::nullopt;
}

Channel* Channels::Impl::find(ChannelId id) {
  const auto it = channels_.find(id.value());
  return it == channels_.end() || it->second->silent ? nullptr : it->second.get();
}

Channel* Channels::Impl::on_stream(uint16_t stream) {
  const auto it = by_stream_.find(stream);
  return it == by_stream_.end() ? nullptr : it->second;
}

Channel& Channels::Impl::add_channel(ChannelOptions options) {
  auto channel = std::make_unique<Channel>();
  channel->id = ChannelId(next_id_++);
  channel->options = std::move(options);
  Channel& added = *channel;
  if (added.options.stream) by_stream_[*added.options.stream] = &added;
  channels_.emplace(added.id.value(), std::move(channel));
  return added;
}

std::optional<uint16_t> Channels::Impl::choose_stream() {
  const uint32_t parity = role_ == DtlsRole::Client ? 0 : 1;
  for (uint32_t id = std::max(first_free_, parity) & ~1u; id + parity < stream_limit_; id += 2) {
    if (by_stream_.contains(static_cast<uint16_t>(id + parity))) continue;
    first_free_ = id;
    return static_cast<uint16_t>(id + parity);
  }
  first_free_ = stream_limit_;
  return std::nullopt;
}

void Channels::Impl::start(DtlsRole role, Time now, ByteView peer_init) {
  now_ = std::max(now_, now);
  if (role_ || closed_) return;
  role_ = role;
  for (const ChannelId id : all_ids()) {
    Channel& channel = *channels_.at(id.value());
    if (!channel.options.stream) {
      channel.options.stream = choose_stream();
      if (!channel.options.stream) {
        channel.error = ChannelError::NoStreamLeft;
        finish(channel);
        continue;
      }
      by_stream_[*channel.options.stream] = &channel;
    }
    begin(channel);
  }
  if (peer_init.empty() || !association_.connect_with(peer_init, now_)) association_.connect(now_);
}

Result<ChannelId, OpenError> Channels::Impl::open(ChannelOptions options, Time now) {
  now_ = std::max(now_, now);
  if (closed_) return fail(OpenError::Closed);
  if (const auto error = check(options)) return fail(*error);
  if (channels_.size() >= kMaxChannels) return fail(OpenError::NoStreamLeft);
  if (options.stream) {
    if (*options.stream >= stream_limit_) return fail(OpenError::NoStreamLeft);
    if (by_stream_.contains(*options.stream)) return fail(OpenError::StreamInUse);
  } else if (role_) {
    options.stream = choose_stream();
    if (!options.stream) return fail(OpenError::NoStreamLeft);
  }
  Channel& channel = add_channel(std::move(options));
  const ChannelId id = channel.id;
  if (role_) begin(channel);  // which may be its end
  return id;
}

// The channel has its stream. RFC 8832 §6: data may follow OPEN at once, which may travel with the association's
// set-up.
void Channels::Impl::begin(Channel& channel) {
  const ChannelOptions& options = channel.options;
  association_.set_weight(sctp::StreamId(*options.stream), options.priority);
  if (!options.negotiated) {
    DcepOpen open;
    open.unordered = !options.ordered;
    open.priority = options.priority;
    open.label = options.label;
    open.protocol = options.protocol;
    if (options.max_retransmits) {
      open.type = ChannelType::PartialRetransmits;
      open.reliability = *options.max_retransmits;
    } else if (options.max_packet_lifetime_ms) {
      open.type = ChannelType::PartialLifetime;
      open.reliability = *options.max_packet_lifetime_ms;
    }
    channel.ack_missing = true;
    const auto sent = association_.send(sctp::StreamId(*options.stream),
                                        sctp::Ppid(static_cast<uint32_t>(PpidValue::Dcep)), open.write(), {}, now_);
    if (!sent) {
      // The send buffer is full, or the label is above the remote's max-message-size: the peer will never hear of it.
      channel.error = ChannelError::NoStreamLeft;
      return finish(channel);
    }
  }
  if (!connected_) return;
  channel.state = ChannelState::Open;
  events_.push_back(ChannelOpened{channel.id});
}

Result<void, SendError> Channels::Impl::send(ChannelId id, PpidValue ppid, PpidValue empty, ByteView payload,
                                             Time now) {
  now_ = std::max(now_, now);
  Channel* channel = find(id);
  if (channel == nullptr) return fail(SendError::UnknownChannel);
  if (channel->state != ChannelState::Open) return fail(SendError::NotOpen);
  sctp::SendOptions options;
  options.unordered = !channel->options.ordered && !channel->ack_missing;
  options.max_retransmits = channel->options.max_retransmits;
  if (channel->options.max_packet_lifetime_ms) {
    options.lifetime = std::chrono::milliseconds(*channel->options.max_packet_lifetime_ms);
  }
  // RFC 8831 §6.6: SCTP has no empty messages; one byte stands for it.
  static constexpr uint8_t kNothing[] = {0};
  const ByteView bytes = payload.empty() ? ByteView(kNothing) : payload;
  const PpidValue kind = payload.empty() ? empty : ppid;
  const auto sent = association_.send(sctp::StreamId(*channel->options.stream), sctp::Ppid(static_cast<uint32_t>(kind)),
                                      bytes, options, now_);
  if (sent) {
    ++channel->stats.messages_sent;
    channel->stats.bytes_sent += payload.size();
    return {};
  }
  switch (sent.error()) {
    case sctp::SendError::MessageTooLarge: return fail(SendError::MessageTooLarge);
    case sctp::SendError::BufferFull:
    case sctp::SendError::StreamResetting:
      return fail(SendError::BufferFull);  // see ack_due: SendBufferAvailable follows
    default: return fail(SendError::NotOpen);
  }
}

void Channels::Impl::close(ChannelId id, Time now) {
  now_ = std::max(now_, now);
  Channel* channel = find(id);
  if (channel == nullptr || channel->state == ChannelState::Closing) return;
  if (!role_) return finish(*channel);
  begin_closing(*channel);
}

// RFC 8831 §6.7: each side resets its outgoing stream.
void Channels::Impl::begin_closing(Channel& channel) {
  channel.state = ChannelState::Closing;
  drop_parts(channel);
  if (connected_) request_reset(channel);
}

void Channels::Impl::request_reset(Channel& channel) {
  const sctp::StreamId streams[] = {sctp::StreamId(*channel.options.stream)};
  if (association_.reset_streams(streams, now_)) return;
  // A peer without RE-CONFIG cannot be told; the stream is not used again by either side's counting.
  channel.outgoing_reset = channel.incoming_reset = true;
  finish(channel);
}

void Channels::Impl::finish(Channel& channel) {
  drop_parts(channel);
  if (!channel.silent) events_.push_back(ChannelClosed{channel.id, channel.error});
  if (channel.remote) --incoming_channels_;
  if (const auto stream = channel.options.stream; stream && on_stream(*stream) == &channel) {
    by_stream_.erase(*stream);
    first_free_ = std::min<uint32_t>(first_free_, *stream & ~1u);
  }
  channels_.erase(channel.id.value());
}

std::vector<ChannelId> Channels::Impl::all_ids() const {
  std::vector<ChannelId> ids;
  ids.reserve(channels_.size());
  for (const auto& [id, channel] : channels_) ids.emplace_back(id);
  std::ranges::sort(ids);
  return ids;
}

// --- The public class ---

Channels::Channels(const Config& config, Env env) : impl_(std::make_unique<Impl>(config, env)) {}
Channels::Channels(Channels&&) noexcept = default;
Channels& Channels::operator=(Channels&&) noexcept = default;
Channels::~Channels() = default;

void Channels::start(DtlsRole role, Time now, ByteView peer_init) { impl_->start(role, now, peer_init); }
std::vector<uint8_t> Channels::init_chunk() { return impl_->association_.init_chunk(); }
bool Channels::started() const { return impl_->role_.has_value(); }
Result<ChannelId, OpenError> Channels::open(ChannelOptions options, Time now) {
  return impl_->open(std::move(options), now);
}
Result<void, SendError> Channels::send_text(ChannelId channel, std::string_view text, Time now) {
  if (!is_utf8(text)) return fail(SendError::InvalidUtf8);
  return impl_->send(channel, PpidValue::String, PpidValue::StringEmpty, as_bytes(text), now);
}
Result<void, SendError> Channels::send_binary(ChannelId channel, ByteView bytes, Time now) {
  return impl_->send(channel, PpidValue::Binary, PpidValue::BinaryEmpty, bytes, now);
}
void Channels::close(ChannelId channel, Time now) { impl_->close(channel, now); }
void Channels::shutdown(Time now) { impl_->association_.shutdown(now); }
void Channels::abort(std::string_view reason, Time now) { impl_->association_.abort(reason, now); }
void Channels::path_changed() { impl_->association_.path_changed(); }
void Channels::share_path(bool shared) { impl_->association_.share_path(shared); }
void Channels::set_rtt(Duration rtt) { impl_->association_.set_rtt(rtt); }
void Channels::set_remote_max_message_size(uint64_t size) { impl_->association_.set_remote_max_message_size(size); }

size_t Channels::buffered_amount(ChannelId id) const {
  const Channel* channel = impl_->find(id);
  if (channel == nullptr || !channel->options.stream) return 0;
  return impl_->association_.buffered_amount(sctp::StreamId(*channel->options.stream));
}
void Channels::set_buffered_amount_low_threshold(ChannelId id, size_t bytes) {
  const Channel* channel = impl_->find(id);
  if (channel == nullptr || !channel->options.stream) return;
  impl_->association_.set_buffered_amount_low_threshold(sctp::StreamId(*channel->options.stream), bytes);
}
Buffer Channels::keep(ByteView payload) { return impl_->association_.keep(payload); }
bool Channels::release(Buffer kept, Time now) {
  impl_->now_ = std::max(impl_->now_, now);
  return impl_->association_.release(std::move(kept));
}
std::optional<ChannelInfo> Channels::info(ChannelId id) const {
  const Channel* channel = impl_->find(id);
  if (channel == nullptr) return std::nullopt;
  return ChannelInfo{channel->options, channel->state, channel->remote};
}
std::optional<ChannelStats> Channels::stats(ChannelId id) const {
  const Channel* channel = impl_->find(id);
  if (channel == nullptr) return std::nullopt;
  return channel->stats;
}
size_t Channels::channel_count() const { return impl_->channels_.size(); }
const sctp::Association& Channels::association() const { return impl_->association_; }
const Counters<DropReason>& Channels::drops() const { return impl_->drops_; }

void Channels::handle_packet(Bytes packet, Time now, net::Ecn ecn) {
  impl_->now_ = std::max(impl_->now_, now);
  impl_->association_.handle_packet(packet, now, ecn);
}
void Channels::handle_timeout(Time now) {
  impl_->now_ = std::max(impl_->now_, now);
  impl_->association_.handle_timeout(now);
}
Time Channels::next_timeout() const { return impl_->association_.next_timeout(); }
std::optional<net::Transmit> Channels::poll_transmit(Bytes out) { return impl_->association_.poll_transmit(out); }
std::optional<Event> Channels::poll_event() { return impl_->poll_event(); }

}  // namespace kaon::datachannel
