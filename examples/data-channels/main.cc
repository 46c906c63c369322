// Two connections in one process: one says hello, the other echoes it.
#include <iostream>

#include "kaon/webrtc/peer_connection.h"

using namespace kaon::webrtc;

int main() {
  kaon::io::Loop loop;
  const auto echo = [](const std::shared_ptr<DataChannel>& channel) {
    channel->set_handlers({.on_message = [channel = channel.get()](const Message& message) {
      channel->send("echo: " + std::string(message.text())).value();
    }});
  };
  const auto print = [&](const Message& message) {
    std::cout << message.text() << "\n";
    loop.stop();
  };
  PeerConnection alice(loop);
  PeerConnection bob(loop, {}, {.on_data_channel = echo});
  std::shared_ptr<DataChannel> chat;
  const auto greet = [&] { chat->send("hello").value(); };
  chat = alice.create_data_channel("chat", {}, {.on_open = greet, .on_message = print}).value();
  // Signalling: carry offer and answer from one to the other by any means you like.
  bob.set_remote_description(alice.set_local_description().value()).value();
  alice.set_remote_description(bob.set_local_description().value()).value();
  loop.run();
}
