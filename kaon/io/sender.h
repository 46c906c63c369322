// Where packets go: what a Driver needs of a socket.
#pragma once

#include <cstdint>
#include <span>

#include "kaon/net/datagram.h"

namespace kaon::io {

/// A packet, or a run of packets of one size to one destination, in memory that must stay as it is until it is sent.
struct Outgoing {
  net::Transmit transmit;
  ByteView bytes;
};

class Sender {
 public:
  virtual ~Sender() = default;
  /// Sends in order. Returns how many were dealt with (sent, or dropped and counted). Fewer than all: the socket is
  /// full; of the first that was not, the part of its run that was sent has been taken off `bytes`. Offer the rest
  /// again, unchanged, when the socket is writable: packets may be encrypted, so their place is taken. The loop's
  /// thread.
  virtual size_t send(std::span<Outgoing> batch) = 0;
};

}  // namespace kaon::io
