// A description with all its candidates, for signalling that goes once each way.
#pragma once

#include <string>

#include "apps/kaon/signals.h"
#include "kaon/webrtc/peer_connection.h"

namespace kaon::apps {

/// The local description once all candidates are known; with those there are after 5 s, or when `stop` comes.
std::string gathered_description(io::Loop& loop, webrtc::PeerConnection& connection, StopSignal& stop);

}  // namespace kaon::apps
