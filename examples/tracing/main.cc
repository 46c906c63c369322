// Two connections in one process, one of them watched: what it sends and receives, decrypted and as it was, and what
// happens to it end up in files for Wireshark, tshark, `kaon inspect` and programs (docs/guide/debugging.md).
#include <iostream>

#include "kaon/io/trace_file.h"
#include "kaon/webrtc/peer_connection.h"

using namespace kaon::webrtc;

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "call";
  const auto trace = kaon::io::open_trace({.capture = name + ".pcapng",
                                           .wire_capture = name + ".wire.pcapng",
                                           .events = name + ".jsonl",
                                           .program = "example tracing"});
  if (!trace) {
    std::cerr << trace.error() << "\n";
    return 1;
  }
  kaon::io::Loop loop;
  const auto echo = [](const std::shared_ptr<DataChannel>& channel) {
    channel->set_handlers({.on_message = [channel = channel.get()](const Message& message) {
      channel->send("echo: " + std::string(message.text())).value();
    }});
  };
  const auto print = [&](const Message& message) {
    std::cout << message.text().substr(0, 40) << "\n";
    if (message.text().size() > 40) loop.stop();
  };
  // 1.2, because the tshark of Debian 12 cannot look into 1.3; and each handshake by itself, as it knows them.
  PeerConnection alice(
      loop, {.snap = false, .sped = false, .max_dtls_version = kaon::dtls::Version::Dtls12, .trace = trace->get()});
  PeerConnection bob(loop, {}, {.on_data_channel = echo});
  std::shared_ptr<DataChannel> chat;
  const auto greet = [&] {
    chat->send("hello").value();
    chat->send(std::string(5000, 'x')).value();  // several SCTP packets
  };
  chat = alice.create_data_channel("chat", {.protocol = "text"}, {.on_open = greet, .on_message = print}).value();
  bob.set_remote_description(alice.set_local_description().value()).value();
  alice.set_remote_description(bob.set_local_description().value()).value();
  loop.run();
  alice.close();
  std::cout << "written: " << name << ".pcapng, " << name << ".wire.pcapng, " << name << ".jsonl\n";
}
