// The TURN server without sockets (RFC 8656, 8489, 8016, 6062), which is a STUN server too.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kaon/base/counters.h"
#include "kaon/base/env.h"
#include "kaon/base/ring.h"
#include "kaon/net/engine.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/message.h"
#include "kaon/turn/authenticator.h"
#include "kaon/turn/internal/allocation.h"
#include "kaon/turn/internal/answer_limiter.h"
#include "kaon/turn/server_types.h"

namespace kaon::turn {

/// All allocations of one loop, as a net::DatagramEngine towards the clients. The owner opens and closes relay sockets
/// as the events say and brings what they receive by handle_peer_packet(). Messages of TCP and TLS come whole, one per
/// call (see next_frame()).
///
/// handle_packet() and handle_peer_packet() keep what is to be sent for poll_transmit(). An owner for whom a copy is
/// too much calls forward() and forward_from_peer() in their place, which write what is passed on into his memory at
/// once: the data is copied once, and nothing is allocated.
///
/// Rules beyond the RFCs: who has not authenticated gets nothing larger than his request, but for the challenge (at
/// most kMaxChallenge bytes) and the answer to Binding, and over UDP only so many per second; data of a client needs a
/// permission for Send and a channel for ChannelData, data of a peer always a permission; a reserved port goes with the
/// allocation that reserved it.
class Server {
 public:
  /// Longest realm and software texts.
  static constexpr size_t kMaxText = 128;
  /// Largest answer to a request.
  static constexpr size_t kMaxAnswer = 512;
  /// Largest answer to who has not authenticated: with the longest realm.
  static constexpr size_t kMaxChallenge = 92 + kMaxText;
  /// Bytes that forward_from_peer() adds to the data at most: a Data indication with an IPv6 address, and padding.
  static constexpr size_t kMaxOverhead = 20 + 24 + 4 + 3;
  static constexpr size_t kMaxDatagram = 65535;
  /// Largest packet written.
  static constexpr size_t kMaxPacket = kMaxDatagram + kMaxOverhead;
  /// Per allocation; beyond them requests get 508.
  static constexpr size_t kMaxPermissions = 256;
  static constexpr size_t kMaxChannels = 256;
  /// Addresses in one CreatePermission request.
  static constexpr size_t kMaxPeersPerRequest = 32;
  /// TCP connections with peers of one allocation; beyond them requests get 508, and peers are not let in.
  static constexpr size_t kMaxConnections = 64;
  /// RFC 6062 §5.2, §5.3: so long a peer may take to answer, and then the client to bind its data connection.
  static constexpr Duration kConnectTimeout = std::chrono::seconds(30);
  static constexpr Duration kBindTimeout = std::chrono::seconds(30);
  /// Packets that wait for poll_transmit(); further ones are dropped.
  static constexpr size_t kMaxQueued = 1024;
  /// Events that wait; beyond them, refusals are not told and nobody gets a new allocation.
  static constexpr size_t kMaxEvents = 4096;
  /// Refused events; more are not told.
  static constexpr int kMaxRefusedPerSecond = 100;
  /// What ICMP says of peers, told to one client; more is dropped.
  static constexpr int kMaxPeerErrorsPerSecond = 10;

  Server(Env env, ServerConfig config);

  // -- the five calls ------------------------------------------------------------------------------------------------
  void handle_packet(const net::Datagram& packet, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const;
  /// `out` must hold kMaxPacket bytes, kMaxAnswer if only forward() is used. What goes to a peer has the relay's
  /// address as its local one.
  std::optional<net::Transmit> poll_transmit(Bytes out);
  std::optional<ServerEvent> poll_event();

  // -- relays --------------------------------------------------------------------------------------------------------
  /// The socket is open; `address` is what peers see of it.
  void relay_opened(RelayId id, const net::Endpoint& address, Time now);
  void relay_failed(RelayId id, Time now);
  /// A datagram from a peer.
  void handle_peer_packet(RelayId id, const net::Endpoint& peer, ByteView data, Time now);
  /// A datagram of ours to this peer came to nothing: told to the client as RFC 8656 §11.5 says, if it has a permission
  /// for the peer, kMaxPeerErrorsPerSecond times a second at most.
  void handle_peer_error(RelayId id, const net::Endpoint& peer, const IcmpError& error, Time now);

  // -- TCP connections with peers (RFC 6062); calls with the id of one that has ended do nothing
  // ------------------------
  void peer_connected(ConnectionId id, Time now);
  void peer_failed(ConnectionId id, Time now);
  /// A peer has connected to a relay. Nothing: close the connection at once.
  std::optional<ConnectionId> accept_peer(RelayId id, const net::Endpoint& peer, Time now);
  /// Whether so many bytes of a bound connection may go on now, which are counted then; else ask again a little later.
  /// At most ByteBucket::kLeastBurst bytes, or they might never.
  bool carry(ConnectionId id, bool to_peer, size_t bytes, Time now);
  /// A connection with a peer, or the client's that it was bound to, has ended.
  void peer_closed(ConnectionId id);

  // -- the fast way --------------------------------------------------------------------------------------------------
  /// As handle_packet(), but data for a peer is written to `out`, which must hold the packet's size.
  std::optional<Forwarded> forward(const net::Datagram& packet, Time now, Bytes out);
  /// As handle_peer_packet(); `out` must hold the size and kMaxOverhead.
  std::optional<Forwarded> forward_from_peer(RelayId id, const net::Endpoint& peer, ByteView data, Time now, Bytes out);

  // -- commands ------------------------------------------------------------------------------------------------------
  /// A connection over TCP, TLS or DTLS has ended; an allocation that may move lives on until it expires.
  void client_gone(const ClientPath& client, Time now);
  /// From now on nobody gets a new allocation (508, or 300 with an alternate server); those there are live on as long
  /// as they are refreshed.
  void drain() { draining_ = true; }

  // -- getters -------------------------------------------------------------------------------------------------------
  size_t allocations() const { return by_client_.size(); }
  size_t connections() const { return connections_.size(); }
  bool has_allocation(const ClientPath& client) const { return by_client_.contains(client); }
  const ServerStats& stats() const { return stats_; }
  const Counters<ServerDrop>& drops() const { return drops_; }

 private:
  using Allocation = internal::Allocation;
  using Relay = internal::Relay;

  /// A request under way, and what its answer is made of.
  struct Request {
    const stun::Message& message;
    ClientPath client;
    Time now;
    Credential credential{};
    bool authentic = false;
  };
  struct Queued {
    net::Transmit transmit;
    std::vector<uint8_t> bytes;
  };
  struct PathHash {
    uint64_t seed;
    size_t operator()(const ClientPath& path) const;
  };

  // server.cc: dispatch, answers
  void handle_message(const stun::Message& message, const ClientPath& client, Time now);
  void dispatch(Request& request);
  void answer_binding(Request& request);
  bool may_answer(const Request& request);
  void refuse(Request& request, stun::ErrorNumber error);
  void send_answer(const ClientPath& to, stun::Builder& builder, const Credential* credential, bool fingerprint);
  void tell_refused(const ClientPath& client, stun::Method method, stun::ErrorNumber error, std::string_view user,
                    Time now);
  void enqueue(const net::Transmit& transmit, ByteView bytes);
  void tell(ServerEvent event) { events_.push_back(std::move(event)); }

  // server_allocate.cc: Allocate, from the request to the answer
  void allocate(Request& request);
  struct Wish;
  Result<Wish, stun::ErrorNumber> wish_of(const Request& request) const;
  Result<Wish, stun::ErrorNumber> with_families(const stun::Message& message, Wish wish) const;
  std::optional<stun::ErrorNumber> refusal(const Request& request, const Wish& wish) const;
  std::optional<stun::ErrorNumber> count_in(const Request& request);
  stun::ErrorNumber full_for(const ClientPath& client) const;
  const net::Endpoint* alternate_for(const ClientPath& client) const;
  uint32_t begin_allocation(const Request& request, const Wish& wish);
  void take_reserved(uint32_t index, uint64_t token);
  void open_relays(uint32_t index, const Wish& wish);
  void settle(uint32_t index, Time now);
  void answer_allocate(Allocation& allocation, Time now);

  // server_requests.cc: what wants an allocation
  void refresh(Request& request);
  std::optional<stun::ErrorNumber> move_here(const Request& request);
  void refresh_until(Request& request, Allocation& allocation, net::Family family);
  void create_permission(Request& request);
  void bind_channel(Request& request);
  std::optional<stun::ErrorNumber> peer_refusal(const Allocation& allocation, const net::IpAddress& ip) const;
  static bool permit(Allocation& allocation, std::span<const net::IpAddress> ips, Time now);
  void answer_plainly(const Request& request);

  // server_tcp.cc: connections with peers
  using PeerConnection = internal::PeerConnection;
  void connect(Request& request);
  void bind_connection(Request& request);
  std::string_view user_to_bind(const stun::Message& message) const;
  std::optional<stun::ErrorNumber> connection_refusal(const Allocation& allocation, const net::Endpoint& peer) const;
  std::optional<stun::ErrorNumber> no_room_for_connection(const Allocation& allocation) const;
  PeerConnection* connection(ConnectionId id);
  ConnectionId new_connection(uint32_t allocation, const net::Endpoint& peer, PeerConnection::State state, Time now);
  void connection_expires_at(ConnectionId id, PeerConnection& connection, Time when);
  void answer_connect(const PeerConnection& connection, std::optional<ConnectionId> id, Time now);
  void expire_connection(ConnectionId id, Time now);
  void forget_connection(ConnectionId id);
  void close_connections(Allocation& allocation, net::Family family);

  // server_data.cc: data
  std::optional<Forwarded> from_channel(const net::Datagram& packet, Time now, Bytes out);
  std::optional<Forwarded> from_send(const stun::Message& message, const ClientPath& client, Time now, Bytes out);
  std::optional<Forwarded> to_peer(Allocation& allocation, const net::Endpoint& peer, ByteView data, Time now,
                                   Bytes out);
  stun::TransactionId new_indication();
  bool within_rate(Allocation& allocation, size_t bytes, Time now);
  std::optional<net::Transmit> write_to_client(Allocation& allocation, const net::Endpoint& peer, ByteView data,
                                               Time now, Bytes out);

  // server_state.cc: allocations and relays
  /// The answered one of this client.
  Allocation* find(const ClientPath& client);
  Relay* relay_at(RelayId id);
  RelayId id_of(uint32_t index) const;
  uint32_t new_relay(net::Family family, uint32_t allocation);
  void close_relay(uint32_t index);
  void free_relay(uint32_t index);
  void new_ticket(uint32_t index);
  void expire_at(uint32_t index, Time when);
  void close(uint32_t index, CloseReason reason, Time now);
  void close_relays(Allocation& allocation);
  void leave_usage(const Allocation& allocation);
  std::nullopt_t drop(ServerDrop reason) { return drops_.add(reason), std::nullopt; }

  Env env_;
  ServerConfig config_;
  Authenticator authenticator_;
  internal::AnswerLimiter limiter_;
  internal::ByteBucket bucket_;
  std::vector<std::unique_ptr<Allocation>> allocations_;
  std::vector<uint32_t> free_allocations_;
  std::unordered_map<ClientPath, uint32_t, PathHash> by_client_;
  std::unordered_map<std::string, std::unique_ptr<internal::Usage>> usage_;
  std::unordered_map<uint64_t, uint32_t> by_token_;  // to the allocation that has reserved a port
  std::vector<Relay> relays_;
  std::vector<uint32_t> free_relays_;
  std::set<std::pair<Time, uint32_t>> deadlines_;  // of allocations
  std::unordered_map<ConnectionId, PeerConnection> connections_;
  std::set<std::pair<Time, ConnectionId>> connection_deadlines_;  // of those that are not bound
  Ring<Queued> queue_;
  Ring<ServerEvent> events_;
  ServerStats stats_;
  Counters<ServerDrop> drops_;
  uint64_t indications_;  // numbers those that we send
  Time refused_window_{};
  int refused_in_window_ = 0;
  bool draining_ = false;
};

static_assert(net::DatagramEngine<Server>);

}  // namespace kaon::turn
