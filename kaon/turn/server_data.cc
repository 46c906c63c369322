// Data between clients and peers (RFC 8656 §11, §12.6, §12.7).
#include <algorithm>
#include <cstring>

#include "kaon/turn/server.h"

namespace kaon::turn {

using internal::Channel;
using internal::kNoIndex;
using stun::Attribute;

namespace {

constexpr std::array kKnownInSend{Attribute::XorPeerAddress, Attribute::Data, Attribute::DontFragment};

// RFC 8656 §11.5: no way to the peer, or one too long; of IPv6 packets that were too big too.
bool told_of(const IcmpError& error, bool v4) {
  return v4 ? error.type == 3 || error.type == 11 : error.type >= 1 && error.type <= 3;
}

// RFC 8656 §18.13: the data is the MTU of the next hop, and zero where there is none.
IcmpError with_mtu_only(IcmpError error, bool v4) {
  const bool too_big = v4 ? error.type == 3 && error.code == 4 : error.type == 2;
  if (!too_big) error.data = 0;
  return error;
}

}  // namespace

std::optional<Forwarded> Server::from_channel(const net::Datagram& packet, Time now, Bytes out) {
  const auto message = parse_channel_data(packet.bytes);
  if (!message) return drop(ServerDrop::Malformed);
  Allocation* allocation = find({packet.local, packet.remote, packet.protocol});
  if (allocation == nullptr) return drop(ServerDrop::NoAllocation);
  const Channel* channel = allocation->channel(message->channel);
  if (channel == nullptr || channel->expires <= now) return drop(ServerDrop::NoChannel);
  return to_peer(*allocation, channel->peer, message->data, now, out);
}

// RFC 8656 §11.2.
std::optional<Forwarded> Server::from_send(const stun::Message& message, const ClientPath& client, Time now,
                                           Bytes out) {
  Allocation* allocation = find(client);
  if (allocation == nullptr) return drop(ServerDrop::NoAllocation);
  const auto peer = message.xor_address(Attribute::XorPeerAddress);
  const auto data = message.find(Attribute::Data);
  if (!peer || !data || !message.unknown_required(kKnownInSend).empty()) return drop(ServerDrop::BadIndication);
  if (!allocation->permitted(peer->ip, now)) return drop(ServerDrop::NoPermission);
  if (!config_.peers.allows_port(*peer)) return drop(ServerDrop::Forbidden);
  auto forwarded = to_peer(*allocation, *peer, *data, now, out);
  if (forwarded) forwarded->transmit.dont_fragment = message.has(Attribute::DontFragment);
  return forwarded;
}

bool Server::within_rate(Allocation& allocation, size_t bytes, Time now) {
  internal::ByteBucket& user = allocation.usage->bucket;
  return user.has(bytes, now) && bucket_.take(bytes, now) && user.take(bytes, now);
}

stun::TransactionId Server::new_indication() {
  stun::TransactionId id;
  store_be64(&id.bytes[4], ++indications_);
  return id;
}

std::optional<Forwarded> Server::to_peer(Allocation& allocation, const net::Endpoint& peer, ByteView data, Time now,
                                         Bytes out) {
  const uint32_t index = allocation.relay_of(peer.ip.family());
  if (index == kNoIndex || allocation.tcp) return drop(ServerDrop::NoRelay);
  if (data.size() > out.size()) return drop(ServerDrop::TooBig);
  if (!within_rate(allocation, data.size(), now)) return drop(ServerDrop::OverRate);
  if (!data.empty()) std::memmove(out.data(), data.data(), data.size());
  ++allocation.packets_to_peers;
  allocation.bytes_to_peers += data.size();
  ++stats_.packets_to_peers;
  stats_.bytes_to_peers += data.size();
  Forwarded forwarded;
  forwarded.transmit.local = relays_[index].address;
  forwarded.transmit.remote = peer;
  forwarded.transmit.size = data.size();
  forwarded.relay = id_of(index);
  return forwarded;
}

void Server::handle_peer_packet(RelayId id, const net::Endpoint& peer, ByteView data, Time now) {
  std::vector<uint8_t> bytes(data.size() + kMaxOverhead);
  const auto forwarded = forward_from_peer(id, peer, data, now, bytes);
  if (forwarded) enqueue(forwarded->transmit, ByteView(bytes).first(forwarded->transmit.size));
}

std::optional<Forwarded> Server::forward_from_peer(RelayId id, const net::Endpoint& peer, ByteView data, Time now,
                                                   Bytes out) {
  const Relay* relay = relay_at(id);
  if (relay == nullptr || relay->reserved || !allocations_[relay->allocation]->request.answered) {
    return drop(ServerDrop::NoRelay);
  }
  Allocation& allocation = *allocations_[relay->allocation];
  if (!allocation.permitted(peer.ip, now)) return drop(ServerDrop::NoPermission);
  if (!within_rate(allocation, data.size(), now)) return drop(ServerDrop::OverRate);
  const auto transmit = write_to_client(allocation, peer, data, now, out);
  if (!transmit) return drop(ServerDrop::TooBig);
  ++allocation.packets_to_client;
  allocation.bytes_to_client += data.size();
  ++stats_.packets_to_clients;
  stats_.bytes_to_clients += data.size();
  return Forwarded{*transmit, std::nullopt};
}

// ChannelData if the peer has a channel, else a Data indication.
std::optional<net::Transmit> Server::write_to_client(Allocation& allocation, const net::Endpoint& peer, ByteView data,
                                                     Time now, Bytes out) {
  const ClientPath& client = allocation.client;
  net::Transmit transmit;
  transmit.local = client.local;
  transmit.remote = client.remote;
  transmit.protocol = client.protocol;
  const Channel* channel = allocation.channel(peer);
  if (channel == nullptr || channel->expires <= now) {
    transmit.size = stun::Builder(out, stun::Method::Data, stun::Class::Indication, new_indication())
                        .add_xor_address(Attribute::XorPeerAddress, peer)
                        .add(Attribute::Data, data)
                        .finish()
                        .size();
    return transmit.size == 0 ? std::nullopt : std::optional(transmit);
  }
  const size_t size = kChannelHeader + data.size();
  transmit.size = is_stream(client.protocol) ? padded(size) : size;
  if (data.size() > 0xffff || transmit.size > out.size()) return std::nullopt;
  write_channel_header(out.data(), channel->number, data.size());
  if (!data.empty()) std::memmove(&out[kChannelHeader], data.data(), data.size());
  std::ranges::fill(out.subspan(size, transmit.size - size), uint8_t{0});
  return transmit;
}

void Server::handle_peer_error(RelayId id, const net::Endpoint& peer, const IcmpError& error, Time now) {
  const Relay* relay = relay_at(id);
  if (relay == nullptr || relay->reserved) return;
  Allocation& allocation = *allocations_[relay->allocation];
  if (!allocation.request.answered || !told_of(error, peer.ip.is_v4())) return;
  if (!allocation.permitted(peer.ip, now)) return drops_.add(ServerDrop::NoPermission);
  if (now >= allocation.peer_errors_since + std::chrono::seconds(1)) {
    allocation.peer_errors_since = now;
    allocation.peer_errors = 0;
  }
  if (++allocation.peer_errors > kMaxPeerErrorsPerSecond) return drops_.add(ServerDrop::PeerErrors);
  ++stats_.peer_errors;
  std::array<uint8_t, kMaxAnswer> memory{};
  stun::Builder builder(memory, stun::Method::Data, stun::Class::Indication, new_indication());
  builder.add_xor_address(Attribute::XorPeerAddress, peer)
      .add_u64(Attribute::Icmp, icmp_value(with_mtu_only(error, peer.ip.is_v4())));
  send_answer(allocation.client, builder, nullptr, false);
}

}  // namespace kaon::turn
