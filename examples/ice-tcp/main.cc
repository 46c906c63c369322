// Two connections over TCP (RFC 6544), as where UDP is blocked: candidates of UDP are left out of the descriptions.
#include <iostream>
#include <regex>

#include "kaon/webrtc/peer_connection.h"

using namespace kaon::webrtc;

namespace {

SessionDescription without_udp(SessionDescription description) {
  description.sdp = std::regex_replace(description.sdp, std::regex("a=candidate:\\S+ 1 udp [^\r]*\r\n"), "");
  return description;
}

void tell_path(const PeerConnection& connection) {
  const StatsReport stats = connection.get_stats();
  const Stats* pair = stats.find(stats.first_of("transport")->text("selectedCandidatePairId"));
  std::cout << "over " << stats.find(pair->text("localCandidateId"))->text("protocol") << "\n";
}

}  // namespace

int main() {
  kaon::io::Loop loop;
  Configuration configuration;
  configuration.own_port.ice_tcp = true;  // listen for connections beside UDP, and make them
  const auto echo = [](const std::shared_ptr<DataChannel>& channel) {
    channel->set_handlers(
        {.on_message = [channel = channel.get()](const Message& message) { channel->send(message.text()).value(); }});
  };
  PeerConnection alice(loop, configuration);
  PeerConnection bob(loop, configuration, {.on_data_channel = echo});
  std::shared_ptr<DataChannel> chat;
  const auto received = [&](const Message& message) {
    std::cout << message.text() << " ";
    tell_path(alice);
    loop.stop();
  };
  chat =
      alice.create_data_channel("chat", {}, {.on_open = [&] { chat->send("hello").value(); }, .on_message = received})
          .value();
  bob.set_remote_description(without_udp(alice.set_local_description().value())).value();
  alice.set_remote_description(without_udp(bob.set_local_description().value())).value();
  loop.run();
}
