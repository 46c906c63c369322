// Life cycle of the TURN client, and the way of the data.
#include "kaon/turn/client.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kaon/base/assert.h"
#include "kaon/stun/builder.h"

namespace kaon::turn {

using stun::Attribute;

std::string_view to_text(ClientError error) {
  static constexpr std::array<std::string_view, 11> kTexts{"no answer from the TURN server",
                                                           "user or password refused",
                                                           "forbidden",
                                                           "allocation mismatch",
                                                           "quota reached",
                                                           "no capacity",
                                                           "not supported",
                                                           "another server shall be asked",
                                                           "error of the server",
                                                           "malformed answer",
                                                           "the HTTP proxy refuses"};
  return kTexts[static_cast<size_t>(error)];
}

Client::Client(Env env, Config config, Time now) : env_(env), config_(std::move(config)), asked_(config_.families) {
  config_.timing.reliable = is_stream(config_.protocol);
  if (config_.username.size() > kMaxUser) config_.username.clear();
  ask(Kind::Allocate, {}, now);
}

void Client::become_closed() {
  state_ = State::Closed;
  relayed_ = {};
  refresh_at_ = kNever;
  requests_.clear();
  permissions_.clear();
  channels_.clear();
}

void Client::fail_with(ClientFailed failure) {
  become_closed();
  events_.push_back(std::move(failure));
}

// RFC 8656 §8: a lifetime of zero. An Allocate that is under way may have been granted already.
void Client::close(Time now) {
  if (state_ == State::Closed || state_ == State::Closing) return;
  const bool known = state_ == State::Allocated || credential_.has_value();
  become_closed();
  if (!known) return;
  state_ = State::Closing;
  ask(Kind::Refresh, {}, now);
  tick(requests_.back(), now);
}

void Client::handle_timeout(Time now) {
  // By index and from the back: what times out removes itself, or everything.
  for (size_t i = requests_.size(); i > 0; --i) {
    if (i <= requests_.size()) tick(requests_[i - 1], now);
  }
  if (state_ == State::Allocated) renew(now);
}

void Client::renew(Time now) {
  if (now >= refresh_at_) {
    refresh_at_ = kNever;
    ask(Kind::Refresh, {}, now);
    tick(requests_.back(), now);
  }
  // What has not been used since it was given ends by itself.
  std::erase_if(permissions_, [&](const Permission& p) {
    return now >= p.renew && (p.grant == Grant::Refused || (p.used <= p.given && !p.kept));
  });
  for (Permission& p : permissions_) {
    if (now < p.renew) continue;
    p.renew = kNever;
    ask(Kind::Permission, {p.ip, 0}, now);
    tick(requests_.back(), now);
  }
  for (Channel& c : channels_) {
    if (now < c.renew) continue;
    c.renew = kNever;
    // Its number stays its own: it may not go to another peer for five minutes more (RFC 8656 §12.1).
    if (c.used <= c.given) {
      c.grant = Grant::Lapsed;
      continue;
    }
    ask(Kind::Channel, c.peer, now);
    tick(requests_.back(), now);
  }
}

Time Client::next_timeout() const {
  Time next = refresh_at_;
  for (const Request& r : requests_) next = std::min(next, r.clock.next_timeout());
  for (const Permission& p : permissions_) next = std::min(next, p.renew);
  for (const Channel& c : channels_) next = std::min(next, c.renew);
  return next;
}

std::optional<net::Transmit> Client::poll_transmit(Bytes out) {
  for (Request& request : requests_) {
    if (!std::exchange(request.send, false)) continue;
    net::Transmit transmit;
    transmit.local = config_.local;
    transmit.remote = config_.server;
    transmit.protocol = config_.protocol;
    transmit.size = write(request, out);
    KAON_ASSERT(transmit.size != 0);
    if (state_ == State::Closing) become_closed();
    return transmit;
  }
  return std::nullopt;
}

std::optional<ClientEvent> Client::poll_event() {
  if (events_.empty()) return std::nullopt;
  return events_.pop_front();
}

void Client::handle_packet(const net::Datagram& packet, Time now) {
  if (receive(packet, now)) drops_.add(ClientDrop::Unread);
}

std::optional<Client::FromPeer> Client::receive(const net::Datagram& packet, Time now) {
  if (packet.remote != config_.server || packet.local != config_.local || packet.protocol != config_.protocol) {
    return drop(ClientDrop::WrongAddress);
  }
  if (is_channel_data(packet.bytes)) return from_channel(packet, now);
  const auto message = stun::Message::parse(packet.bytes);
  if (!message) return drop(ClientDrop::Malformed);
  if (message->is(stun::Method::ConnectionAttempt, stun::Class::Indication)) {
    return handle_attempt(*message), std::nullopt;
  }
  if (message->message_class() == stun::Class::Indication) return from_indication(*message, packet, now);
  if (message->message_class() == stun::Class::Request) return drop(ClientDrop::UnknownTransaction);
  handle_answer(*message, now);
  return std::nullopt;
}

std::optional<Client::FromPeer> Client::from_channel(const net::Datagram& packet, Time now) {
  const auto parsed = parse_channel_data(packet.bytes);
  if (!parsed) return drop(ClientDrop::Malformed);
  const auto it = std::ranges::find(channels_, parsed->channel, &Channel::number);
  if (it == channels_.end() || it->grant == Grant::Refused) return drop(ClientDrop::UnknownChannel);
  it->used = now;
  return FromPeer{it->peer, packet.bytes.subspan(kChannelHeader, parsed->data.size())};
}

void Client::tell_peer(ClientEvent event) {
  if (events_.size() < kMaxEvents) events_.push_back(std::move(event));
}

// RFC 6062 §4.4. Indications are not authenticated; who cannot be bound comes to nothing.
void Client::handle_attempt(const stun::Message& message) {
  const auto peer = message.xor_address(Attribute::XorPeerAddress);
  const auto id = message.u32(Attribute::ConnectionId);
  if (!config_.tcp || !peer || !id || !relayed()) return drops_.add(ClientDrop::Malformed);
  const Permission* p = permission(peer->ip);
  if (p == nullptr || p->grant == Grant::Refused) return drops_.add(ClientDrop::UnknownPeer);
  tell_peer(PeerConnected{*peer, ConnectionId(*id), false});
}

bool Client::connect(const net::Endpoint& peer, Time now) {
  const auto under_way = std::ranges::count(requests_, Kind::Connect, &Request::kind);
  if (!config_.tcp || state_ != State::Allocated || static_cast<size_t>(under_way) >= kMaxConnects) return false;
  ask(Kind::Connect, peer, now);
  tick(requests_.back(), now);
  return true;
}

bool Client::let_in(const net::IpAddress& peer, Time now) {
  if (!config_.tcp || state_ != State::Allocated) return false;
  Permission* p = permit(peer, now);
  if (p != nullptr) p->kept = true;
  return p != nullptr;
}

void Client::handle_peer_error(const net::Endpoint& peer, const IcmpError& error) {
  if (events_.size() < kMaxEvents) events_.push_back(PeerUnreachable{peer, error});
}

// Indications are not authenticated (RFC 8656 §11): what they bring is believed as little as any datagram.
std::optional<Client::FromPeer> Client::from_indication(const stun::Message& message, const net::Datagram& packet,
                                                        Time now) {
  const auto peer = message.xor_address(Attribute::XorPeerAddress);
  const auto data = message.find(Attribute::Data);
  const auto icmp = message.u64(Attribute::Icmp);
  if (message.method() != stun::Method::Data || !peer || data.has_value() == icmp.has_value() || !relayed()) {
    return drop(ClientDrop::Malformed);
  }
  Permission* p = permission(peer->ip);
  if (p == nullptr || p->grant == Grant::Refused) return drop(ClientDrop::UnknownPeer);
  if (icmp) return handle_peer_error(*peer, icmp_of(*icmp)), std::nullopt;
  p->used = now;
  return FromPeer{*peer, packet.bytes.subspan(static_cast<size_t>(data->data() - packet.bytes.data()), data->size())};
}

// The permission of this address, asked for if there is none; null if there is no room for it.
Client::Permission* Client::permit(const net::IpAddress& ip, Time now) {
  if (Permission* known = permission(ip)) {
    known->used = now;
    return known;
  }
  if (permissions_.size() >= kMaxPermissions) {
    const auto oldest = std::ranges::min_element(permissions_, {}, &Permission::used);
    if (oldest->grant == Grant::Asked) return nullptr;
    permissions_.erase(oldest);
  }
  permissions_.push_back({.ip = ip, .used = now});
  ask(Kind::Permission, {ip, 0}, now);
  tick(requests_.back(), now);
  return &permissions_.back();
}

const Client::Channel* Client::channel_to(const net::Endpoint& peer, bool wanted, Time now) {
  Channel* known = channel(peer);
  if (known == nullptr && wanted && channels_.size() < kMaxChannels) {
    channels_.push_back({.peer = peer, .number = static_cast<uint16_t>(kMinChannel + channels_.size())});
    ask(Kind::Channel, peer, now);
    tick(requests_.back(), now);
    known = &channels_.back();
  }
  if (known == nullptr) return nullptr;
  known->used = now;
  if (known->grant == Grant::Lapsed && wanted) {
    known->grant = Grant::Asked;
    ask(Kind::Channel, peer, now);
    tick(requests_.back(), now);
  }
  return known->grant == Grant::Given ? known : nullptr;
}

std::optional<Client::Envelope> Client::wrap(const net::Endpoint& peer, ByteView data, Bytes header, Time now) {
  if (state_ != State::Allocated || config_.tcp) return drop(ClientDrop::NoAllocation);
  if (data.size() > 0xffff - kMaxHeader) return drop(ClientDrop::TooBig);
  if (!relayed(peer.ip.family())) return drop(ClientDrop::NoRelay);
  const Permission* permission = permit(peer.ip, now);
  if (permission == nullptr) return drop(ClientDrop::TooManyPeers);
  if (permission->grant == Grant::Refused) return drop(ClientDrop::Refused);
  const size_t padding = padded(data.size()) - data.size();
  if (const Channel* c = channel_to(peer, !stun::is_stun(data), now)) {
    write_channel_header(header.data(), c->number, data.size());
    return Envelope{kChannelHeader, is_stream(config_.protocol) ? padding : 0};
  }
  // A Send indication whose last attribute, DATA, is the caller's memory.
  const auto id = stun::TransactionId::random(env_.random);
  const size_t size = stun::Builder(header, stun::Method::Send, stun::Class::Indication, id)
                          .add_xor_address(Attribute::XorPeerAddress, peer)
                          .finish()
                          .size();
  KAON_ASSERT(size != 0 && size + 4 <= header.size());
  store_be16(&header[size], static_cast<uint16_t>(Attribute::Data));
  store_be16(&header[size + 2], static_cast<uint16_t>(data.size()));
  store_be16(&header[2], static_cast<uint16_t>(size + 4 + padded(data.size()) - stun::kHeaderSize));
  return Envelope{size + 4, padding};
}

}  // namespace kaon::turn
