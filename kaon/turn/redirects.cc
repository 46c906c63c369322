#include "kaon/turn/redirects.h"

#include <algorithm>
#include <span>

namespace kaon::turn {

std::string_view to_text(RedirectRefusal refusal) {
  static constexpr std::array<std::string_view, 5> kTexts{
      "it names no server that can be asked", "it names one of another address family", "it names one on this machine",
      "the servers name each other in a circle", "too many servers name another one"};
  return kTexts[static_cast<size_t>(refusal)];
}

Result<void, RedirectRefusal> Redirects::follow(const net::Endpoint& next) {
  const net::Endpoint& last = tried_[hops_];
  if (next.port == 0 || next.ip.is_none() || next.ip.is_any() || next.ip.is_multicast()) {
    return fail(RedirectRefusal::NoServer);
  }
  // RFC 8489 §14.15.
  if (!last.ip.is_none() && next.ip.family() != last.ip.family()) return fail(RedirectRefusal::Family);
  if (next.ip.unmapped().is_loopback() && !last.ip.is_loopback()) return fail(RedirectRefusal::Loopback);
  const auto tried = std::span(tried_).first(hops_ + 1);
  if (std::ranges::find(tried, next) != tried.end()) return fail(RedirectRefusal::Tried);
  if (hops_ == kMaxHops) return fail(RedirectRefusal::TooManyHops);
  tried_[++hops_] = next;
  return {};
}

}  // namespace kaon::turn
