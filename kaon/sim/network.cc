#include "kaon/sim/network.h"

#include <algorithm>

#include "kaon/sim/seed.h"

namespace kaon::sim {
namespace {

size_t ip_packet_size(const net::IpAddress& destination, size_t payload) {
  constexpr size_t kUdp = 8, kIpv4 = 20, kIpv6 = 40;
  return payload + kUdp + (destination.is_v6() ? kIpv6 : kIpv4);
}

}  // namespace

Network::Network(uint64_t seed, Time start) : seed_(seed), now_(start) {}

uint64_t Network::seed_for(uint64_t part) const { return derive_seed(~seed_, part); }

HostId Network::add_host() {
  interfaces_of_.emplace_back();
  return HostId(hosts_++);
}

HostId Network::add_host(net::IpAddress ip, RealmId realm, const LinkConfig& both) {
  const HostId host = add_host();
  add_interface(host, ip, realm, both);
  return host;
}

InterfaceId Network::add_interface(HostId host, net::IpAddress ip, RealmId realm, const LinkConfig& both) {
  const InterfaceId id(static_cast<uint32_t>(interfaces_.size()));
  KAON_ASSERT(host.value() < hosts_);
  KAON_ASSERT(owners_.emplace(Address{realm, ip}, Owner{Place::Interface, id.value()}).second);
  const uint64_t part = parts_++;
  interfaces_.push_back(
      {host, ip, realm, Link(both, derive_seed(seed_, part * 2)), Link(both, derive_seed(seed_, part * 2 + 1))});
  interfaces_of_[host.value()].push_back(id);
  return id;
}

void Network::remove_interface(InterfaceId id) {
  Interface& interface = interfaces_[id.value()];
  if (!std::exchange(interface.present, false)) return;
  owners_.erase({interface.realm, interface.ip});
  std::erase(interfaces_of_[interface.host.value()], id);
}

InterfaceId Network::interface_of(HostId host, const net::IpAddress& ip) const {
  for (const InterfaceId id : interfaces_of_[host.value()]) {
    if (interfaces_[id.value()].ip == ip) return id;
  }
  KAON_ASSERT(!"the host has no interface with this address");
  return {};
}

NatId Network::add_nat(const NatConfig& config, net::IpAddress outside, RealmId parent, const LinkConfig& both) {
  const NatId id(static_cast<uint32_t>(nats_.size()));
  KAON_ASSERT(owners_.emplace(Address{parent, outside}, Owner{Place::NatOutside, id.value()}).second);
  const uint64_t part = parts_++;
  nats_.push_back({Nat(config, outside, derive_seed(seed_, ~part)), parent, Link(both, derive_seed(seed_, part * 2)),
                   Link(both, derive_seed(seed_, part * 2 + 1))});
  return id;
}

void Network::blackout(InterfaceId interface, Time until) {
  up(interface).blackout(until);
  down(interface).blackout(until);
}

void Network::blackout(NatId nat, Time until) {
  up(nat).blackout(until);
  down(nat).blackout(until);
}

void Network::rebind(NatId id, std::optional<net::IpAddress> outside) {
  NatNode& node = nats_[id.value()];
  if (outside) {
    owners_.erase({node.parent, node.nat.outside()});
    KAON_ASSERT(owners_.emplace(Address{node.parent, *outside}, Owner{Place::NatOutside, id.value()}).second);
  }
  node.nat.rebind(outside);
}

const Network::Interface* Network::find_sender(HostId from, const net::IpAddress& local, net::Family family) const {
  const bool any = local.is_none() || local.is_any();
  for (const InterfaceId id : interfaces_of_[from.value()]) {
    const Interface& interface = interfaces_[id.value()];
    if (any ? interface.ip.family() == family : interface.ip == local) return &interface;
  }
  return nullptr;
}

Network::PacketId Network::new_packet() {
  if (free_.empty()) {
    packets_.emplace_back();
    return static_cast<PacketId>(packets_.size() - 1);
  }
  const PacketId id = free_.back();
  free_.pop_back();
  return id;
}

void Network::drop(PacketId id, DropReason reason) {
  drops_.add(reason);
  free_packet(id);
}

void Network::send(HostId from, const net::Transmit& transmit, ByteView bytes) {
  KAON_ASSERT(from.value() < hosts_);
  const size_t step = transmit.segment_size == 0 ? std::max<size_t>(bytes.size(), 1) : transmit.segment_size;
  size_t offset = 0;
  do {
    const ByteView part = bytes.subspan(offset, std::min(step, bytes.size() - offset));
    offset += part.size();
    if (transmit.protocol != net::Protocol::Udp) {
      drops_.add(DropReason::NotUdp);
      continue;
    }
    const Interface* interface = find_sender(from, transmit.local.ip, transmit.remote.ip.family());
    if (interface == nullptr) {
      drops_.add(DropReason::NoInterface);
      continue;
    }
    if (events_.size() >= kMaxInFlight) {
      drops_.add(DropReason::TooMany);
      continue;
    }
    const PacketId id = new_packet();
    Packet& packet = packets_[id];
    packet.source = {interface->ip, transmit.local.port};
    packet.destination = transmit.remote;
    packet.ecn = transmit.ecn;
    packet.bytes.assign(part.begin(), part.end());
    cross(const_cast<Link&>(interface->up), id, {Place::Realm, interface->realm.value()});
  } while (offset < bytes.size());
}

void Network::schedule(PacketId id, Time at) {
  events_.push_back({at, order_++, id});
  std::push_heap(events_.begin(), events_.end(), std::greater<>());
}

// Puts the packet on a link; frees it if it does not survive that.
void Network::cross(Link& link, PacketId id, Owner next) {
  Packet& packet = packets_[id];
  packet.next = next;
  const Link::Transit transit = link.send(ip_packet_size(packet.destination.ip, packet.bytes.size()), packet.ecn, now_);
  if (transit.congestion_experienced) packet.ecn = net::Ecn::Ce;
  if (transit.count == 0) return free_packet(id);
  if (transit.count == 2) {
    const PacketId copy = new_packet();
    packets_[copy] = packets_[id];
    schedule(copy, transit.at[1]);
  }
  schedule(id, transit.at[0]);
}

// A packet is somewhere in a realm: on to who has its address, or out by the translator.
void Network::route(RealmId realm, PacketId id) {
  const net::IpAddress& destination = packets_[id].destination.ip;
  if (destination.is_multicast()) return route_multicast(realm, id);
  const auto owner = owners_.find({realm, destination});
  if (owner != owners_.end()) {
    const Owner to = owner->second;
    Link& link = to.place == Place::Interface ? interfaces_[to.id].down : nats_[to.id].down;
    return cross(link, id, to);
  }
  if (realm == kInternet) return drop(id, DropReason::NoRoute);
  leave(NatId(realm.value() - 1), id);
}

void Network::route_multicast(RealmId realm, PacketId id) {
  for (size_t i = 0; i < interfaces_.size(); ++i) {
    Interface& to = interfaces_[i];
    const Packet& packet = packets_[id];
    if (!to.present || to.realm != realm || to.ip.family() != packet.destination.ip.family()) continue;
    if (to.ip == packet.source.ip) continue;
    const PacketId copy = new_packet();
    packets_[copy] = packets_[id];
    cross(to.down, copy, {Place::Interface, static_cast<uint32_t>(i)});
  }
  free_packet(id);
}

void Network::leave(NatId nat_id, PacketId id) {
  NatNode& node = nats_[nat_id.value()];
  Packet& packet = packets_[id];
  const bool hairpin = packet.destination.ip == node.nat.outside();
  if (hairpin && !node.nat.config().hairpin) return drop(id, DropReason::NoHairpin);
  const auto outer = node.nat.outbound(packet.source, packet.destination, now_);
  if (!outer) return drop(id, DropReason::NatFull);
  packet.source = *outer;
  if (hairpin) return enter(nat_id, id, true);
  cross(node.up, id, {Place::Realm, node.parent.value()});
}

void Network::enter(NatId nat_id, PacketId id, bool hairpinned) {
  NatNode& node = nats_[nat_id.value()];
  Packet& packet = packets_[id];
  // A change of the outer address while the packet was on its way.
  if (!hairpinned && packet.destination.ip != node.nat.outside()) return drop(id, DropReason::Gone);
  const auto inner = node.nat.inbound(packet.destination.port, packet.source, now_);
  if (!inner) return drop(id, DropReason::NatFiltered);
  packet.destination = *inner;
  const RealmId realm = inside(nat_id);
  // Only to who is inside: a host that left must not send its packets round in circles.
  if (!owners_.contains({realm, inner->ip})) return drop(id, DropReason::Gone);
  route(realm, id);
}

std::optional<Network::Arrival> Network::arrive(PacketId id) {
  Packet& packet = packets_[id];
  const Interface& interface = interfaces_[packet.next.id];
  if (!interface.present) {
    drop(id, DropReason::Gone);
    return std::nullopt;
  }
  handed_out_ = id;
  Arrival arrival;
  arrival.host = interface.host;
  arrival.datagram.local = {interface.ip, packet.destination.port};
  arrival.datagram.remote = packet.source;
  arrival.datagram.ecn = packet.ecn;
  arrival.datagram.bytes = packet.bytes;
  if (tap_) tap_(now_, arrival.datagram);
  return arrival;
}

std::optional<Network::Arrival> Network::receive(Time until) {
  if (handed_out_) free_packet(*std::exchange(handed_out_, std::nullopt));
  while (!events_.empty() && events_.front().at <= until) {
    std::pop_heap(events_.begin(), events_.end(), std::greater<>());
    const Event event = events_.back();
    events_.pop_back();
    now_ = std::max(now_, event.at);
    const Owner next = packets_[event.packet].next;
    switch (next.place) {
      case Place::Realm: route(RealmId(next.id), event.packet); break;
      case Place::NatOutside: enter(NatId(next.id), event.packet, false); break;
      case Place::Interface:
        if (auto arrival = arrive(event.packet)) return arrival;
        break;
    }
  }
  now_ = std::max(now_, until == kNever ? now_ : until);
  return std::nullopt;
}

}  // namespace kaon::sim
