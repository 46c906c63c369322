// The way between a TURN client and its server: a UDP socket, a TCP or TLS connection, or a DTLS session.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "kaon/io/loop.h"
#include "kaon/io/relay.h"

namespace kaon::io {

/// Until a TCP connection stands and TLS or DTLS has shaken hands.
inline constexpr Duration kConnectTimeout = std::chrono::seconds(10);

struct LegFailure {
  std::string reason;
  uint16_t proxy_status = 0;  ///< of HTTP, if a proxy refuses
};

class RelayLeg {
 public:
  struct Handlers {
    std::function<void()> on_ready;
    /// One whole message, mutable for the call.
    std::function<void(Bytes)> on_message;
    /// After the messages of one read.
    std::function<void()> on_drained;
    std::function<void(LegFailure)> on_failed;
    /// All that waited has been written, after send() has said no; of streams.
    std::function<void()> on_writable{};
  };
  virtual ~RelayLeg() = default;
  /// Header, data and so many zero bytes as one message; false if it was dropped.
  virtual bool send(ByteView header, ByteView data, size_t padding) = 0;
  /// Of what is sent from now on, where packets go out by themselves.
  virtual void set_dscp(uint8_t) {}
  /// Of the socket, once the system has chosen one.
  virtual std::optional<net::IpAddress> local() const = 0;
  /// From now on `on_message` gets bytes as they come, those behind the present message too; of TCP and TLS.
  virtual void become_stream() {}
  /// Reads nothing more, until it is called again with false.
  virtual void pause(bool) {}
  /// Sends what waits and ends; no handler is called any more.
  virtual void close() = 0;
};

/// Null if the system does not give a socket; `on_failed` tells of everything later.
std::shared_ptr<RelayLeg> open_relay_udp(Loop& loop, const RelayServer& server, RelayLeg::Handlers handlers);
std::shared_ptr<RelayLeg> open_relay_tcp(Loop& loop, const RelayServer& server, RelayLeg::Handlers handlers);
std::shared_ptr<RelayLeg> open_relay_tls(Loop& loop, const RelayServer& server, RelayLeg::Handlers handlers);
std::shared_ptr<RelayLeg> open_relay_dtls(Loop& loop, const RelayServer& server, RelayLeg::Handlers handlers);

/// A connection of its own to the server, which binds it to a peer's.
std::shared_ptr<RelayedStream> open_relayed_stream(Loop& loop, const RelayServer& server, Env env,
                                                   turn::BindRequest request, RelayedStream::Handlers handlers);

}  // namespace kaon::io
