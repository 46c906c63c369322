// A network in virtual time: hosts, links and translators, all driven by one seed.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "kaon/base/counters.h"
#include "kaon/base/function.h"
#include "kaon/base/strong.h"
#include "kaon/net/datagram.h"
#include "kaon/sim/link.h"
#include "kaon/sim/nat.h"

namespace kaon::sim {

using HostId = Strong<struct HostTag, uint32_t>;
using InterfaceId = Strong<struct InterfaceTag, uint32_t>;
using NatId = Strong<struct NatTag, uint32_t>;
/// An address space: the public Internet, or what lies behind one translator.
using RealmId = Strong<struct RealmTag, uint32_t>;
inline constexpr RealmId kInternet{0};

/// Why a packet did not arrive. Losses on links are in their LinkStats.
enum class DropReason : uint8_t {
  NoInterface,  ///< the sender has no interface with the packet's local address
  NoRoute,      ///< nobody has the address
  NatFiltered,  ///< the translator has no mapping for it, or its filter refuses the sender
  NatFull,      ///< the translator's table is full
  NoHairpin,    ///< inside to inside by the outer address, which this translator does not do
  Gone,         ///< the interface went away while the packet was on its way
  NotUdp,       ///< only UDP is simulated
  TooMany,      ///< more than Network::kMaxInFlight packets on their way
  Count,
};

/// Time, topology and the packets on their way. Not thread-safe: one thread per network. It never calls anybody (except
/// the tap): Pump, or the test itself, moves it along.
///
/// Packets cross: the sender's up link, the up link of each translator on the way out, the down link of each on the way
/// in, the receiver's down link. A multicast packet reaches every other interface of its realm.
class Network {
 public:
  /// Packets on their way in all links together; further ones are dropped.
  static constexpr size_t kMaxInFlight = 1 << 18;

  struct Arrival {
    HostId host;
    net::Datagram datagram;  ///< its bytes are valid until the next call of receive()
  };

  /// Virtual time starts at one hour, so that "an hour ago" is a time as well.
  explicit Network(uint64_t seed, Time start = Time(std::chrono::hours(1)));

  uint64_t seed() const { return seed_; }
  /// A seed for part `part` of the test (an engine's random source, for example), unrelated to those used in here.
  uint64_t seed_for(uint64_t part) const;
  Time now() const { return now_; }

  // --- Topology. `both` configures the up and the down link alike.

  HostId add_host();
  HostId add_host(net::IpAddress ip, RealmId realm = kInternet, const LinkConfig& both = {});
  /// The address must be free in the realm (asserted).
  InterfaceId add_interface(HostId host, net::IpAddress ip, RealmId realm = kInternet, const LinkConfig& both = {});
  /// From now on nothing reaches or leaves this address; what is on its way there is lost.
  void remove_interface(InterfaceId interface);
  /// The host's interface with this address, which must exist (asserted).
  InterfaceId interface_of(HostId host, const net::IpAddress& ip) const;
  /// A translator with the address `outside` in `parent`. The default link is perfect.
  NatId add_nat(const NatConfig& config, net::IpAddress outside, RealmId parent = kInternet,
                const LinkConfig& both = {});
  RealmId inside(NatId nat) const { return RealmId(nat.value() + 1); }

  Link& up(InterfaceId interface) { return interfaces_[interface.value()].up; }
  Link& down(InterfaceId interface) { return interfaces_[interface.value()].down; }
  Link& up(NatId nat) { return nats_[nat.value()].up; }
  Link& down(NatId nat) { return nats_[nat.value()].down; }
  /// Nothing passes this interface or translator, in either direction, before `until`.
  void blackout(InterfaceId interface, Time until);
  void blackout(NatId nat, Time until);
  /// The translator forgets its mappings and gives new ports, and a new outer address if one is given.
  void rebind(NatId nat, std::optional<net::IpAddress> outside = std::nullopt);
  const Nat& nat(NatId nat) const { return nats_[nat.value()].nat; }

  // --- Traffic.

  /// Sends a packet, or each packet of a run, from the host's interface with the address `transmit.local.ip` ("any" or
  /// none: the first of the right family).
  void send(HostId from, const net::Transmit& transmit, ByteView bytes);
  /// When the next packet gets a hop further; kNever if none is on its way.
  Time next_event() const { return events_.empty() ? kNever : events_.front().at; }
  /// The next packet that arrives at a host at `until` or before; moves the time to its arrival, or to `until` if there
  /// is none.
  std::optional<Arrival> receive(Time until);

  const Counters<DropReason>& drops() const { return drops_; }
  /// Sees every packet as the receiving host will see it. For captures and checks of what is on the wire.
  void set_tap(Function<void(Time, const net::Datagram&)> tap) { tap_ = std::move(tap); }

 private:
  struct Interface {
    HostId host;
    net::IpAddress ip;
    RealmId realm;
    Link up;
    Link down;
    bool present = true;
  };
  struct NatNode {
    Nat nat;
    RealmId parent;
    Link up;
    Link down;
  };
  enum class Place : uint8_t { Realm, NatOutside, Interface };
  struct Address {
    RealmId realm;
    net::IpAddress ip;
    bool operator==(const Address&) const = default;
  };
  struct AddressHash {
    size_t operator()(const Address& a) const { return std::hash<net::IpAddress>()(a.ip) * 31 + a.realm.value(); }
  };
  struct Owner {
    Place place;
    uint32_t id;
  };
  struct Packet {
    net::Endpoint source;
    net::Endpoint destination;
    net::Ecn ecn = net::Ecn::NotEct;
    Owner next{};  // where the link it is on ends
    std::vector<uint8_t> bytes;
  };
  using PacketId = uint32_t;
  struct Event {
    Time at;
    uint64_t order;
    PacketId packet;
    bool operator>(const Event& o) const { return at != o.at ? at > o.at : order > o.order; }
  };

  const Interface* find_sender(HostId from, const net::IpAddress& local, net::Family family) const;
  PacketId new_packet();
  void drop(PacketId id, DropReason reason);
  void free_packet(PacketId id) { free_.push_back(id); }
  void cross(Link& link, PacketId id, Owner next);
  void schedule(PacketId id, Time at);
  void route(RealmId realm, PacketId id);
  void route_multicast(RealmId realm, PacketId id);
  void leave(NatId nat, PacketId id);
  void enter(NatId nat, PacketId id, bool hairpinned);
  std::optional<Arrival> arrive(PacketId id);

  uint64_t seed_;
  Time now_;
  uint64_t parts_ = 0;
  uint32_t hosts_ = 0;
  std::deque<Interface> interfaces_;  // a deque, because Link& are handed out
  std::deque<NatNode> nats_;
  std::unordered_map<Address, Owner, AddressHash> owners_;
  std::vector<std::vector<InterfaceId>> interfaces_of_;
  std::vector<Packet> packets_;
  std::vector<PacketId> free_;
  std::vector<Event> events_;  // a heap
  uint64_t order_ = 0;
  std::optional<PacketId> handed_out_;
  Counters<DropReason> drops_;
  Function<void(Time, const net::Datagram&)> tap_;
};

}  // namespace kaon::sim
