// A TURN server on a loop: its listeners and the sockets of its relays.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kaon/base/env.h"
#include "kaon/base/function.h"
#include "kaon/base/result.h"
#include "kaon/io/udp.h"
#include "kaon/net/address.h"
#include "kaon/turn/server.h"

namespace kaon::io {

class Loop;

/// PEM texts for the listeners of TLS and DTLS.
struct TurnTls {
  std::string certificate;
  std::string private_key;
  /// Certificates of who may sign those of clients; then only clients with one are let in. Empty: nobody is asked.
  std::string client_authorities{};
};

/// An address that relays are opened on.
struct RelayAddress {
  net::IpAddress bind;
  /// What clients are told in its place (1:1 NAT); none for the same.
  net::IpAddress announce{};
};

struct TurnHostOptions {
  /// Where to listen, with port 0 for a free one. TLS and DTLS want `tls`.
  std::vector<net::Endpoint> udp{};
  std::vector<net::Endpoint> tcp{};
  std::vector<net::Endpoint> tls_endpoints{};
  std::vector<net::Endpoint> dtls{};
  std::optional<TurnTls> tls{};
  /// At most one of each family.
  std::vector<RelayAddress> relays{};
  turn::PortRange ports{};
  /// Connections over TCP and TLS at once, and sessions over DTLS; further ones are closed or not answered.
  size_t max_connections = 20'000;
  /// Of several hosts with the same listeners: set by start_turn_hosts().
  PortSharing sharing = PortSharing::None;
  /// Which families are relayed, whose own addresses are and the wall clock are set by the host.
  turn::ServerConfig server{};
};

/// What happened at the edge; what the engine counts is in server().
struct TurnHostStats {
  uint64_t connections = 0;  ///< over TCP and TLS, and sessions over DTLS, since the start
  uint64_t refused = 0;      ///< of those, beyond the bound
  uint64_t too_slow = 0;     ///< closed because they did not finish a message or had no allocation
  uint64_t not_turn = 0;     ///< closed because of what they sent
  uint64_t handshakes_failed = 0;
  uint64_t unsent = 0;  ///< packets dropped because a socket or a connection was full

  TurnHostStats& operator+=(const TurnHostStats& other);
};

/// Drops rather than waits: what does not fit into a socket's buffer, or in that of a connection, is lost and counted.
/// Everything on the loop's thread; destroy it before the loop.
class TurnHost {
 public:
  /// Bytes that wait for one connection; what does not fit is dropped.
  static constexpr size_t kMaxUnsent = 256 * 1024;
  /// A message that has begun, or a handshake, must be whole in this time.
  static constexpr Duration kPatience = std::chrono::seconds(10);
  /// A connection without an allocation lives so long after its last message.
  static constexpr Duration kIdle = std::chrono::seconds(60);
  /// Ports tried for a relay before it is refused: others may be bound by other programs, or by other loops of ours.
  static constexpr int kPortAttempts = 64;

  /// Events of the engine, but for the orders to open and close relays, which are followed here.
  using OnEvent = Function<void(const turn::ServerEvent&)>;

  /// Opens everything, or says in a sentence what it could not.
  static Result<std::unique_ptr<TurnHost>, std::string> start(Loop& loop, TurnHostOptions options, Env env,
                                                              OnEvent on_event);
  virtual ~TurnHost() = default;

  /// Where it listens, with the ports that were chosen, in the order of the options: UDP, TCP, TLS, DTLS.
  virtual std::vector<net::Endpoint> bound(net::Protocol protocol) const = 0;
  virtual const turn::Server& server() const = 0;
  virtual const TurnHostStats& stats() const = 0;
  /// Open connections over TCP and TLS, and sessions over DTLS.
  virtual size_t connections() const = 0;
  /// No new allocations from now on; it is done when server().allocations() is zero.
  virtual void drain() = 0;
};

/// One server on several loops, with threads of their own: hosts that share the listeners' ports and the quotas, in the
/// order of the loops. The system gives each client to one of them by its address, for as long as that stays the same,
/// so there is no mobility, and no port is put aside for another allocation. Relays for TCP want a client's connections
/// on one loop: with them, the first one has all that come over TCP and TLS. Rates hold for a user on each loop, those
/// of the server are divided. `on_event` is called on all loops. Called from outside of them; a host is destroyed on
/// its own.
Result<std::vector<std::unique_ptr<TurnHost>>, std::string> start_turn_hosts(
    std::span<Loop* const> loops, const TurnHostOptions& options, Env env,
    const std::function<void(const turn::ServerEvent&)>& on_event);

}  // namespace kaon::io
