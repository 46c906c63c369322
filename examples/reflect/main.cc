// Sends everything back to where it comes from: sound and picture, frame by frame. reflect
#include "examples/common/signal.h"

using namespace example;

int main() {
  kaon::io::Loop loop;
  const auto on_track = [](const TrackEvent& event) {
    RtpTransceiver* track = event.transceiver.get();  // lives as long as its connection
    track->set_handlers({.on_frame =
                             [track](const ReceivedFrame& frame) {
                               const EncodedFrame same{frame.data, static_cast<uint32_t>(frame.timestamp)};
                               if (const auto sent = track->sender().send_frame(frame.codec, same); !sent) {
                                 std::cerr << "A frame is left out: " << kaon::peer::to_string(sent.error()) << "\n";
                               }
                             },
                         // Who watches what comes back needs a key frame: so do we.
                         .on_keyframe_request = [track] { track->receiver().request_keyframe(); }});
  };
  PeerConnection connection(loop, {}, {.on_connection_state = stop_at_end(loop), .on_track = on_track});
  negotiate(connection, /*offers=*/false, [&] {
    // A section of a remote offer only receives, until somebody wants to send on it too.
    for (const auto& transceiver : connection.transceivers()) {
      if (!transceiver->set_direction(Direction::SendRecv)) die("A section cannot be made to send.");
    }
  });
  loop.run();
}
