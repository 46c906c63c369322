#include "apps/kaon/gathering.h"

#include <chrono>

namespace kaon::apps {
namespace {

constexpr int kPollMilliseconds = 20;
constexpr auto kLimit = std::chrono::seconds(5);

}  // namespace

std::string gathered_description(io::Loop& loop, webrtc::PeerConnection& connection, StopSignal& stop) {
  const auto limit = std::chrono::steady_clock::now() + kLimit;
  bool complete = false;
  std::string sdp;
  do {
    loop.invoke([&] {
      complete = connection.ice_gathering_complete();
      sdp = connection.local_description().sdp;
    });
  } while (!complete && std::chrono::steady_clock::now() < limit && !stop.wait(kPollMilliseconds));
  return sdp;
}

}  // namespace kaon::apps
