// What travels between an engine and the world.
#pragma once

#include <cstdint>

#include "kaon/net/address.h"

namespace kaon::net {

/// What carries the bytes to us. Ice, dtls and the like ride on Udp; the others are the legs between a TURN client and
/// its server.
enum class Protocol : uint8_t { Udp, Tcp, Tls, Dtls };
/// The two ECN bits of the IP header, RFC 3168 §5.
enum class Ecn : uint8_t { NotEct = 0, Ect1 = 1, Ect0 = 2, Ce = 3 };

/// A packet that arrived. The bytes are mutable (decryption in place) and valid for the call only.
struct Datagram {
  Endpoint local;
  Endpoint remote;
  Protocol protocol = Protocol::Udp;
  Ecn ecn = Ecn::NotEct;
  Bytes bytes;
};

/// A packet, or a run of packets to one destination, that an engine wrote into the caller's memory. Engines that move
/// bytes over another engine (dtls, sctp, datachannel) leave the addresses empty.
struct Transmit {
  Endpoint local;
  Endpoint remote;
  Protocol protocol = Protocol::Udp;
  Ecn ecn = Ecn::NotEct;
  uint8_t dscp = 0;
  /// A probe for the path's MTU: rather lost than fragmented. Never a run.
  bool dont_fragment = false;
  /// Bytes written in all.
  size_t size = 0;
  /// Size of each packet of the run but the last, which may be shorter; zero for a single packet.
  size_t segment_size = 0;
};

}  // namespace kaon::net
