// What a TURN server is told and what it tells.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kaon/base/strong.h"
#include "kaon/base/units.h"
#include "kaon/net/datagram.h"
#include "kaon/stun/attribute.h"
#include "kaon/turn/peer_policy.h"
#include "kaon/turn/wire.h"

namespace kaon::turn {

/// One relayed transport address, that is, one socket of the server's owner. Never used twice.
using RelayId = Strong<struct RelayIdTag, uint64_t>;

/// What RFC 8656 calls the 5-tuple: how a client is reached.
struct ClientPath {
  net::Endpoint local;
  net::Endpoint remote;
  net::Protocol protocol = net::Protocol::Udp;
  auto operator<=>(const ClientPath&) const = default;
};

/// A user with long-term credentials. Texts are taken as they are: those outside of ASCII must have been prepared with
/// the OpaqueString profile.
struct User {
  std::string name;
  std::string password;
};

/// Counts allocations over several servers of one program, one per loop, in the place of each by itself. Called on all
/// their threads.
class AllocationCount {
 public:
  enum class Verdict : uint8_t { Counted, Full, UserFull };
  virtual ~AllocationCount() = default;
  virtual Verdict add(std::string_view user) = 0;
  virtual void remove(std::string_view user) = 0;
};

struct ServerConfig {
  /// At most kMaxRealm bytes; told to everybody.
  std::string realm = "kaon";
  /// SOFTWARE in answers to who has authenticated; empty for none.
  std::string software{};
  std::vector<User> users{};
  /// Secrets of time-limited credentials; each is tried, so that a new one can be brought in before the old one goes.
  std::vector<std::string> secrets{};
  /// Wall clock at Time zero, for time-limited credentials.
  std::chrono::nanoseconds unix_time_at_zero{};
  Duration nonce_lifetime = std::chrono::hours(1);
  Duration max_lifetime = std::chrono::hours(1);
  /// Families that relays can be had for.
  bool relay_v4 = true;
  bool relay_v6 = true;
  /// RFC 8016: a client may go on with its allocation from another address.
  bool mobility = true;
  /// RFC 6062: clients over TCP and TLS may have relays for TCP, too. Off, for no browser asks for them, and with one
  /// a client speaks to any TCP service that `peers` allows.
  bool tcp_relays = false;
  /// TCP connections with peers, those included that are being opened or wait for their client.
  size_t max_connections = 20'000;
  size_t max_connections_per_user = 1'000;
  size_t max_allocations = 20'000;
  /// Of one user, or of one USER in time-limited names.
  size_t max_allocations_per_user = 1'000;
  /// Counts in the place of those two; none: they are for this server alone.
  std::shared_ptr<AllocationCount> count{};
  /// Ports may be put aside for another allocation (EVEN-PORT with its R bit), else 508.
  bool reservations = true;
  /// Both directions together; what exceeds it is dropped, over TCP held back.
  DataRate max_rate_per_user = DataRate::infinite();
  DataRate max_rate = DataRate::infinite();
  /// Answers per second and source address to who has not authenticated, over UDP; ten times as many at once.
  uint32_t unauthenticated_answers_per_second = 100;
  /// Where new clients are sent while this server is full or drains (300, RFC 8489 §10): the first of the client's
  /// family that is not where the request went. None: 508.
  std::vector<net::Endpoint> alternates{};
  /// What the certificates of the alternates are for, where that is not our own name; told over TLS and DTLS (RFC 8489
  /// §14.16). At most Client::kMaxDomain bytes.
  std::string alternate_domain{};
  PeerPolicy peers{};
};

/// Events. The first five are orders to the owner of the sockets.

/// Open a UDP socket on a relay address, or one that listens for TCP; answer by relay_opened() or relay_failed().
/// `even`: the port must be even; `next`: and the port behind it belongs to this other relay.
struct OpenRelay {
  RelayId id;
  net::Family family = net::Family::None;
  bool tcp = false;
  bool even = false;
  std::optional<RelayId> next{};
};
/// Close the socket of this relay.
struct CloseRelay {
  RelayId id;
};
/// Connect by TCP from the address of this relay; answer by peer_connected() or peer_failed(). Nothing is read from the
/// peer until its client is bound: it waits in the system's memory, and the peer then waits too.
struct ConnectPeer {
  ConnectionId id;
  RelayId relay;
  net::Endpoint peer;
};
/// From now on what comes by one connection leaves by the other, behind the answer that waits for the client
/// (RFC 6062 §5.4); peer_closed() when one of them has ended.
struct BindPeer {
  ConnectionId id;
  ClientPath client;
};
/// Close the connection with the peer, and the client's data connection if it is bound.
struct ClosePeer {
  ConnectionId id;
};
struct AllocationOpened {
  ClientPath client;
  std::string user;
  std::vector<net::Endpoint> relayed;
  Duration lifetime;
};
enum class CloseReason : uint8_t { Expired, Refreshed, ClientGone, NoRelay };
struct AllocationClosed {
  ClientPath client;
  std::string user;
  CloseReason reason = CloseReason::Expired;
  Duration age{};
  uint64_t packets_to_peers = 0;
  uint64_t bytes_to_peers = 0;
  uint64_t packets_to_client = 0;
  uint64_t bytes_to_client = 0;
};
/// RFC 8016: the client has another address.
struct AllocationMoved {
  ClientPath from;
  ClientPath to;
};
/// An error was answered to somebody.
struct Refused {
  ClientPath client;
  stun::Method method{};
  stun::ErrorNumber error{};
  std::string user{};  ///< as the request says, empty if it does not
};
using ServerEvent = std::variant<OpenRelay, CloseRelay, ConnectPeer, BindPeer, ClosePeer, AllocationOpened,
                                 AllocationClosed, AllocationMoved, Refused>;

enum class ServerDrop : uint8_t {
  Malformed,      ///< neither STUN nor ChannelData
  NoRequest,      ///< answers, indications and methods that nobody sends to a server
  BadIndication,  ///< a Send indication without peer or data, or with an attribute we do not know
  NoAllocation,   ///< data from who has none
  NoChannel,      ///< ChannelData for a channel that is not bound
  NoPermission,   ///< between client and a peer without permission
  Forbidden,      ///< to a peer that the policy refuses
  NoRelay,        ///< no relayed address of the peer's family, or not open any more
  OverRate,       ///< beyond the rate of the user or of the server
  TooBig,         ///< longer than the memory given, or than a message can be
  TooMany,        ///< answers to who has not authenticated, beyond their rate
  PeerErrors,     ///< ICMP messages about peers of one client, beyond their rate
  TooManyPeers,   ///< TCP connections of peers, beyond a bound
  QueueFull,      ///< more waits for poll_transmit() than the bound allows
  Count,
};

/// Since the start.
struct ServerStats {
  uint64_t requests = 0;
  uint64_t bindings = 0;
  uint64_t allocations = 0;
  uint64_t refreshes = 0;
  uint64_t unauthenticated = 0;  ///< 401, 438 among the errors
  uint64_t errors = 0;
  uint64_t packets_to_peers = 0;
  uint64_t bytes_to_peers = 0;
  uint64_t packets_to_clients = 0;
  uint64_t bytes_to_clients = 0;
  uint64_t peer_errors = 0;  ///< ICMP messages told to clients
  uint64_t connections = 0;  ///< with peers over TCP, opened or accepted

  ServerStats& operator+=(const ServerStats& other);
};

/// A datagram that goes on.
struct Forwarded {
  net::Transmit transmit;
  /// By which relay it leaves; nothing if it goes to a client.
  std::optional<RelayId> relay{};
};

}  // namespace kaon::turn
