// What flows through a session: media, channels and figures.

#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/io/loop.h"
#include "kaon/sfu/session.h"

namespace kaon::sfu {
namespace {

constexpr Duration kSnapshotInterval = std::chrono::seconds(1);
// A viewer without a picture asks again this often; the gate merges what all of them ask.
constexpr Duration kKeyframePatience = std::chrono::milliseconds(200);

}  // namespace

void Session::on_event(io::HostedPeer&, peer::Event event, Time now) {
  if (const auto* changed = std::get_if<peer::StateChanged>(&event)) {
    last_.state = to_string(changed->state);
    next_snapshot_ = now;
    if (changed->state == peer::ConnectionState::Failed || changed->state == peer::ConnectionState::Closed) {
      owner_.session_ended(id_);
    }
  } else if (const auto* wanted = std::get_if<peer::KeyframeRequested>(&event)) {
    for (size_t track = 0; track < out_.size(); ++track) {
      if (out_[track] && out_[track]->transceiver == wanted->transceiver) stream_->request_keyframe(track);
    }
  } else if (auto* line = std::get_if<dtls::KeyLogLine>(&event)) {
    owner_.key_log(std::move(line->line));
  }
}

void Session::on_drain(io::HostedPeer&, Time now) {
  if (!is_viewer()) drain_media(now);
  drain_channels(now);
  if (now >= next_snapshot_) snapshot(now);
}

// -- media -----------------------------------------------------------------------------------------------------------

void Session::drain_media(Time now) {
  batch_.clear();
  while (auto media = connection().poll_media()) {
    const auto track = static_cast<size_t>(std::find(in_.begin(), in_.end(), media->transceiver) - in_.begin());
    if (track == in_.size() || media->codec != stream_->tracks()[track].codec) continue;
    const auto info = packetizer::inspect(media->codec, media->packet.payload());
    if (info && info->resolution) last_.resolution = *info->resolution;
    batch_.push_back({track, router::Layer(media->layer), std::move(media->packet), info});
  }
  if (batch_.empty()) return;
  stream_->publish(batch_, now);
  ask_keyframes(now);
  batch_.clear();
}

void Session::ask_keyframes(Time now) {
  for (size_t track = 0; track < in_.size(); ++track) {
    if (!stream_->gates[track].poll(now)) continue;
    connection().request_keyframe(in_[track], now);
    peer_->touch();
  }
}

void Session::forward(std::span<const FanoutPacket> batch, Time now) {
  for (const FanoutPacket& source : batch) {
    auto& out = out_[source.track];
    if (!out) continue;
    if (connection().state() != peer::ConnectionState::Connected) continue;
    const auto numbers = out->forwarder.forward(source.packet, source.layer, source.info, now);
    if (out->forwarder.needs_keyframe()) need_keyframe(source.track, *out, now);
    if (!numbers) continue;
    rtp::Packet packet = source.packet;
    packet.header.sequence = numbers->sequence;
    packet.header.timestamp = numbers->timestamp;
    // A full queue means a path that is too slow; the pacer has counted it and the viewer asks for what it misses.
    static_cast<void>(connection().send_packet(out->transceiver, stream_->tracks()[source.track].codec, packet, now));
  }
  peer_->touch();
}

void Session::need_keyframe(size_t track, Out& out, Time now) {
  if (out.asked != Time{} && now - out.asked < kKeyframePatience) return;
  out.asked = now;
  stream_->request_keyframe(track);
}

// -- channels --------------------------------------------------------------------------------------------------------

void Session::drain_channels(Time now) {
  if (connection().channels() == nullptr) return;
  bool changed = false;
  if (pending_) {
    if (!echo(pending_->channel, pending_->binary, pending_->bytes, now)) return;
    pending_.reset();
    changed = true;
  }
  while (auto event = connection().poll_channel_event()) {
    changed = true;
    if (const auto* announced = std::get_if<datachannel::ChannelAnnounced>(&*event)) {
      const auto info = connection().channels()->info(announced->channel);
      if (!info || channels_.size() >= kMaxChannels) {
        connection().close_channel(announced->channel, now);
        continue;
      }
      const std::string& label = info->options.label;
      channels_[announced->channel] = label == "chat"   ? ChannelKind::Chat
                                      : label == "echo" ? ChannelKind::Echo
                                                        : ChannelKind::Other;
    } else if (const auto* closed = std::get_if<datachannel::ChannelClosed>(&*event)) {
      channels_.erase(closed->channel);
    } else if (const auto* message = std::get_if<datachannel::MessageReceived>(&*event)) {
      handle_message(*message, now);
      if (pending_) break;
    }
  }
  // What was done may have brought new events. Without anything done that would go on for ever.
  if (changed) peer_->touch();
}

void Session::handle_message(const datachannel::MessageReceived& message, Time now) {
  const auto channel = channels_.find(message.channel);
  if (channel == channels_.end()) return;
  if (channel->second == ChannelKind::Chat && !message.binary && message.payload.size() <= kMaxChatMessage) {
    stream_->chat(id_, std::string(as_text(message.payload)));
  } else if (channel->second == ChannelKind::Echo && !echo(message.channel, message.binary, message.payload, now)) {
    pending_ = Pending{message.channel, message.binary, {message.payload.begin(), message.payload.end()}};
  }
}

// False if the send buffer is full: then it must be tried again.
bool Session::echo(datachannel::ChannelId channel, bool binary, ByteView bytes, Time now) {
  const auto sent =
      binary ? connection().send_binary(channel, bytes, now) : connection().send_text(channel, as_text(bytes), now);
  return sent || sent.error() != datachannel::SendError::BufferFull;
}

void Session::send_chat(const std::string& text) {
  const Time now = io::Loop::now();
  for (const auto& [channel, kind] : channels_) {
    // A member that does not read loses messages; the chat of the others goes on.
    if (kind == ChannelKind::Chat) static_cast<void>(connection().send_text(channel, text, now));
  }
  peer_->touch();
}

// -- figures ---------------------------------------------------------------------------------------------------------

void Session::snapshot(Time now) {
  const peer::Stats stats = connection().stats(now);
  SessionSnapshot next;
  next.state = to_string(connection().state());
  next.resolution = last_.resolution;
  if (stats.transport.path) next.remote = stats.transport.path->remote.to_string();
  if (stats.transport.round_trip_time) {
    next.rtt_ms = std::chrono::duration<double, std::milli>(*stats.transport.round_trip_time).count();
  }
  next.bytes_in = stats.transport.bytes_received;
  next.bytes_out = stats.transport.bytes_sent;
  uint64_t frames = 0;
  uint64_t packets = 0;
  for (const peer::InboundStats& inbound : stats.inbound) {
    next.packets_lost += inbound.packets_lost;
    packets += inbound.packets_received;
    frames += inbound.frames_received;
    next.jitter_ms = std::max(next.jitter_ms, std::chrono::duration<double, std::milli>(inbound.jitter).count());
    if (inbound.codec && packetizer::is_video(*inbound.codec)) next.codec = packetizer::encoding_name(*inbound.codec);
  }
  for (const peer::OutboundStats& outbound : stats.outbound) {
    next.packets_lost += outbound.remote_packets_lost;
    packets += outbound.packets_sent;
    frames += outbound.frames_sent;
    next.jitter_ms =
        std::max(next.jitter_ms, std::chrono::duration<double, std::milli>(outbound.remote_jitter).count());
  }
  if (is_viewer()) {
    for (const Track& track : stream_->tracks()) {
      if (packetizer::is_video(track.codec)) next.codec = packetizer::encoding_name(track.codec);
    }
  }
  if (packets > 0)
    next.loss_percent =
        100.0 * static_cast<double>(std::max<int64_t>(0, next.packets_lost)) / static_cast<double>(packets);
  const double seconds = std::chrono::duration<double>(now - last_snapshot_time_).count();
  if (last_snapshot_time_ != Time{} && seconds > 0) {
    next.kilobits_in = static_cast<double>(next.bytes_in - last_.bytes_in) * 8e-3 / seconds;
    next.kilobits_out = static_cast<double>(next.bytes_out - last_.bytes_out) * 8e-3 / seconds;
    next.frames_per_second = static_cast<double>(frames - last_frames_) / seconds;
  }
  last_ = next;
  last_frames_ = frames;
  last_snapshot_time_ = now;
  next_snapshot_ = now + kSnapshotInterval;
  owner_.session_snapshot(id_, std::move(next));
}

}  // namespace kaon::sfu
