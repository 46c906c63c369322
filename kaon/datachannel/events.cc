// What the association reports, as events of channels.
#include "kaon/datachannel/internal/channels_impl.h"
#include "kaon/datachannel/internal/utf8.h"

namespace kaon::datachannel {

std::optional<Event> Channels::Impl::poll_event() {
  if (assembled_.capacity() != 0) association_.release(std::exchange(assembled_, Buffer()));
  while (true) {
    if (!events_.empty()) return events_.pop_front();
    auto event = association_.poll_event();
    if (!event) return std::nullopt;
    if (auto mine = std::visit([this](auto& e) { return on(e); }, *event)) return mine;
  }
}

Channels::Impl::Handle Channels::Impl::on(sctp::Connected& event) {
  if (connected_) return std::nullopt;
  connected_ = true;
  stream_limit_ = event.outgoing_streams;
  events_.push_back(Connected{});
  for (const ChannelId id : all_ids()) {
    Channel& channel = *channels_.at(id.value());
    if (!channel.options.stream) continue;  // the peer connected before start() gave out streams
    if (*channel.options.stream >= stream_limit_) {
      channel.error = ChannelError::NoStreamLeft;
      finish(channel);
    } else if (channel.state == ChannelState::Closing) {
      request_reset(channel);
    } else if (channel.state == ChannelState::Connecting) {
      channel.state = ChannelState::Open;
      events_.push_back(ChannelOpened{id});
    }
  }
  return std::nullopt;
}

// All streams began anew, and with them ends what the channels were.
Channels::Impl::Handle Channels::Impl::on(sctp::Restarted&) {
  close_all(ChannelError::AssociationClosed);
  return std::nullopt;
}

Channels::Impl::Handle Channels::Impl::on(sctp::Closed& event) {
  closed_ = true;
  close_all(ChannelError::AssociationClosed);
  events_.push_back(Closed{event.reason, std::move(event.detail)});
  return std::nullopt;
}

void Channels::Impl::close_all(ChannelError error) {
  for (const ChannelId id : all_ids()) {
    Channel& channel = *channels_.at(id.value());
    if (channel.error == ChannelError::None) channel.error = error;
    finish(channel);
  }
}

Channels::Impl::Handle Channels::Impl::on(sctp::BufferedAmountLow& event) {
  const Channel* channel = on_stream(event.stream.value());
  if (channel == nullptr || channel->silent) return std::nullopt;
  return BufferedAmountLow{channel->id};
}

Channels::Impl::Handle Channels::Impl::on(sctp::SendBufferAvailable&) {
  for (const auto& [stream, channel] : by_stream_) {
    if (channel->ack_due) send_ack(*channel);
  }
  return SendBufferAvailable{};
}

// --- Messages ---

Channels::Impl::Handle Channels::Impl::on(sctp::Message& message) {
  if (message.ppid.value() == static_cast<uint32_t>(PpidValue::Dcep)) {
    on_dcep(message);
    return std::nullopt;
  }
  Channel* channel = on_stream(message.stream.value());
  if (channel == nullptr) {
    drops_.add(DropReason::UnknownStream);
    return std::nullopt;
  }
  if (channel->state != ChannelState::Open) return std::nullopt;
  // RFC 8832 §6: whatever comes from the peer shows that it has our OPEN.
  channel->ack_missing = false;
  return on_data(*channel, message);
}

// RFC 8831 §6.6: a channel whose peer sends what it should not is closed.
Channels::Impl::Handle Channels::Impl::on_data(Channel& channel, const sctp::Message& message) {
  ByteView payload = message.payload;
  bool binary = true;
  switch (static_cast<PpidValue>(message.ppid.value())) {
    case PpidValue::String: binary = false; break;
    case PpidValue::Binary: break;
    case PpidValue::StringEmpty: binary = false; [[fallthrough]];
    case PpidValue::BinaryEmpty: payload = {}; break;
    case PpidValue::StringPartial:
    case PpidValue::BinaryPartial: add_part(channel, payload); return std::nullopt;
    default:
      drops_.add(DropReason::UnknownPpid);
      close_for_violation(channel);
      return std::nullopt;
  }
  if (!channel.parts.empty()) {
    if (!add_part(channel, payload)) return std::nullopt;
    assembled_ = take_parts(channel);
    payload = assembled_.view();
  }
  if (!binary && !is_utf8(as_text(payload))) {
    drops_.add(DropReason::InvalidUtf8);
    close_for_violation(channel);
    return std::nullopt;
  }
  ++channel.stats.messages_received;
  channel.stats.bytes_received += payload.size();
  return MessageReceived{channel.id, binary, payload};
}

// False: it was one too many, and the channel is being closed. Who holds nothing else may always finish its message:
// the window has room for two of the largest.
bool Channels::Impl::add_part(Channel& channel, ByteView part) {
  const sctp::Config& limits = config_.sctp;
  const size_t others = parts_held_ - cost(channel.parts);
  const size_t window = std::max(limits.receive_window, 2 * limits.max_message_size);
  const size_t size = channel.parts.size() + part.size();
  if (size > limits.max_message_size ||
      (others != 0 && others + size + sctp::kMessageOverhead > window / kPartsShare)) {
    drops_.add(DropReason::PartsTooLarge);
    close_for_violation(channel);
    return false;
  }
  association_.extend(channel.parts, part, limits.max_message_size);
  parts_held_ = others + cost(channel.parts);
  return true;
}

// Of the receive window.
size_t Channels::Impl::cost(const Buffer& parts) {
  return parts.capacity() == 0 ? 0 : parts.capacity() + sctp::kMessageOverhead;
}

Buffer Channels::Impl::take_parts(Channel& channel) {
  parts_held_ -= cost(channel.parts);
  return std::exchange(channel.parts, Buffer());
}

void Channels::Impl::drop_parts(Channel& channel) {
  if (channel.parts.capacity() != 0) association_.release(take_parts(channel));
}

void Channels::Impl::close_for_violation(Channel& channel) {
  channel.error = ChannelError::ProtocolViolation;
  events_.push_back(ChannelClosing{channel.id});
  begin_closing(channel);
}

// --- DCEP, RFC 8832 §6 ---

void Channels::Impl::on_dcep(const sctp::Message& message) {
  switch (static_cast<DcepType>(message.payload[0])) {
    case DcepType::Open: return on_open(message);
    case DcepType::Ack: return on_ack(message.stream.value());
  }
  drops_.add(DropReason::UnknownDcep);
  Channel* channel = on_stream(message.stream.value());
  if (channel != nullptr && channel->state == ChannelState::Open) close_for_violation(*channel);
}

void Channels::Impl::on_ack(uint16_t stream) {
  Channel* channel = on_stream(stream);
  if (channel == nullptr || !std::exchange(channel->ack_missing, false)) drops_.add(DropReason::UnexpectedAck);
}

void Channels::Impl::on_open(const sctp::Message& message) {
  const uint16_t stream = message.stream.value();
  Channel* existing = on_stream(stream);
  // The peer reuses a stream after both resets, and its answer to ours is still on the way.
  bool was_resetting = false;
  if (existing != nullptr && existing->state == ChannelState::Closing && existing->incoming_reset) {
    was_resetting = true;
    finish(*existing);
    existing = nullptr;
  }
  if (existing != nullptr) {
    drops_.add(DropReason::UnexpectedOpen);
    if (existing->state != ChannelState::Open || existing->options.negotiated) return;
    return close_for_violation(*existing);
  }
  if (is_ours(stream)) {
    drops_.add(DropReason::UnexpectedOpen);
    return refuse_stream(stream);
  }
  auto open = DcepOpen::parse(message.payload);
  if (!open) {
    drops_.add(DropReason::MalformedDcep);
    return refuse_stream(stream);
  }
  if (incoming_channels_ >= config_.max_incoming_channels || channels_.size() >= kMaxChannels) {
    drops_.add(DropReason::TooManyChannels);
    return refuse_stream(stream);
  }
  ChannelOptions options;
  options.label = std::move(open->label);
  options.protocol = std::move(open->protocol);
  options.ordered = !open->unordered;
  options.priority = open->priority;
  const auto limit = static_cast<uint16_t>(std::min<uint32_t>(open->reliability, 65535));
  if (open->type == ChannelType::PartialRetransmits) options.max_retransmits = limit;
  if (open->type == ChannelType::PartialLifetime) options.max_packet_lifetime_ms = limit;
  options.stream = stream;
  Channel& channel = add_channel(std::move(options));
  channel.remote = true;
  ++incoming_channels_;
  association_.set_weight(message.stream, channel.options.priority);
  channel.state = ChannelState::Open;
  channel.ack_due = was_resetting;
  if (!was_resetting) send_ack(channel);
  events_.push_back(ChannelAnnounced{channel.id});
}

void Channels::Impl::send_ack(Channel& channel) {
  static constexpr uint8_t kAck[] = {static_cast<uint8_t>(DcepType::Ack)};
  const auto sent = association_.send(sctp::StreamId(*channel.options.stream),
                                      sctp::Ppid(static_cast<uint32_t>(PpidValue::Dcep)), kAck, {}, now_);
  // With a full buffer it waits for the next chance; the peer may use the channel all the same.
  channel.ack_due = !sent.has_value() && sent.error() == sctp::SendError::BufferFull;
}

// §6: a channel that cannot be is closed by a reset of its stream.
void Channels::Impl::refuse_stream(uint16_t stream) {
  if (stream >= stream_limit_) return;
  ChannelOptions options;
  options.stream = stream;
  Channel& channel = add_channel(std::move(options));
  channel.silent = true;
  begin_closing(channel);
}

// --- Closing, RFC 8831 §6.7 ---

Channels::Impl::Handle Channels::Impl::on(sctp::IncomingStreamsReset& event) {
  if (event.streams.empty()) {  // all of them
    for (const ChannelId id : all_ids()) incoming_reset(*channels_.at(id.value()));
    return std::nullopt;
  }
  for (const sctp::StreamId stream : event.streams) {
    if (Channel* channel = on_stream(stream.value())) incoming_reset(*channel);
  }
  return std::nullopt;
}

void Channels::Impl::incoming_reset(Channel& channel) {
  channel.incoming_reset = true;
  if (channel.state == ChannelState::Closing) {
    if (channel.outgoing_reset) finish(channel);
    return;
  }
  events_.push_back(ChannelClosing{channel.id});
  begin_closing(channel);
}

Channels::Impl::Handle Channels::Impl::on(sctp::OutgoingStreamsReset& event) {
  outgoing_done(event.streams);
  return std::nullopt;
}

// The peer refuses; nothing more can be done on this side.
Channels::Impl::Handle Channels::Impl::on(sctp::OutgoingResetFailed& event) {
  outgoing_done(event.streams);
  return std::nullopt;
}

void Channels::Impl::outgoing_done(const std::vector<sctp::StreamId>& streams) {
  for (const sctp::StreamId stream : streams) {
    Channel* channel = on_stream(stream.value());
    if (channel == nullptr) continue;
    if (channel->state != ChannelState::Closing) {
      if (channel->ack_due) {
        send_ack(*channel);
        events_.push_back(SendBufferAvailable{});
      }
      continue;
    }
    channel->outgoing_reset = true;
    if (channel->incoming_reset) finish(*channel);
  }
}

}  // namespace kaon::datachannel
