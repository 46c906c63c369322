// Which redirections a TURN client follows.
#pragma once

#include <array>
#include <string_view>

#include "kaon/base/result.h"
#include "kaon/net/address.h"

namespace kaon::turn {

/// Why a redirection is not followed.
enum class RedirectRefusal : uint8_t {
  NoServer,  ///< no address, or none that a server can have
  Family,    ///< of another address family than the server that names it
  Loopback,  ///< a server elsewhere may not send us to our own machine
  Tried,     ///< asked already: the servers send us around in a circle
  TooManyHops,
};
std::string_view to_text(RedirectRefusal refusal);

/// The way of one request from server to server by 300 (Try Alternate), RFC 8489 §10. The RFC forbids a server that was
/// asked in the last five minutes; here it is never asked again.
class Redirects {
 public:
  static constexpr size_t kMaxHops = 4;

  /// `first`: the server that is asked without anybody having named it. May be none if only its name is known: then the
  /// first hop may lead to either family.
  explicit Redirects(const net::Endpoint& first) : tried_{first} {}

  /// The last server asked names `next`: from now on that is the last one asked, or the redirection must be ignored.
  Result<void, RedirectRefusal> follow(const net::Endpoint& next);
  size_t hops() const { return hops_; }

 private:
  std::array<net::Endpoint, kMaxHops + 1> tried_;
  size_t hops_ = 0;
};

}  // namespace kaon::turn
