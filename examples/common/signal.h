// How the examples meet their peer: by copy and paste. A description is written to standard output as the text it is,
// the peer's is read from standard input, and an empty line ends each. It can be this short because nothing trickles:
// as long as no STUN server is asked, all candidates are known at once and stand in the description.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/webrtc/peer_connection.h"

namespace example {

using namespace kaon::webrtc;

[[noreturn]] inline void die(std::string_view sentence) {
  std::cerr << sentence << "\n";
  std::exit(1);
}

/// The arguments of the program. With "--offer" among them it makes the offer; otherwise it waits for one.
struct Arguments {
  Arguments(int argc, char** argv) : words(argv + 1, argv + argc), offers(std::erase(words, "--offer") > 0) {}
  std::vector<std::string> words;
  bool offers;
};

inline void write_description(const SessionDescription& description) {
  std::cout << description.sdp << std::endl;  // whose last line has an end already
}

/// Waits for one; empty at the end of the input.
inline SessionDescription read_description(SdpType type) {
  SessionDescription description{type, {}};
  for (std::string line; std::getline(std::cin, line);) {
    const bool empty = line.empty() || line == "\r";
    if (empty && !description.sdp.empty()) break;
    if (!empty) description.sdp += line + "\n";
  }
  return description;
}

inline void set_remote_description(PeerConnection& connection, const SessionDescription& description) {
  if (const auto set = connection.set_remote_description(description); !set) {
    die("The peer's description is no good: " + to_string(set.error()));
  }
}

inline SessionDescription set_local_description(PeerConnection& connection) {
  const auto made = connection.set_local_description();
  if (!made) die(kaon::peer::to_string(made.error()));
  return *made;
}

/// Offer and answer. `prepare()` puts on the connection what this side brings: before its offer is made, or when that
/// of the peer is known.
template <class Prepare>
void negotiate(PeerConnection& connection, bool offers, Prepare prepare) {
  if (!offers) set_remote_description(connection, read_description(SdpType::Offer));
  prepare();
  write_description(set_local_description(connection));
  if (offers) set_remote_description(connection, read_description(SdpType::Answer));
}

/// Handler of the state: ends the loop with the connection.
inline auto stop_at_end(kaon::io::Loop& loop) {
  return [&loop](ConnectionState state, const std::string& detail) {
    if (state != ConnectionState::Failed && state != ConnectionState::Closed) return;
    std::cerr << detail << "\n";
    loop.stop();
  };
}

}  // namespace example
