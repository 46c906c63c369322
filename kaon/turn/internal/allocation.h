// What the server keeps of one client.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "kaon/turn/authenticator.h"
#include "kaon/turn/internal/token_bucket.h"
#include "kaon/turn/server_types.h"

namespace kaon::turn::internal {

/// Of one user over all his allocations.
struct Usage {
  explicit Usage(DataRate rate) : bucket(rate) {}
  size_t allocations = 0;
  size_t connections = 0;
  ByteBucket bucket;
};

struct Permission {
  net::IpAddress ip;
  Time expires;
};

struct Channel {
  uint16_t number = 0;
  net::Endpoint peer;
  Time expires;
};

inline constexpr uint32_t kNoIndex = ~uint32_t{0};

/// A free place of the table, or a new one at its end.
template <class T>
uint32_t take_place(std::vector<T>& table, std::vector<uint32_t>& free) {
  if (free.empty()) {
    table.emplace_back();
    return static_cast<uint32_t>(table.size() - 1);
  }
  const uint32_t index = free.back();
  free.pop_back();
  return index;
}

/// One relayed transport address, from the order to open it on.
struct Relay {
  enum class State : uint8_t { Free, Opening, Open };
  State state = State::Free;
  uint32_t generation = 0;
  uint32_t allocation = kNoIndex;  ///< whose it is; of a reserved one, who has reserved it
  bool reserved = false;
  net::Family family = net::Family::None;
  net::Endpoint address;
};

/// An Allocate request that waits for its relays, or how to answer it again.
struct AllocateRequest {
  stun::TransactionId id;
  Credential credential;
  bool fingerprint = false;
  bool answered = false;
  bool pair = false;                        ///< with a port put aside
  net::Family refused = net::Family::None;  ///< of a dual allocation
  stun::ErrorNumber refusal{};
};

/// One TCP connection with a peer (RFC 6062).
struct PeerConnection {
  enum class State : uint8_t { Connecting, Pending, Bound };
  State state = State::Connecting;
  uint32_t allocation = kNoIndex;
  net::Endpoint peer;
  Time expires = kNever;  ///< the end of waiting for the peer, then for the client
  // The Connect request that waits for its answer.
  stun::TransactionId request;
  Credential credential;
  bool fingerprint = false;
};

using Ticket = std::array<uint8_t, 16>;

struct Allocation {
  ClientPath client;
  std::string user;
  Usage* usage = nullptr;
  std::string usage_name;
  AllocateRequest request;
  Time opened;
  Time expires;
  std::array<uint32_t, 2> relays{kNoIndex, kNoIndex};  // of IPv4 and IPv6
  uint32_t next_relay = kNoIndex;                      // reserved for another allocation
  uint64_t token = 0;                                  // of next_relay
  std::optional<Ticket> ticket;
  std::vector<Permission> permissions;
  std::vector<Channel> channels;
  bool tcp = false;                       // RFC 6062; then there are no channels
  std::vector<ConnectionId> connections;  // with peers
  Time peer_errors_since{};               // those told in this second
  int peer_errors = 0;
  uint64_t packets_to_peers = 0;
  uint64_t bytes_to_peers = 0;
  uint64_t packets_to_client = 0;
  uint64_t bytes_to_client = 0;

  static size_t place(net::Family family) { return family == net::Family::V6; }
  uint32_t relay_of(net::Family family) const { return relays[place(family)]; }

  bool permitted(const net::IpAddress& ip, Time now) const {
    for (const Permission& p : permissions) {
      if (p.ip == ip) return now < p.expires;
    }
    return false;
  }
  Channel* channel(uint16_t number) {
    for (Channel& c : channels) {
      if (c.number == number) return &c;
    }
    return nullptr;
  }
  Channel* channel(const net::Endpoint& peer) {
    for (Channel& c : channels) {
      if (c.peer == peer) return &c;
    }
    return nullptr;
  }
};

}  // namespace kaon::turn::internal
