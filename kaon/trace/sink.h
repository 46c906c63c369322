// Where engines put what they would show to who looks for a fault: packets in the clear and events.
#pragma once

#include <cstdint>
#include <string_view>

#include "kaon/base/bytes.h"
#include "kaon/base/time.h"
#include "kaon/net/address.h"
#include "kaon/trace/event.h"

namespace kaon::trace {

/// What the bytes of a traced packet are. All but Wire are in the clear; DTLS is as it was.
enum class Layer : uint8_t { Wire, Stun, Dtls, Sctp, Rtp, Rtcp };
std::string_view to_string(Layer layer);

struct Packet {
  Layer layer{};
  Direction direction{};
  Time time;
  /// Engines that move bytes over another engine leave these to who composes them, as in net::Transmit.
  net::Endpoint local = {};
  net::Endpoint remote = {};
  std::string_view connection = {};
  ByteView bytes;
  /// Follows `bytes`: header and payload of an outgoing packet lie apart.
  ByteView rest = {};
};

/// Handed to engines in Env::trace; null there means that nobody looks, and costs one branch per packet. Called on the
/// loop of each connection: one that serves several loops must be callable from all of their threads. What it is given
/// lives for the call.
class Sink {
 public:
  /// What a sink has a use for, asked once per connection.
  struct Wants {
    bool wire = false;    ///< datagrams as they are sent and received
    bool clear = false;   ///< packets without their encryption
    bool events = false;  ///< Record
  };

  virtual ~Sink() = default;
  virtual Wants wants() const = 0;
  virtual void packet(const Packet& packet) = 0;
  virtual void event(const Record& record) = 0;
};

}  // namespace kaon::trace
