// Several pictures in, one out, each in turn: swap-tracks [SECONDS]
// The peer offers two video tracks or more; what is shown comes back on the first.
#include "examples/common/signal.h"

using namespace example;

class Switcher {
 public:
  void add(const std::shared_ptr<RtpTransceiver>& track) {
    const size_t index = tracks_.size();
    tracks_.push_back(track);
    track->set_handlers({.on_frame = [this, index](const ReceivedFrame& frame) { show(index, frame); },
                         .on_keyframe_request = [this] { tracks_[shown_]->receiver().request_keyframe(); }});
  }

  void next() {
    if (tracks_.empty()) return;
    wanted_ = (wanted_ + 1) % tracks_.size();
    tracks_[wanted_]->receiver().request_keyframe();
  }

 private:
  // The one before goes on until the next can begin.
  void show(size_t index, const ReceivedFrame& frame) {
    RtpSender& sender = tracks_.front()->sender();
    if (index == wanted_ && wanted_ != shown_ && frame.keyframe) {
      shown_ = wanted_;
      sender.replace_track();  // its clock is another
      std::cerr << "Now track " << shown_ + 1 << ".\n";
    }
    if (index != shown_) return;
    const auto sent = sender.send_frame(frame.codec, {frame.data, static_cast<uint32_t>(frame.timestamp)});
    if (!sent) std::cerr << kaon::peer::to_string(sent.error()) << "\n";
  }

  std::vector<std::shared_ptr<RtpTransceiver>> tracks_;
  size_t shown_ = 0;
  size_t wanted_ = 0;
};

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  const double seconds = arguments.words.empty() ? 5 : std::strtod(arguments.words[0].c_str(), nullptr);
  if (!(seconds > 0)) die("usage: swap-tracks [SECONDS]");
  const auto period = std::chrono::duration_cast<kaon::Duration>(std::chrono::duration<double>(seconds));

  kaon::io::Loop loop;
  Switcher switcher;
  kaon::io::TimerId timer = loop.add_timer([&](kaon::Time now) {
    switcher.next();
    loop.schedule(timer, now + period);
  });
  PeerConnection connection(loop, {},
                            {.on_connection_state =
                                 [&](ConnectionState state, const std::string& detail) {
                                   if (state == ConnectionState::Connected) {
                                     loop.schedule(timer, kaon::io::Loop::now() + period);
                                   }
                                   stop_at_end(loop)(state, detail);
                                 },
                             .on_track = [&](const TrackEvent& track) { switcher.add(track.transceiver); }});
  negotiate(connection, /*offers=*/false, [&] {
    const auto transceivers = connection.transceivers();
    if (transceivers.size() < 2) die("There is nothing to swap: the offer has fewer than two tracks.");
    if (!transceivers.front()->set_direction(Direction::SendRecv)) die("The first section cannot be made to send.");
    for (const auto& track : transceivers) {
      if (!track->set_codec_preferences(kaon::peer::codecs_of(Codec::Vp8))) die("The codec cannot be chosen.");
    }
  });
  loop.run();
}
