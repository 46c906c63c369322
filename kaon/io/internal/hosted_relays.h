// The relays of one connection.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "kaon/io/interfaces.h"
#include "kaon/io/internal/exits.h"
#include "kaon/io/relay.h"

namespace kaon::io {

/// An allocation lives on the address of the machine that it was asked for from. When that goes, so does the relayed
/// address, and the server is asked again from what the machine has then. The loop's thread.
class HostedRelays {
 public:
  struct Handlers {
    /// Peers' packets, as of Relay.
    std::function<void(std::span<const net::Datagram>, Time)> on_data;
    /// One more relayed address, by the relay number `index`.
    std::function<void(const net::Endpoint& relayed, const turn::Allocated& by, const RelayServer& server,
                       size_t index)>
        on_address;
    std::function<void(const net::Endpoint& relayed)> on_lost;
  };
  using Tell = std::function<void(const turn::ClientEvent&)>;

  HostedRelays(Loop& loop, Env env, Exits& exits, Handlers handlers)
      : loop_(loop), env_(env), exits_(exits), handlers_(std::move(handlers)) {}
  ~HostedRelays() { close(); }

  void add(const RelayServer& server, Tell tell);
  size_t size() const { return entries_.size(); }
  /// Those whose address is not among them are asked for again, and those that had not been reached.
  void network_changed(std::span<const Interface> interfaces);
  void close();

 private:
  struct Entry {
    RelayServer server;
    Tell tell;
    std::shared_ptr<Relay> relay;          // null once it has failed
    std::vector<net::Endpoint> relayed{};  // told by on_address
    bool unreached = false;                // no answer, so that another network may help
  };

  void open(size_t index);
  void lose(Entry& entry);
  void on_event(size_t index, const turn::ClientEvent& event);
  bool use(size_t index, const turn::Allocated& allocated);

  Loop& loop_;
  Env env_;
  Exits& exits_;
  Handlers handlers_;
  std::vector<Entry> entries_;
};

}  // namespace kaon::io
