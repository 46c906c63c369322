#include "kaon/io/udp.h"

#include <algorithm>
#include <array>
#include <optional>

#include "kaon/base/text.h"
#include "kaon/io/internal/udp_shard.h"
#include "kaon/io/loop.h"

namespace kaon::io {
namespace {

// A free port of one family may be taken in the other: then we try another.
constexpr int kPortAttempts = 16;

class Port final : public UdpPort {
 public:
  ~Port() override {
    for (const auto& shard : shards_) {
      shard->loop().invoke([&] { shard->close(); });
    }
  }

  static Result<std::unique_ptr<Port>, IoError> try_open(std::span<const Member> members, const UdpOptions& options);

  uint16_t port() const override { return bound_.front().port; }
  std::span<const net::Endpoint> bound() const override { return bound_; }
  size_t size() const override { return shards_.size(); }
  UdpShard& shard(size_t index) override { return *shards_[index]; }
  void start();
  void tell_buffers(const UdpOptions& options) const;

 private:
  std::optional<IoError> open_sockets(Shard& shard, const UdpOptions& options, bool shared);

  std::vector<std::shared_ptr<Shard>> shards_;
  std::vector<net::Endpoint> bound_;
};

Result<std::unique_ptr<Port>, IoError> Port::try_open(std::span<const Member> members, const UdpOptions& options) {
  const bool shared = members.size() > 1 || options.sharing != PortSharing::None;
  auto port = std::make_unique<Port>();
  port->bound_ = options.bind;
  for (size_t i = 0; i < members.size(); ++i) {
    auto shard = std::make_shared<Shard>(*members[i].loop, *members[i].handler, i);
    std::optional<IoError> error;
    members[i].loop->invoke([&] { error = port->open_sockets(*shard, options, shared); });
    if (error) return fail(*error);
    port->shards_.push_back(std::move(shard));
  }
  if (options.also_take && !options.also_take(port->bound_)) return fail(IoError::AddressInUse);
  for (const auto& from : port->shards_) {
    for (const auto& to : port->shards_) {
      if (from != to) from->connect(*to, options.handover_slots);
    }
  }
  return port;
}

std::optional<IoError> Port::open_sockets(Shard& shard, const UdpOptions& options, bool shared) {
  for (net::Endpoint& local : bound_) {
    // The first socket of all finds the free port, the others share it.
    if (local.port == 0) local.port = bound_.front().port;
    const auto bound = shard.open(local, options, shared);
    if (!bound) return bound.error();
    local = *bound;
  }
  return std::nullopt;
}

void Port::start() {
  for (const auto& shard : shards_) {
    shard->loop().invoke([&] { shard->start(); });
  }
}

void Port::tell_buffers(const UdpOptions& options) const {
  const int got = shards_.front()->receive_buffer();
  if (options.log == nullptr || got >= options.receive_buffer) return;
  options.log->line(
      LogLevel::Warning, "io", "UDP port ", port(), " has a receive buffer of ", got, " bytes instead of ",
      options.receive_buffer,
      ", so bursts may be lost; to raise the limit: sysctl -w net.core.rmem_max=", options.receive_buffer);
}

Result<std::unique_ptr<UdpPort>, IoError> started(Result<std::unique_ptr<Port>, IoError> port,
                                                  const UdpOptions& options) {
  if (!port) return fail(port.error());
  (*port)->tell_buffers(options);
  (*port)->start();
  return std::unique_ptr<UdpPort>(std::move(*port));
}

// From a place in the range that the clock chooses: from its start, a thousand connections would try each other's
// ports.
Result<std::unique_ptr<UdpPort>, IoError> open_in_range(std::span<const UdpPort::Member> members, UdpOptions options) {
  const auto [first, last] = *options.port_range;
  if (first == 0 || last < first) return fail(IoError::InvalidArgument);
  const auto size = static_cast<uint64_t>(last - first) + 1;
  const auto start = static_cast<uint64_t>(Loop::now().time_since_epoch().count()) / 1000;
  for (uint64_t i = 0; i < size; ++i) {
    options.bind.front().port = static_cast<uint16_t>(first + (start + i) % size);
    auto port = Port::try_open(members, options);
    if (port || port.error() != IoError::AddressInUse) return started(std::move(port), options);
  }
  return fail(IoError::AddressInUse);
}

}  // namespace

UdpShard::SendResult UdpShard::send(const net::Transmit& transmit, ByteView bytes) {
  Outgoing outgoing{transmit, bytes};
  const uint64_t refused = stats().send_errors + stats().no_socket;
  if (send(std::span(&outgoing, 1)) == 0) return SendResult::Blocked;
  return stats().send_errors + stats().no_socket == refused ? SendResult::Sent : SendResult::Dropped;
}

Result<std::unique_ptr<UdpPort>, IoError> UdpPort::open(std::span<const Member> members, const UdpOptions& options) {
  if (members.empty() || options.bind.empty()) return fail(IoError::InvalidArgument);
  for (const net::Endpoint& local : options.bind) {
    if (local.ip.is_none()) return fail(IoError::InvalidArgument);
  }
  const bool free_choice = options.bind.front().port == 0;
  if (free_choice && options.port_range) return open_in_range(members, options);
  for (int attempt = 1;; ++attempt) {
    auto port = Port::try_open(members, options);
    if (!port && port.error() == IoError::AddressInUse && free_choice && attempt < kPortAttempts) continue;
    return started(std::move(port), options);
  }
}

bool is_hard_error(const UdpPeerError& error) {
  constexpr std::array<uint8_t, 5> kV4{2, 3, 9, 10, 13};
  constexpr std::array<uint8_t, 2> kV6{1, 4};
  const bool v4 = error.remote.ip.is_v4();
  const auto has = [&](const auto& codes) { return std::ranges::find(codes, error.code) != codes.end(); };
  return v4 ? error.type == 3 && has(kV4) : error.type == 1 && has(kV6);
}

}  // namespace kaon::io
