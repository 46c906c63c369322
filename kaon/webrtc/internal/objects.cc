// Transceivers and channels of a connection.
#include <algorithm>

#include "kaon/webrtc/internal/core.h"

namespace kaon::webrtc::internal {

std::shared_ptr<RtpTransceiver> Core::transceiver(peer::TransceiverId id) {
  const auto it = std::ranges::find(transceivers_, id, [](const auto& t) { return t->id_; });
  if (it != transceivers_.end()) return *it;
  const auto all = connection()->transceivers();
  const auto state = std::ranges::find(all, id, &peer::Transceiver::id);
  const MediaKind kind = state == all.end() ? MediaKind::Other : state->kind;
  transceivers_.push_back(std::shared_ptr<RtpTransceiver>(new RtpTransceiver(*this, id, kind)));
  return transceivers_.back();
}

std::vector<std::shared_ptr<RtpTransceiver>> Core::transceivers() {
  check_thread();
  std::vector<std::shared_ptr<RtpTransceiver>> result;
  if (hosted_ == nullptr) return result;
  for (const peer::Transceiver& state : connection()->transceivers()) result.push_back(transceiver(state.id));
  return result;
}

Result<std::shared_ptr<RtpTransceiver>, NegotiationError> Core::add_transceiver(MediaKind kind, TransceiverInit init,
                                                                                TransceiverHandlers handlers) {
  check_thread();
  if (hosted_ == nullptr) return fail(NegotiationError::Closed);
  KAON_TRY(const peer::TransceiverId id, connection()->add_transceiver(kind, std::move(init)));
  auto result = transceiver(id);
  result->set_handlers(std::move(handlers));
  touch();
  return result;
}

// W3C §5.1, addTrack: a transceiver that never sent is taken first.
Result<std::shared_ptr<RtpTransceiver>, NegotiationError> Core::add_track(MediaKind kind,
                                                                          std::vector<std::string> stream_ids,
                                                                          TransceiverHandlers handlers) {
  check_thread();
  if (hosted_ == nullptr) return fail(NegotiationError::Closed);
  const auto all = connection()->transceivers();
  const auto free = std::ranges::find_if(all, [kind](const peer::Transceiver& t) {
    return t.kind == kind && !t.stopping && !sdp::sends(t.direction) && t.created_by_remote;
  });
  if (free == all.end()) {
    return add_transceiver(kind, {.stream_ids = std::move(stream_ids), .for_track = true}, std::move(handlers));
  }
  const peer::TransceiverId id = free->id;
  if (auto set = connection()->set_track(id, std::move(stream_ids), {}); !set) return fail(set.error());
  auto result = transceiver(id);
  result->set_handlers(std::move(handlers));
  touch();
  return result;
}

std::shared_ptr<DataChannel> Core::channel(datachannel::ChannelId id) const {
  const auto it = channels_.find(id);
  return it == channels_.end() ? nullptr : it->second;
}

std::shared_ptr<DataChannel> Core::make_channel(datachannel::ChannelId id, datachannel::ChannelOptions options) {
  std::shared_ptr<DataChannel> channel(new DataChannel(*this, id, std::move(options)));
  channels_.emplace(id, channel);
  return channel;
}

Result<std::shared_ptr<DataChannel>, OpenError> Core::create_channel(std::string label, DataChannelInit init,
                                                                     DataChannelHandlers handlers) {
  check_thread();
  if (hosted_ == nullptr) return fail(OpenError::Closed);
  datachannel::ChannelOptions options;
  options.label = std::move(label);
  options.protocol = std::move(init.protocol);
  options.ordered = init.ordered;
  options.max_packet_lifetime_ms = init.max_packet_life_time;
  options.max_retransmits = init.max_retransmits;
  options.negotiated = init.negotiated;
  options.stream = init.id;
  options.priority = static_cast<uint16_t>(init.priority);
  KAON_TRY(const datachannel::ChannelId id, connection()->open_channel(options, io::Loop::now()));
  auto channel = make_channel(id, std::move(options));
  channel->set_handlers(std::move(handlers));
  touch();
  return channel;
}

}  // namespace kaon::webrtc::internal
