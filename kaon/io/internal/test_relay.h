// For tests: a TURN client on a loop, and a peer for it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kaon/crypto/system_random.h"
#include "kaon/io/internal/test_support.h"
#include "kaon/io/relay.h"
#include "kaon/io/udp.h"

namespace kaon::io {

/// A relay and what it has told.
struct TestRelay {
  TestRelay(Loop& on, RelayServer server) : loop(on) {
    server.username = "alice";
    server.password = "secret";
    Relay::Handlers handlers;
    handlers.on_event = [this](const turn::ClientEvent& event) {
      if (const auto* it = std::get_if<turn::Allocated>(&event)) allocated = *it;
      if (const auto* it = std::get_if<turn::ClientFailed>(&event)) failed = *it;
      if (const auto* it = std::get_if<turn::PeerConnected>(&event)) connected = *it;
    };
    handlers.on_data = [this](std::span<const net::Datagram> batch, Time) {
      local = batch.back().local;
      for (const net::Datagram& datagram : batch) received.emplace_back(as_text(datagram.bytes));
    };
    relay = Relay::open(loop, server, {random, log}, std::move(handlers));
  }
  ~TestRelay() { relay->close(); }
  bool settled() {
    return step_until({&loop}, [&] { return allocated || failed; });
  }

  Loop& loop;
  crypto::SystemRandom random;
  NullLogger log;
  std::optional<turn::Allocated> allocated;
  std::optional<turn::ClientFailed> failed;
  std::optional<turn::PeerConnected> connected;
  std::vector<std::string> received;
  net::Endpoint local;  // that the last packet came to
  std::shared_ptr<Relay> relay;
};

/// Sends back what it gets.
class Echo final : public UdpHandler {
 public:
  Echo(Loop& loop, const net::IpAddress& ip) {
    const UdpPort::Member member{&loop, this};
    port_ = std::move(*UdpPort::open(std::span(&member, 1), {.bind = {{ip, 0}}}));
  }
  net::Endpoint address() const { return port_->bound().front(); }
  void receive(std::span<const net::Datagram> batch, Time) override {
    for (const net::Datagram& datagram : batch) {
      from = datagram.remote;
      port_->shard(0).send(transmit_to(datagram.remote, datagram.bytes.size()), datagram.bytes);
    }
  }
  void writable() override {}
  net::Endpoint from;

 private:
  std::unique_ptr<UdpPort> port_;
};

}  // namespace kaon::io
