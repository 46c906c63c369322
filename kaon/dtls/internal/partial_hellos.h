// ClientHellos of several datagrams from addresses that have not shown yet that they are real.
#pragma once

#include <optional>
#include <vector>

#include "kaon/base/time.h"
#include "kaon/dtls/cookie_gate.h"
#include "kaon/dtls/internal/reassembler.h"

namespace kaon::dtls {

/// A table of fixed size: what anybody sends must not make it grow.
class PartialHellos {
 public:
  /// The whole hello, if this fragment was the last one missing. `drops` counts what is thrown away.
  std::optional<HandshakeMessage> add(const Fragment& fragment, const net::Endpoint& remote,
                                      Counters<DropReason>& drops);
  size_t bytes() const;

 private:
  struct Entry {
    net::Endpoint remote;
    uint16_t sequence;
    Reassembler reassembler;
  };
  std::vector<Entry> entries_;  // the one that has waited longest first
};

}  // namespace kaon::dtls
