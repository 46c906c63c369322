// A TCP connection by a TURN server, to a peer or from one (RFC 6062):
//   turn-tcp SERVER:PORT USER PASSWORD to PEER:PORT TEXT     says TEXT and prints what comes back, until the peer ends
//   turn-tcp SERVER:PORT USER PASSWORD from PEER_IP          prints its relayed address, and echoes what a peer says
#include <iostream>
#include <memory>
#include <string>

#include "kaon/crypto/system_random.h"
#include "kaon/io/loop.h"
#include "kaon/io/relay.h"

using namespace kaon;

struct Program {
  io::Loop loop;
  crypto::SystemRandom random;
  NullLogger log;
  std::shared_ptr<io::Relay> relay;
  std::shared_ptr<io::RelayedStream> stream;
  std::optional<net::Endpoint> to;
  net::IpAddress from;
  std::string text;
  int status = 1;

  void end(const std::string& problem) {
    if (!problem.empty()) std::cerr << problem << "\n";
    loop.stop();
  }
  void on_event(const turn::ClientEvent& event) {
    if (std::holds_alternative<turn::Allocated>(event)) {
      std::cout << "relayed: " << relay->relayed()->to_string() << std::endl;
      to ? relay->connect(*to) : relay->let_in(from);
    } else if (const auto* connected = std::get_if<turn::PeerConnected>(&event)) {
      take(*connected);
    } else if (const auto* refused = std::get_if<turn::ConnectFailed>(&event)) {
      end("The peer was not reached: error " + std::to_string(refused->number));
    } else if (const auto* failed = std::get_if<turn::ClientFailed>(&event)) {
      end("No relay: " + std::string(turn::to_text(failed->error)));
    }
  }
  void take(const turn::PeerConnected& connected) {
    io::RelayedStream::Handlers handlers;
    handlers.on_open = [this] {
      status = 0;
      if (to) stream->send(as_bytes(text));
    };
    handlers.on_data = [this](ByteView bytes) {
      std::cout << as_text(bytes) << std::flush;
      // What does not fit into our memory is the peer's to keep, until there is room again.
      if (!to && !stream->send(bytes)) end("The peer does not read what it gets back.");
    };
    handlers.on_end = [this](const std::string&) { end({}); };
    stream = relay->take(connected, std::move(handlers));
  }
};

int main(int argc, char** argv) {
  const std::string mode = argc > 4 ? argv[4] : "";
  const auto server = argc > 5 ? net::Endpoint::parse(argv[1]) : std::nullopt;
  Program program;
  if (mode == "to" && argc == 7) program.to = net::Endpoint::parse(argv[5]), program.text = argv[6];
  if (mode == "from" && argc == 6) program.from = net::IpAddress::parse(argv[5]).value_or(net::IpAddress());
  if (!server || (!program.to && program.from.is_none())) {
    std::cerr << "turn-tcp SERVER:PORT USER PASSWORD to PEER:PORT TEXT | from PEER_IP\n";
    return 2;
  }
  io::RelayServer relay{.address = *server, .protocol = net::Protocol::Tcp};
  relay.username = argv[2];
  relay.password = argv[3];
  relay.tcp = true;
  io::Relay::Handlers handlers;
  handlers.on_event = [&](const turn::ClientEvent& event) { program.on_event(event); };
  program.relay = io::Relay::open(program.loop, relay, {program.random, program.log}, std::move(handlers));
  program.loop.run();
  if (program.stream) program.stream->close();
  program.relay->close();
  return program.status;
}
