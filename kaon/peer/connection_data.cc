#include "kaon/peer/internal/connection_impl.h"

namespace kaon::peer {

datachannel::Channels& Connection::Impl::need_channels() {
  if (!channels) channels.emplace(config.data, env);
  return *channels;
}

void Connection::Impl::start_channels(Time time) {
  const NegotiatedSession* session = negotiator.session();
  if (!channels || !security || session == nullptr || !session->data) return;
  if (const auto rtt = transport.ice().rtt()) channels->set_rtt(*rtt);
  channels->start(session->dtls_role, time);
}

// -- the public face -------------------------------------------------------------------------------------------------

Result<datachannel::ChannelId, datachannel::OpenError> Connection::open_channel(datachannel::ChannelOptions options,
                                                                                Time now) {
  impl_->negotiator.want_data();
  return impl_->need_channels().open(std::move(options), impl_->advance(now));
}

Result<void, datachannel::SendError> Connection::send_text(datachannel::ChannelId channel, std::string_view text,
                                                           Time now) {
  if (!impl_->channels) return fail(datachannel::SendError::UnknownChannel);
  return impl_->channels->send_text(channel, text, impl_->advance(now));
}

Result<void, datachannel::SendError> Connection::send_binary(datachannel::ChannelId channel, ByteView bytes, Time now) {
  if (!impl_->channels) return fail(datachannel::SendError::UnknownChannel);
  return impl_->channels->send_binary(channel, bytes, impl_->advance(now));
}

void Connection::close_channel(datachannel::ChannelId channel, Time now) {
  if (impl_->channels) impl_->channels->close(channel, impl_->advance(now));
}

datachannel::Channels* Connection::channels() { return impl_->channels ? &*impl_->channels : nullptr; }
const datachannel::Channels* Connection::channels() const { return impl_->channels ? &*impl_->channels : nullptr; }

std::optional<datachannel::Event> Connection::poll_channel_event() {
  return impl_->channels ? impl_->channels->poll_event() : std::nullopt;
}

}  // namespace kaon::peer
