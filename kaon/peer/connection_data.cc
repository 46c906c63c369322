#include <cstring>

#include "kaon/peer/internal/connection_impl.h"

namespace kaon::peer {

datachannel::Channels& Connection::Impl::need_channels() {
  if (channels) return *channels;
  channels.emplace(config.data, env);
  // Descriptions may hold their INIT from now on.
  if (config.snap) negotiator.set_transport(local_transport());
  return *channels;
}

void Connection::Impl::start_channels(Time time) {
  const NegotiatedSession* session = negotiator.session();
  if (!channels || channels->started() || session == nullptr || !session->data) return;
  const auto peer_init = sctp_init_bytes(session->data->remote_sctp_init);
  // With the peer's INIT there would be more to say than what anybody may hear.
  if (!security && (peer_init || !transport.writable() || negotiator.state() != SignalingState::Stable)) return;
  if (const auto rtt = transport.ice().rtt()) channels->set_rtt(*rtt);
  channels->start(session->dtls_role, time, peer_init ? ByteView(*peer_init) : ByteView());
}

// A server of DTLS 1.3 may speak half a round trip before it knows that the client is the peer, and its INIT is what
// anybody may hear. The answer waits for the proof as all data does.
bool Connection::Impl::says_init_early() const {
  return !security && channels && channels->association().state() == sctp::State::CookieWait && transport.writable();
}

std::optional<net::Transmit> Connection::Impl::transmit_carried(Bytes out) {
  if (carried.bytes.empty()) return std::nullopt;
  std::memcpy(out.data(), carried.bytes.data(), carried.bytes.size());
  net::Transmit transmit = transport.address(carried.bytes.size());
  transmit.dont_fragment = carried.dont_fragment;
  transmit.ecn = carried.ecn;
  if (config.dscp) transmit.dscp = config.dscp->data;
  transport.ice().count_sent(1, carried.bytes.size(), now);
  carried.bytes.clear();
  return transmit;
}

// SCTP packets of equal size and ECN bits become one run; the first smaller one ends it.
std::optional<net::Transmit> Connection::Impl::transmit_data(Bytes out) {
  if (!channels) return std::nullopt;
  channels->share_path(media.is_sending(now));
  size_t size = 0;
  size_t segment = 0;
  size_t packets = 0;
  bool dont_fragment = false;
  net::Ecn ecn = net::Ecn::NotEct;
  while (packets < kMaxSegments && !dont_fragment) {
    const size_t room = channels->association().largest_packet();
    const size_t largest = room + transport.data_overhead();
    if (size + largest > out.size()) break;
    const Bytes slot = out.subspan(size, largest);
    // Where DTLS will encrypt it in place.
    const Bytes plain = slot.subspan(transport.data_offset(), room);
    const auto packet = channels->poll_transmit(plain);
    if (!packet) break;
    const size_t written = transport.protect_data(plain.first(packet->size), slot);
    if (written == 0) break;
    if (segment != 0 && (written > segment || packet->dont_fragment || packet->ecn != ecn)) {
      carried.bytes.assign(slot.begin(), slot.begin() + static_cast<ptrdiff_t>(written));
      carried.dont_fragment = packet->dont_fragment;
      carried.ecn = packet->ecn;
      break;
    }
    if (segment == 0) segment = written;
    dont_fragment = packet->dont_fragment;
    ecn = packet->ecn;
    size += written;
    ++packets;
    if (written < segment) break;
  }
  if (packets == 0) return std::nullopt;
  net::Transmit transmit = transport.address(size);
  transmit.segment_size = packets > 1 ? segment : 0;
  transmit.dont_fragment = dont_fragment;
  transmit.ecn = ecn;
  if (config.dscp) transmit.dscp = config.dscp->data;
  transport.ice().count_sent(packets, size, now);
  return transmit;
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
