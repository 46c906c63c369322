// One speaker of Multicast DNS: asks for the names of others and answers for our own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kaon/base/counters.h"
#include "kaon/base/env.h"
#include "kaon/base/result.h"
#include "kaon/base/ring.h"
#include "kaon/mdns/message.h"
#include "kaon/net/engine.h"

namespace kaon::mdns {

inline constexpr uint16_t kPort = 5353;
/// 224.0.0.251 or ff02::fb.
net::IpAddress group(net::Family family);

/// An address of this machine, and the network that is reached from it without a router.
struct Interface {
  uint32_t index = 0;  ///< the system's; several addresses may share it
  net::IpAddress address;
  uint8_t prefix = 0;  ///< bits of the network
};

enum class Error : uint8_t {
  BadName,     ///< not a UUID and ".local"
  BadAddress,  ///< no address of a host
  TooMany,
};

/// The name has this address.
struct Resolved {
  std::string name;
  net::IpAddress address;
};
/// Nobody answered within kLookupTime.
struct Unresolved {
  std::string name;
};
using Event = std::variant<Resolved, Unresolved>;

/// Why a packet, or what a record in it says, was not believed or not answered.
enum class Drop : uint8_t {
  Malformed,
  OffLink,    ///< RFC 6762 §11
  WrongPort,  ///< a response that does not come from port 5353 (§6)
  Conflict,   ///< somebody else answers for a name of ours
  TooOften,   ///< more answers wanted than kMaxAnswersPerSecond
  Count,
};

/// RFC 6762 for the names that hide addresses in ICE candidates (draft-ietf-mmusic-mdns-ice-candidates), querier and
/// responder, as a net::DatagramEngine over all interfaces: to speak on one, Transmit::local is its address, and
/// Datagram::local should be.
///
/// Names are random, so that nobody else has them: they are neither probed nor changed when somebody claims one (the
/// peer has been told ours; it is defended, §9). They are announced by their first answer only, because the one-second
/// limit of §6 would otherwise put off the answer to a question that comes right after the announcement.
class Node {
 public:
  /// Largest packet written.
  static constexpr size_t kMaxPacket = 512;
  static constexpr size_t kMaxInterfaces = 32;
  /// Names of our own.
  static constexpr size_t kMaxNames = 1024;
  /// Names asked for, answered ones that are still valid included; the oldest of those give way.
  static constexpr size_t kMaxLookups = 256;
  /// Packets that wait for poll_transmit(); further ones are not made.
  static constexpr size_t kMaxOutgoing = 256;
  /// Events that wait for poll_event(); the oldest is lost beyond.
  static constexpr size_t kMaxEvents = 2 * kMaxLookups;
  /// Bounds what anybody on the link can make us send.
  static constexpr int kMaxAnswersPerSecond = 100;
  /// Questions are sent after 0, 1, 3 and 7 s (§5.2).
  static constexpr Duration kLookupTime = std::chrono::seconds(10);
  /// Of our records (§10).
  static constexpr uint32_t kTtl = 120;

  explicit Node(Env env) : env_(env) {}

  /// Replaces those that are known; those beyond kMaxInterfaces are left out.
  void set_interfaces(std::vector<Interface> interfaces, Time now);
  /// A new name for this address, answered for from now on.
  Result<std::string, Error> publish(const net::IpAddress& address);
  /// With a goodbye where it was heard (§10.1). A name that is not ours is no harm.
  void withdraw(std::string_view name, Time now);
  /// Resolved or Unresolved follows. Asked again while it is under way it is still one question and one event.
  Result<void, Error> resolve(std::string_view name, Time now);

  void handle_packet(const net::Datagram& packet, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const;
  /// `out` must hold kMaxPacket bytes.
  std::optional<net::Transmit> poll_transmit(Bytes out);
  std::optional<Event> poll_event();

  size_t names() const { return names_.size(); }
  const Counters<Drop>& drops() const { return drops_; }

 private:
  /// A name of ours on one interface.
  struct Told {
    net::IpAddress from;
    Time at = Time::min();  // by multicast
    Time due = kNever;
  };
  struct Name {
    std::string name;
    net::IpAddress address;
    std::vector<Told> told;
  };
  struct Lookup {
    std::string name;
    Time ends{};
    Time next = kNever;
    Duration wait = std::chrono::seconds(1);
    std::optional<net::IpAddress> address;  // then `ends` is when it is no longer valid
  };
  struct Outgoing {
    net::Endpoint local;
    net::Endpoint remote;
    Message message;
  };

  bool on_link(const net::IpAddress& remote) const;
  void handle_response(const Message& message, const net::Datagram& packet, Time now);
  void learn(const Record& record, Time now);
  void defend(const Record& record, const net::IpAddress& on, Time now);
  void handle_query(const Message& message, const net::Datagram& packet, Time now);
  void answer(Name& name, const Question& question, const Message& query, const net::Datagram& packet, Time now);
  bool already_known(const Name& name, const Message& query) const;
  bool may_answer(Time now);
  void multicast_later(Name& name, const net::IpAddress& on, Time now);
  Told& told(Name& name, const net::IpAddress& on);
  const Interface* speaker(const net::IpAddress& local) const;
  void ask(Lookup& lookup, Time now);
  void send(const net::IpAddress& from, const net::Endpoint& to, Message message);
  void tell(Event event);
  Name* find_name(std::string_view name);
  Lookup* find_lookup(std::string_view name);

  Env env_;
  std::vector<Interface> interfaces_;
  std::vector<Interface> speakers_;  // one per network interface and family
  std::vector<Name> names_;
  std::vector<Lookup> lookups_;
  Ring<Outgoing> outgoing_;
  Ring<Event> events_;
  Time answers_from_ = Time::min();  // kMaxAnswersPerSecond are counted from here
  int answers_ = 0;
  Counters<Drop> drops_;
};

static_assert(net::DatagramEngine<Node>);

}  // namespace kaon::mdns
