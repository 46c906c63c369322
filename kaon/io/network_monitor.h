// Tells when the addresses of this machine change.
#pragma once

#include <memory>
#include <span>

#include "kaon/base/function.h"
#include "kaon/io/interfaces.h"

namespace kaon::io {

class Loop;

/// One per loop, made when it is first asked for and kept until the loop ends: to make one costs as much as a tenth of
/// a connection. By rtnetlink; where there is none nothing is told, and each is new. The loop's thread.
class NetworkMonitor {
 public:
  /// Called on the loop, later, with the addresses that there are now.
  using Handler = Function<void(std::span<const Interface>)>;

  static std::shared_ptr<NetworkMonitor> of(Loop& loop);
  virtual ~NetworkMonitor() = default;

  /// As of the last change.
  virtual std::span<const Interface> interfaces() const = 0;
  /// Until the returned object is destroyed, which may happen in any handler. Keep the monitor as long.
  virtual std::shared_ptr<void> subscribe(Handler on_change) = 0;
};

}  // namespace kaon::io
