// The ways out of a shard.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <utility>

#include "kaon/io/internal/ice_tcp.h"
#include "kaon/io/relay.h"
#include "kaon/io/sender.h"
#include "kaon/io/udp.h"

namespace kaon::io {

/// Where packets leave: by the port's socket, by a TCP connection, or by the relay whose address is their local one.
class Exits final : public Sender {
 public:
  void open(UdpShard& udp, std::shared_ptr<IceTcp> tcp) {
    udp_ = &udp;
    tcp_ = std::move(tcp);
  }
  size_t send(std::span<Outgoing> batch) override;
  /// False if the address is taken.
  bool add(const net::Endpoint& relayed, Relay& relay) { return relays_.emplace(relayed, &relay).second; }
  void remove(const Relay& relay) {
    std::erase_if(relays_, [&](const auto& entry) { return entry.second == &relay; });
  }

 private:
  // True if it is no packet of the port's own socket.
  bool send_elsewhere(const Outgoing& outgoing) {
    if (outgoing.transmit.protocol == net::Protocol::Tcp) return tcp_->send(outgoing), true;
    const auto it = relays_.find(outgoing.transmit.local);
    if (it == relays_.end()) return false;
    it->second->send(outgoing);
    return true;
  }
  bool elsewhere(const Outgoing& outgoing) const {
    return outgoing.transmit.protocol == net::Protocol::Tcp || relays_.contains(outgoing.transmit.local);
  }

  UdpShard* udp_ = nullptr;
  std::shared_ptr<IceTcp> tcp_;
  std::unordered_map<net::Endpoint, Relay*> relays_;
};

inline size_t Exits::send(std::span<Outgoing> batch) {
  for (size_t done = 0; done < batch.size();) {
    if (send_elsewhere(batch[done])) {
      ++done;
      continue;
    }
    size_t end = done + 1;
    while (end < batch.size() && !elsewhere(batch[end])) ++end;
    done += udp_->send(batch.subspan(done, end - done));
    if (done < end) return done;
  }
  return batch.size();
}

}  // namespace kaon::io
