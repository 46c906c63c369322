// The five calls that every protocol endpoint speaks. A plain value: no base class, no virtual function.
//
// Rules: inputs come in any number and any order before draining; nothing calls into user code; time that goes
// backwards is harmless; output queues are bounded and the bound is documented; after a Closed event the engine is
// inert but safe.
#pragma once

#include <concepts>
#include <optional>

#include "kaon/base/bytes.h"
#include "kaon/base/time.h"
#include "kaon/net/datagram.h"

namespace kaon::net {

/// Calls that all engines share.
///  - handle_timeout(now): time passed; harmless if early or repeated.
///  - next_timeout(): absolute deadline, kNever if none; may change after any other call.
///  - poll_transmit(out): writes the next packet into `out`; nothing when there is none. `out` must hold the engine's
///    largest packet (documented by each).
///  - poll_event(): the next event, a std::variant of the module's event structs.
template <class E>
concept TimedEngine = requires(E engine, const E& constant, Time now, Bytes out) {
  { engine.handle_timeout(now) } -> std::same_as<void>;
  { constant.next_timeout() } -> std::same_as<Time>;
  { engine.poll_transmit(out) } -> std::same_as<std::optional<Transmit>>;
  engine.poll_event();
};

/// Moves bytes over another engine: dtls, sctp, datachannel.
template <class E>
concept ByteEngine = TimedEngine<E> && requires(E engine, Bytes packet, Time now) {
  { engine.handle_packet(packet, now) } -> std::same_as<void>;
};

/// Moves datagrams with addresses: stun, turn, mdns, ice, peer.
template <class E>
concept DatagramEngine = TimedEngine<E> && requires(E engine, const Datagram& packet, Time now) {
  { engine.handle_packet(packet, now) } -> std::same_as<void>;
};

}  // namespace kaon::net
