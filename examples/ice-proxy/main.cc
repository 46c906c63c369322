// Two connections by a TURN server that only an HTTP proxy reaches, as from networks where nothing else gets out.
#include <iostream>
#include <memory>

#include "kaon/webrtc/peer_connection.h"

using namespace kaon::webrtc;

int main(int argc, char** argv) {
  if (argc != 6 && argc != 8) {
    std::cerr << "ice-proxy PROXY_HOST PROXY_PORT turn:HOST:PORT?transport=tcp USER CREDENTIAL [PROXY_USER PASSWORD]\n";
    return 2;
  }
  Configuration configuration;
  kaon::io::HttpProxy proxy{.host = argv[1], .port = static_cast<uint16_t>(std::stoi(argv[2]))};
  if (argc == 8) proxy.username = argv[6], proxy.password = argv[7];
  configuration.http_proxy = proxy;
  configuration.ice_servers = {{.urls = {argv[3]}, .username = argv[4], .credential = argv[5]}};
  configuration.ice_transport_policy = IceTransportPolicy::Relay;  // UDP takes no proxy

  int status = 1;
  kaon::io::Loop loop;
  std::unique_ptr<PeerConnection> alice, bob;
  const auto handlers_of_peer_of = [&](std::unique_ptr<PeerConnection>& other) {
    PeerConnectionHandlers handlers;
    handlers.on_ice_candidate = [&other](const IceCandidate& candidate) {
      other->add_ice_candidate(candidate).value();
    };
    handlers.on_ice_candidate_error = [&](const IceCandidateError& error) {
      std::cerr << error.url << ": " << error.error_text << "\n";
      if (error.proxy_status == 407) std::cerr << "The proxy wants other credentials.\n";
      loop.stop();
    };
    return handlers;
  };
  alice = std::make_unique<PeerConnection>(loop, configuration, handlers_of_peer_of(bob));
  PeerConnectionHandlers answering = handlers_of_peer_of(alice);
  answering.on_data_channel = [&](const std::shared_ptr<DataChannel>& channel) {
    channel->set_handlers({.on_message = [&](const Message& message) {
      std::cout << message.text() << "\n";
      status = 0;
      loop.stop();
    }});
  };
  bob = std::make_unique<PeerConnection>(loop, configuration, std::move(answering));

  std::shared_ptr<DataChannel> channel;
  channel =
      alice->create_data_channel("chat", {}, {.on_open = [&] { channel->send("hello through the proxy").value(); }})
          .value();
  bob->set_remote_description(alice->set_local_description().value()).value();
  alice->set_remote_description(bob->set_local_description().value()).value();
  loop.run();
  return status;
}
