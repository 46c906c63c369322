// The TURN client without sockets (RFC 8656, 8489): one allocation.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kaon/base/counters.h"
#include "kaon/base/env.h"
#include "kaon/base/ring.h"
#include "kaon/net/engine.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"
#include "kaon/stun/message.h"
#include "kaon/stun/transaction.h"
#include "kaon/turn/bind_request.h"
#include "kaon/turn/internal/client_credential.h"
#include "kaon/turn/wire.h"

namespace kaon::turn {

enum class ClientError : uint8_t {
  Timeout,               ///< no answer
  Unauthorized,          ///< 401 or 441: the server does not take user and password
  Forbidden,             ///< 403
  AllocationMismatch,    ///< 437: our address has an allocation already, or ours is gone
  QuotaReached,          ///< 486
  InsufficientCapacity,  ///< 508
  Unsupported,           ///< 420, 440, 442: something we ask for is not there
  TryAlternate,          ///< 300: another server shall be asked
  ServerError,           ///< any other error
  BadResponse,           ///< an answer without what it must have
  ProxyRefused,          ///< an HTTP proxy on the way does not let us through; told by io::Relay only
};
std::string_view to_text(ClientError error);

/// Of which families the relayed addresses of an allocation shall be. A server that does not give both is asked for
/// IPv4 alone, and if it has none for IPv6 alone.
enum class RelayFamilies : uint8_t { V4, V6, Both };

/// The server relays for us.
struct Allocated {
  net::Endpoint relayed;
  net::Endpoint mapped;  ///< our own address as the server sees it
  Duration rtt;          ///< of the last request; zero if it was repeated
  /// The IPv6 one of two; then `relayed` is the IPv4 one.
  std::optional<net::Endpoint> second{};
};
/// ALTERNATE-SERVER and ALTERNATE-DOMAIN, RFC 8489 §14.15, §14.16. Whether to go there: Redirects.
struct Alternate {
  net::Endpoint server{};
  std::string domain{};  ///< its certificate is for this name; empty for that of the server that answers
};
/// There is no allocation, or not any more; the client is inert from now on.
struct ClientFailed {
  ClientError error{};
  uint16_t number = 0;    ///< of the answer; 701 without one, as RTCPeerConnectionIceErrorEvent has it
  std::string reason{};   ///< what the server says, printable characters only
  Alternate alternate{};  ///< of TryAlternate
};
/// The server does not relay to this address.
struct PeerRefused {
  net::IpAddress peer;
  uint16_t number = 0;
};
/// The server says that ICMP says that a packet of ours did not reach this peer (RFC 8656 §11.5). Neither of the two is
/// authenticated: a hint for people, nothing to end anything for.
struct PeerUnreachable {
  net::Endpoint peer;
  IcmpError error;
};
/// There is a connection with this peer, to be bound within 30 s.
struct PeerConnected {
  net::Endpoint peer;
  ConnectionId id;
  bool asked = false;  ///< by connect(); else the peer has connected
};
/// A connect() came to nothing.
struct ConnectFailed {
  net::Endpoint peer;
  uint16_t number = 0;  ///< of the server's error, 447 if the peer could not be reached; 701: no answer
};
using ClientEvent = std::variant<Allocated, ClientFailed, PeerRefused, PeerUnreachable, PeerConnected, ConnectFailed>;

enum class ClientDrop : uint8_t {
  WrongAddress,        ///< not from the server to our address
  Malformed,           ///< neither STUN nor ChannelData, or without what it needs
  UnknownTransaction,  ///< an answer that nobody waits for
  BadIntegrity,        ///< an answer that is not the server's
  UnknownChannel,      ///< ChannelData of a channel that we have not bound
  UnknownPeer,         ///< data of an address that we have no permission for
  Unread,              ///< data for a caller of handle_packet()
  NoAllocation,        ///< data to be sent before there is an allocation, or after
  NoRelay,             ///< data for a peer of a family that we have no relayed address of
  Refused,             ///< data for a peer that the server refuses
  TooManyPeers,        ///< data for a peer beyond the bounds
  TooBig,              ///< data longer than a message can be
  Count,
};

/// A net::DatagramEngine towards the server. Messages of TCP and TLS go and come whole, one per call (see
/// next_frame()). wrap() and receive() are the way of the data, which is never copied here.
///
/// Permissions and channels follow from what is sent: the first packet to an address asks for a permission just before
/// it, the first that is no STUN message for a channel too. Both are renewed as long as they are used. Give each client
/// a local port of its own: a server knows one allocation per address.
class Client {
 public:
  /// Longest user name, realm and nonce (RFC 8489 §14.3, §14.9, §14.10).
  static constexpr size_t kMaxUser = 508;
  static constexpr size_t kMaxText = internal::ClientCredential::kMaxText;
  /// Longest ALTERNATE-DOMAIN (RFC 8489 §14.16).
  static constexpr size_t kMaxDomain = 255;
  /// Largest packet written.
  static constexpr size_t kMaxPacket = 2560;
  /// Largest header written by wrap(): a Send indication to an IPv6 address.
  static constexpr size_t kMaxHeader = 20 + 24 + 4;
  /// Addresses with a permission; the one unused longest gives way.
  static constexpr size_t kMaxPermissions = 128;
  /// Later peers are reached by Send indications.
  static constexpr size_t kMaxChannels = 32;
  /// Connect requests under way.
  static constexpr size_t kMaxConnects = 64;
  /// Events that wait for poll_event(); later ones of peers are lost.
  static constexpr size_t kMaxEvents = 64;

  struct Config {
    net::Endpoint local;
    net::Endpoint server;
    net::Protocol protocol = net::Protocol::Udp;
    /// Texts outside of ASCII must have been prepared with the OpaqueString profile.
    std::string username;
    std::string password;
    /// IPv4 is what a server gives unasked.
    RelayFamilies families = RelayFamilies::V4;
    /// A relay for TCP (RFC 6062), over Tcp and Tls only: then there is no data here, but connections with peers, each
    /// bound to a connection of its own to the server by a BindRequest.
    bool tcp = false;
    stun::Timing timing{.rto = std::chrono::milliseconds(500), .requests = 5, .last_wait = 4};
  };

  /// What wrap() has done: bytes in front of the data, and zero bytes that must follow it.
  struct Envelope {
    size_t header = 0;
    size_t padding = 0;
  };
  /// A peer's data, inside the packet it came in.
  struct FromPeer {
    net::Endpoint peer;
    Bytes data;
  };

  Client(Env env, Config config, Time now);

  // -- the five calls ------------------------------------------------------------------------------------------------
  void handle_packet(const net::Datagram& packet, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const;
  /// `out` must hold kMaxPacket bytes. What waits here must be sent before the data that made it wait.
  std::optional<net::Transmit> poll_transmit(Bytes out);
  std::optional<ClientEvent> poll_event();

  // -- data ----------------------------------------------------------------------------------------------------------
  /// As handle_packet(), but gives a peer's data to the caller.
  std::optional<FromPeer> receive(const net::Datagram& packet, Time now);
  /// Writes what goes in front of `data` on its way to `peer`; `header` holds kMaxHeader bytes. Nothing if the data
  /// cannot be sent (counted).
  std::optional<Envelope> wrap(const net::Endpoint& peer, ByteView data, Bytes header, Time now);

  // -- TCP connections with peers (RFC 6062), while there is an allocation --------------------------------------------
  /// Asks for one; PeerConnected or ConnectFailed tells. False if there are too many under way.
  bool connect(const net::Endpoint& peer, Time now);
  /// Peers of this address may connect from now on. False if there are too many of them.
  bool let_in(const net::IpAddress& peer, Time now);
  /// What binds a connection that an event told of.
  BindRequest bind(ConnectionId id) const { return BindRequest(id, credential_); }

  /// Gives the allocation back: one more request waits for poll_transmit(), whose answer nobody waits for.
  void close(Time now);

  // -- getters -------------------------------------------------------------------------------------------------------
  const Config& config() const { return config_; }
  /// The relayed address while there is one; of two the IPv4 one.
  const std::optional<net::Endpoint>& relayed() const { return relayed_[relayed_[0] ? 0 : 1]; }
  /// The one that packets to and from peers of this family take.
  const std::optional<net::Endpoint>& relayed(net::Family family) const {
    return relayed_[family == net::Family::V6 ? 1 : 0];
  }
  bool pending() const { return state_ == State::Allocating; }
  bool closed() const { return state_ == State::Closed; }
  const Counters<ClientDrop>& drops() const { return drops_; }

 private:
  enum class State : uint8_t { Allocating, Allocated, Closing, Closed };
  enum class Kind : uint8_t { Allocate, Refresh, Permission, Channel, Connect };
  enum class Grant : uint8_t { Asked, Given, Refused, Lapsed };
  struct Permission {
    net::IpAddress ip;
    Grant grant = Grant::Asked;
    Time given{};
    Time renew = kNever;
    Time used{};
    bool kept = false;  // renewed although nothing is sent
  };
  struct Channel {
    net::Endpoint peer;
    uint16_t number = 0;
    Grant grant = Grant::Asked;
    Time given{};
    Time renew = kNever;
    Time used{};
  };
  struct Request {
    Kind kind{};
    stun::Transaction clock;
    net::Endpoint peer;  // of Permission (without port) and Channel
    bool authentic = false;
    bool send = false;
    int nonces = 0;  // new ones got for it
  };

  // client.cc: life cycle, data
  void become_closed();
  void fail_with(ClientFailed failure);
  Permission* permit(const net::IpAddress& ip, Time now);
  const Channel* channel_to(const net::Endpoint& peer, bool wanted, Time now);
  std::optional<FromPeer> from_channel(const net::Datagram& packet, Time now);
  void handle_attempt(const stun::Message& message);
  void tell_peer(ClientEvent event);
  void handle_peer_error(const net::Endpoint& peer, const IcmpError& error);
  std::optional<FromPeer> from_indication(const stun::Message& message, const net::Datagram& packet, Time now);
  void renew(Time now);
  std::nullopt_t drop(ClientDrop reason) { return drops_.add(reason), std::nullopt; }

  // client_requests.cc: requests and their answers
  static stun::Method method_of(Kind kind);
  void ask(Kind kind, const net::Endpoint& peer, Time now, int nonces = 0);
  void tick(Request& request, Time now);
  size_t write(const Request& request, Bytes out) const;
  void handle_answer(const stun::Message& message, Time now);
  void handle_success(const Request& request, const stun::Message& message, Time now);
  void handle_allocated(const Request& request, const stun::Message& message, Time now);
  void handle_error(const Request& request, const stun::Message& message, Time now);
  bool ask_for_less(uint16_t number);
  bool take_relayed(const stun::Message& message);
  void refuse(const Request& request, uint16_t number, std::string_view reason, Alternate alternate = {});
  void plan_refresh(const stun::Message& message, Time now);
  Permission* permission(const net::IpAddress& ip);
  Channel* channel(const net::Endpoint& peer);

  Env env_;
  Config config_;
  State state_ = State::Allocating;
  RelayFamilies asked_;
  std::array<std::optional<net::Endpoint>, 2> relayed_;   // IPv4, IPv6
  std::optional<internal::ClientCredential> credential_;  // what the server has asked for
  Time refresh_at_ = kNever;
  std::vector<Request> requests_;
  std::vector<Permission> permissions_;
  std::vector<Channel> channels_;
  Ring<ClientEvent> events_;
  Counters<ClientDrop> drops_;
};

static_assert(net::DatagramEngine<Client>);

}  // namespace kaon::turn
