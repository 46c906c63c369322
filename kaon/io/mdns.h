// Multicast DNS on a loop: the names that hide addresses in ICE candidates.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kaon/base/function.h"
#include "kaon/base/result.h"
#include "kaon/mdns/node.h"

namespace kaon::io {

class Loop;

/// An mdns::Node with port 5353 of all interfaces, which it shares with other programs. One per loop, made when it is
/// first asked for and kept by those who hold it. Loopback is spoken on only where there is nothing else. The loop's
/// thread.
class Mdns {
 public:
  /// Not null. Where the port cannot be had, or nothing can be multicast, names can still be made, and none is found.
  static std::shared_ptr<Mdns> of(Loop& loop);
  virtual ~Mdns() = default;

  virtual Result<std::string, mdns::Error> publish(const net::IpAddress& address) = 0;
  virtual void withdraw(std::string_view name) = 0;
  /// `done` is called on the loop, later, with the address or without one; it may do anything.
  using Handler = Function<void(std::optional<net::IpAddress>)>;
  [[nodiscard]] virtual Result<void, mdns::Error> resolve(std::string_view name, Handler done) = 0;
  /// True if there is a socket.
  virtual bool open() const = 0;
};

}  // namespace kaon::io
