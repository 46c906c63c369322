// A connection gets new ICE credentials and looks for its path anew, while data goes on.
#include <iostream>

#include "kaon/webrtc/peer_connection.h"

using namespace kaon::webrtc;

namespace {

// The "a=ice-ufrag" of a description.
std::string ufrag_of(const SessionDescription& description) {
  const std::string name = "a=ice-ufrag:";
  const size_t at = description.sdp.find(name) + name.size();
  return description.sdp.substr(at, description.sdp.find('\r', at) - at);
}

}  // namespace

int main() {
  kaon::io::Loop loop;
  const auto echo = [](const std::shared_ptr<DataChannel>& channel) {
    channel->set_handlers(
        {.on_message = [channel = channel.get()](const Message& message) { channel->send(message.text()).value(); }});
  };
  PeerConnection alice(loop);
  PeerConnection bob(loop, {}, {.on_data_channel = echo});
  const auto negotiate = [&] {
    bob.set_remote_description(alice.set_local_description().value()).value();
    alice.set_remote_description(bob.set_local_description().value()).value();
  };
  std::shared_ptr<DataChannel> chat;
  std::string before;
  const auto received = [&](const Message& message) {
    std::cout << message.text() << "\n";
    if (message.text() == "after") return loop.stop();
    before = ufrag_of(alice.local_description());
    // A browser's page does the same when its network has changed: the next offer carries new credentials.
    alice.restart_ice();
    negotiate();
    std::cout << (ufrag_of(alice.local_description()) == before ? "the same" : "new") << " credentials\n";
    chat->send("after").value();
  };
  chat =
      alice.create_data_channel("chat", {}, {.on_open = [&] { chat->send("before").value(); }, .on_message = received})
          .value();
  negotiate();
  loop.run();
}
