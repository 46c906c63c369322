// Any number of connections on one UDP port, served by two threads: ice-single-port [PORT]
// Each offer on standard input is answered; what comes on a data channel goes back.
#include <array>

#include "examples/common/signal.h"

using namespace example;

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  const auto number = kaon::parse_number<uint16_t>(arguments.words.empty() ? "0" : arguments.words[0]);
  if (!number) die("usage: ice-single-port [PORT]");

  // Each loop has a socket of its own on the port; the kernel spreads the packets, and a loop that gets one of
  // another's connection hands it over.
  std::array<kaon::io::Loop, 2> loops;
  const std::array<kaon::io::Loop*, 2> all{&loops[0], &loops[1]};
  for (kaon::io::Loop& loop : loops) loop.start();
  auto port = SharedPort::open(all, {.port = *number});
  if (!port) die(to_string(port.error()));
  std::cerr << "Everything comes to UDP port " << (*port)->port() << ".\n";

  const auto echo = [](const std::shared_ptr<DataChannel>& channel) {
    channel->set_handlers({.on_message = [channel = channel.get()](const Message& message) {
      const auto sent = message.binary ? channel->send(message.data) : channel->send(message.text());
      if (!sent) std::cerr << to_string(sent.error()) << "\n";
    }});
  };
  std::vector<std::unique_ptr<PeerConnection>> connections;
  const auto home_of = [&](size_t connection) -> kaon::io::Loop& { return loops[connection % loops.size()]; };
  while (true) {
    const SessionDescription offer = read_description(SdpType::Offer);
    if (offer.sdp.empty()) break;
    kaon::io::Loop& loop = home_of(connections.size());
    loop.invoke([&] {
      connections.push_back(std::make_unique<PeerConnection>(loop, Configuration{.port = *port},
                                                             PeerConnectionHandlers{.on_data_channel = echo}));
      set_remote_description(*connections.back(), offer);
      write_description(set_local_description(*connections.back()));
    });
  }
  for (size_t i = 0; i < connections.size(); ++i) {
    home_of(i).invoke([&] { connections[i].reset(); });
  }
}
