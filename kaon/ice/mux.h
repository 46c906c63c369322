// One UDP port for many agents.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kaon/base/counters.h"
#include "kaon/base/result.h"
#include "kaon/base/strong.h"
#include "kaon/ice/types.h"
#include "kaon/net/datagram.h"

namespace kaon::ice {

using ConnectionId = Strong<struct ConnectionIdTag, uint64_t>;

enum class MuxDrop : uint8_t { UnknownSource, MalformedStun, NoUsername, UnknownUfrag, UnknownTransaction, Count };
enum class MuxError : uint8_t { DuplicateUfrag, DuplicateTag, TooManyConnections, TooManyUfrags, UnknownConnection };

/// Finds the connection of a datagram: a Binding request by the ufrag that its USERNAME names, an answer to our own
/// check by the tag in its transaction id, anything else by its addresses, RTP from an unknown one by its SSRC. Costs
/// the same with one connection and with ten thousand, allocates nothing per packet, keeps nothing of strangers, and
/// never answers. One loop's own; not thread-safe.
class Mux {
 public:
  static constexpr size_t kMaxConnections = 1 << 20;
  /// Of one connection: more than one while a restart is under way. The oldest gives way.
  static constexpr size_t kMaxUfrags = 2;
  /// Addresses learned per connection; the oldest gives way.
  static constexpr size_t kMaxPaths = 16;
  /// RTP streams learned per connection; later ones are not found after a change of address.
  static constexpr size_t kMaxSsrcs = 16;

  /// `seed` keeps strangers from choosing addresses that collide in the table.
  explicit Mux(uint64_t seed);

  /// A new connection, or one more ufrag of a known one (after a restart). `tag` is Agent::transaction_tag().
  Result<void, MuxError> add(ConnectionId id, std::string_view ufrag, uint32_t tag);
  /// Forgets the connection with all its ufrags and paths.
  void remove(ConnectionId id);

  /// Call for each PathValidated event; the path leaves the connection that had it before.
  Result<void, MuxError> bind(ConnectionId id, const Path& path);

  /// Call for each stream whose first packet was authentic. RTP from an unknown address then goes to the connection
  /// that has had its SSRC longest, for that to find out whether its peer has moved.
  void bind_ssrc(ConnectionId id, uint32_t ssrc);
  /// The connection that this path is bound to.
  std::optional<ConnectionId> owner(const Path& path) const;
  /// The connection with this Agent::transaction_tag().
  std::optional<ConnectionId> owner_of_tag(uint32_t tag) const;
  /// The SSRC of what looks like RTP (RFC 7983 §7, RFC 5761 §4).
  static std::optional<uint32_t> ssrc_of(ByteView packet);

  /// The connection of a packet, or nothing (counted). Looks at the addresses first where no STUN is involved.
  std::optional<ConnectionId> route(const net::Datagram& packet);

  size_t connections() const { return connections_.size(); }
  size_t paths() const { return path_count_; }
  const Counters<MuxDrop>& drops() const { return drops_; }

 private:
  // A path in the order of its words' use: the first two tell IPv4 ones of one port apart.
  struct Key {
    explicit Key(const Path& path) : Key(path.local, path.remote, path.protocol) {}
    Key(const net::Endpoint& local, const net::Endpoint& remote, net::Protocol protocol);
    Key() = default;
    bool operator==(const Key&) const = default;

    uint64_t remote_low = 0;
    uint64_t ports = 0;  // and protocol and families
    uint64_t local_low = 0;
    uint64_t remote_high = 0;
    uint64_t local_high = 0;
    uint32_t remote_scope = 0;
    uint32_t local_scope = 0;
  };
  static constexpr size_t kCacheLine = 64;
  struct alignas(kCacheLine) Slot {
    Key key;
    ConnectionId id;
    bool used = false;
  };
  static_assert(sizeof(Slot) == kCacheLine);
  struct Connection {
    std::vector<std::string> ufrags;
    std::vector<Key> paths;
    std::vector<uint32_t> ssrcs;
    uint32_t tag = 0;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  std::optional<ConnectionId> route_stun(ByteView bytes, bool& decided);
  uint64_t hash(const Key& key) const;
  size_t find_slot(const Key& key) const;
  void insert(const Key& key, ConnectionId id);
  void erase(const Key& key);
  void grow();

  uint64_t seed_;
  std::unordered_map<ConnectionId, Connection> connections_;
  std::unordered_map<std::string, ConnectionId, TextHash, std::equal_to<>> by_ufrag_;
  std::unordered_map<uint32_t, ConnectionId> by_tag_;
  std::unordered_map<uint32_t, ConnectionId> by_ssrc_;
  std::vector<Slot> slots_;  // open addressing, linear probing; size is a power of two
  size_t path_count_ = 0;
  Counters<MuxDrop> drops_;
};

}  // namespace kaon::ice
