#include "kaon/base/text.h"
#include "kaon/peer/internal/connection_impl.h"

namespace kaon::peer {
namespace {

std::string hex_version(dtls::Version version) { return version == dtls::Version::Dtls13 ? "FEFC" : "FEFD"; }

}  // namespace

std::optional<packetizer::Codec> Connection::send_codec(TransceiverId id) const { return impl_->media.send_codec(id); }

Result<void, MediaError> Connection::send_frame(TransceiverId id, packetizer::Codec codec, const OutgoingFrame& frame,
                                                Time now) {
  if (!impl_->transport.secured() || !impl_->transport.path()) return fail(MediaError::NotConnected);
  return impl_->media.send_frame(id, codec, frame, impl_->advance(now));
}

Result<void, MediaError> Connection::send_packet(TransceiverId id, packetizer::Codec codec, const rtp::Packet& packet,
                                                 Time now) {
  if (!impl_->transport.secured() || !impl_->transport.path()) return fail(MediaError::NotConnected);
  return impl_->media.send_packet(id, codec, packet, impl_->advance(now));
}

void Connection::request_keyframe(TransceiverId id, Time now) {
  impl_->media.request_keyframe(id, impl_->advance(now));
}
void Connection::set_delivery(TransceiverId id, Delivery delivery) { impl_->media.set_delivery(id, delivery); }
std::optional<MediaPacket> Connection::poll_media() { return impl_->media.poll_media(); }
std::optional<MediaFrame> Connection::poll_frame() { return impl_->media.poll_frame(impl_->now); }

Stats Connection::stats(Time now) const {
  static_cast<void>(now);
  Stats stats;
  stats.candidate_pairs = impl_->transport.ice().pair_stats();
  for (const ice::PairStats& pair : stats.candidate_pairs) {
    stats.transport.packets_sent += pair.packets_sent;
    stats.transport.packets_received += pair.packets_received;
    stats.transport.bytes_sent += pair.bytes_sent;
    stats.transport.bytes_received += pair.bytes_received;
  }
  stats.transport.round_trip_time = impl_->transport.ice().rtt();
  stats.transport.path = impl_->transport.path();
  stats.transport.sped = impl_->transport.ice().sped_stats();
  if (impl_->security) {
    stats.transport.tls_version = hex_version(impl_->security->version);
    stats.transport.dtls_cipher = dtls::to_string(impl_->security->cipher_suite);
    stats.transport.tls_group = crypto::to_string(impl_->security->group);
    if (const auto profile = srtp::profile_from_id(impl_->security->srtp_profile))
      stats.transport.srtp_cipher = srtp::to_string(*profile);
  }
  impl_->media.fill(stats);
  if (impl_->channels) stats.sctp = impl_->channels->association().stats();
  return stats;
}

}  // namespace kaon::peer
