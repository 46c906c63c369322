// One publisher, any number of viewers: packets go on as they come, nothing is encoded again. broadcast
// The first offer on standard input is the publisher's, each further one a viewer's.
#include <memory>

#include "examples/common/signal.h"

using namespace example;

// Everything here happens on the loop's thread.
class Broadcast {
 public:
  explicit Broadcast(kaon::io::Loop& loop) : loop_(loop) {}

  SessionDescription publish(const SessionDescription& offer) {
    publisher_ = std::make_unique<PeerConnection>(
        loop_, Configuration{},
        PeerConnectionHandlers{.on_track = [this](const TrackEvent& track) { receive(track); }});
    set_remote_description(*publisher_, offer);
    prefer_codecs(*publisher_);
    return set_local_description(*publisher_);
  }

  SessionDescription watch(const SessionDescription& offer) {
    auto& viewer = viewers_.emplace_back(std::make_unique<Viewer>());
    viewer->connection = std::make_unique<PeerConnection>(
        loop_, Configuration{},
        PeerConnectionHandlers{
            .on_connection_state = [this, viewer = viewer.get()](ConnectionState state, const auto&) {
              if (state == ConnectionState::Connected) request_keyframe();
              if (state != ConnectionState::Failed && state != ConnectionState::Closed) return;
              std::erase_if(viewers_, [viewer](const auto& each) { return each.get() == viewer; });
            }});
    set_remote_description(*viewer->connection, offer);
    for (const MediaKind kind : {MediaKind::Video, MediaKind::Audio}) {
      auto track =
          viewer->connection->add_track(kind, {"broadcast"}, {.on_keyframe_request = [this] { request_keyframe(); }});
      if (track) viewer->tracks.push_back(*track);
    }
    prefer_codecs(*viewer->connection);
    return set_local_description(*viewer->connection);
  }

 private:
  struct Viewer {
    std::unique_ptr<PeerConnection> connection;
    std::vector<std::shared_ptr<RtpTransceiver>> tracks;
  };

  void receive(const TrackEvent& event) {
    const MediaKind kind = event.transceiver->kind();
    if (kind == MediaKind::Video) video_ = event.transceiver;
    event.transceiver->set_handlers({.on_rtp = [this, kind](const ReceivedRtp& rtp) {
      for (const auto& viewer : viewers_) {
        for (const auto& track : viewer->tracks) {
          // Who is not connected yet, or does not want it, does without.
          if (track->kind() == kind) static_cast<void>(track->sender().send_rtp(rtp.codec, rtp.packet));
        }
      }
    }});
  }

  void request_keyframe() {
    if (video_) video_->receiver().request_keyframe();
  }

  // All of them must speak the same.
  static void prefer_codecs(PeerConnection& connection) {
    for (const auto& track : connection.transceivers()) {
      const Codec codec = track->kind() == MediaKind::Video ? Codec::Vp8 : Codec::Opus;
      if (!track->set_codec_preferences(kaon::peer::codecs_of(codec))) die("The codec cannot be chosen.");
    }
  }

  kaon::io::Loop& loop_;
  std::unique_ptr<PeerConnection> publisher_;
  std::shared_ptr<RtpTransceiver> video_;
  std::vector<std::unique_ptr<Viewer>> viewers_;
};

int main() {
  kaon::io::Loop loop;
  auto broadcast = std::make_unique<Broadcast>(loop);
  loop.start();  // a thread of its own: this one waits for offers
  for (bool published = false;; published = true) {
    const SessionDescription offer = read_description(SdpType::Offer);
    if (offer.sdp.empty()) break;
    loop.invoke([&] { write_description(published ? broadcast->watch(offer) : broadcast->publish(offer)); });
  }
  loop.invoke([&] { broadcast.reset(); });
}
