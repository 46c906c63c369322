// Two connections whose descriptions go without candidates: each candidate follows by itself, as soon as it is known.
#include <iostream>
#include <memory>

#include "kaon/webrtc/peer_connection.h"

using namespace kaon::webrtc;

int main() {
  kaon::io::Loop loop;
  std::unique_ptr<PeerConnection> alice, bob;
  // Signalling: what one finds goes to the other. Handlers run on the loop; a real program writes to its network here.
  const auto send_candidates_to = [](std::unique_ptr<PeerConnection>& other, const char* name) {
    return [&other, name](const IceCandidate& candidate) {
      std::cout << name << ": " << (candidate.candidate.empty() ? "no more" : candidate.candidate) << "\n";
      other->add_ice_candidate(candidate).value();
    };
  };
  const auto done = [&](ConnectionState state, const std::string&) {
    if (state != ConnectionState::Connected) return;
    std::cout << "connected\n";
    loop.stop();
  };
  alice = std::make_unique<PeerConnection>(
      loop, Configuration{},
      PeerConnectionHandlers{.on_connection_state = done, .on_ice_candidate = send_candidates_to(bob, "alice")});
  bob = std::make_unique<PeerConnection>(loop, Configuration{},
                                         PeerConnectionHandlers{.on_ice_candidate = send_candidates_to(alice, "bob")});
  const auto channel = alice->create_data_channel("any").value();
  // create_offer() gives the description before any candidate is known.
  const SessionDescription offer = alice->create_offer().value();
  bob->set_remote_description(offer).value();
  const SessionDescription answer = bob->create_answer().value();
  bob->set_local_description(answer).value();
  alice->set_local_description(offer).value();
  alice->set_remote_description(answer).value();
  loop.run();
}
