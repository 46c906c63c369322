// Asks one STUN server for the address it sees (RFC 8489 §2, "Binding").
#pragma once

#include <optional>
#include <variant>

#include "kaon/base/counters.h"
#include "kaon/base/env.h"
#include "kaon/net/engine.h"
#include "kaon/stun/message.h"
#include "kaon/stun/transaction.h"

namespace kaon::stun {

/// The server answered.
struct Mapped {
  net::Endpoint address;
  Duration rtt;  ///< zero if requests were repeated, so that it cannot be told
};
/// No usable answer.
struct Unreachable {
  enum class Reason : uint8_t { Timeout, ErrorResponse, BadResponse } reason;
  uint16_t error_number = 0;  ///< of ErrorResponse
};
using ClientEvent = std::variant<Mapped, Unreachable>;

enum class ClientDrop : uint8_t { NotStun, WrongAddress, UnknownTransaction, Count };

/// A net::DatagramEngine for one local address and one server. Asks at the first handle_timeout(), and again `refresh`
/// after each answer, which keeps the mapping of a NAT alive.
class Client {
 public:
  /// Largest packet written.
  static constexpr size_t kMaxPacket = 64;

  struct Config {
    net::Endpoint local;
    net::Endpoint server;
    Timing timing;
    Duration refresh = Duration::zero();  ///< zero: ask once
    /// First four bytes of every transaction id, so that several clients can share one port (see ice::Mux); the other
    /// 64 bits are random.
    std::optional<uint32_t> tag;
  };

  Client(Env env, const Config& config, Time now);

  void handle_packet(const net::Datagram& packet, Time now);
  /// ICMP says that a request did not get to the server for good, and quotes its beginning: Timeout, at once, if the
  /// first answer is awaited. False if it is no request of ours.
  bool handle_unreachable(ByteView quoted, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const;
  std::optional<net::Transmit> poll_transmit(Bytes out);
  /// At most one event waits; a newer one replaces it.
  std::optional<ClientEvent> poll_event();

  const Config& config() const { return config_; }
  /// True while the first answer is still awaited.
  bool pending() const { return !answered_ && transaction_.has_value(); }
  /// True if this packet comes from the server to our address.
  bool is_from_server(const net::Datagram& packet) const;
  const Counters<ClientDrop>& drops() const { return drops_; }

 private:
  void start(Time now);
  void finish(ClientEvent event, Time now);

  Env env_;
  Config config_;
  std::optional<Transaction> transaction_;
  std::optional<ClientEvent> event_;
  Time refresh_at_ = kNever;
  bool send_ = false;
  bool answered_ = false;
  Counters<ClientDrop> drops_;
};

static_assert(net::DatagramEngine<Client>);

}  // namespace kaon::stun
