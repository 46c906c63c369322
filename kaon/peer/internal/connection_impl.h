// The parts of a connection and what happens between them; the methods stand by topic in connection*.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kaon/base/ring.h"
#include "kaon/peer/connection.h"
#include "kaon/peer/internal/media.h"
#include "kaon/peer/internal/tracer.h"
#include "kaon/peer/internal/transport.h"

namespace kaon::peer {

/// Events that wait for poll_event(); the oldest candidate or state gives way beyond.
inline constexpr size_t kMaxEvents = 512;

struct Connection::Impl {
  Impl(Env environment, BufferPool& pool, Config configuration, Time now);

  // connection.cc
  void handle_packet(const net::Datagram& packet, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const;
  std::optional<net::Transmit> poll_transmit(Bytes out);
  void deliver_data(Time now, net::Ecn ecn);
  void settle(Time now);
  std::optional<Event> poll_event();
  void handle_ice_event(ice::Event& event, Time now);
  void handle_dtls_event(dtls::Event& event, Time now);
  void set_state(ConnectionState next, std::string detail = {});
  void emit(Event event);
  void close(Time now);
  Time advance(Time time) { return now = std::max(now, time); }

  // connection_signaling.cc
  LocalTransport local_transport();
  void apply_session(Time time);
  void restart_ice(Time time);
  Result<void, NegotiationError> set_local(SdpType type, Time time);
  Result<void, NegotiationError> set_remote(SdpType type, const sdp::SessionDescription& remote, Time time);
  std::string local_description() const;

  // connection_data.cc
  datachannel::Channels& need_channels();
  void start_channels(Time time);
  bool says_init_early() const;
  std::optional<net::Transmit> transmit_data(Bytes out);
  std::optional<net::Transmit> transmit_carried(Bytes out);

  std::unique_ptr<internal::Tracer> tracer;  // null if nobody looks
  Env env;                                   // with the tracer in it
  Config config;
  Time now;
  Negotiator negotiator;
  internal::Transport transport;
  internal::Media media;
  std::optional<datachannel::Channels> channels;
  ConnectionState state = ConnectionState::New;
  std::string fingerprint;
  std::optional<dtls::Connected> security;
  bool dtls_failed = false;  // which nothing mends
  bool said_goodbye = false;
  bool snap_over = false;  // the SCTP association is older than what descriptions may say of it
  Ring<Event> events;
  // A packet that did not fit into the run before it: encrypted, so it must be sent as it is.
  struct Carried {
    std::vector<uint8_t> bytes;
    bool dont_fragment = false;
    net::Ecn ecn = net::Ecn::NotEct;
  } carried;
};

}  // namespace kaon::peer
