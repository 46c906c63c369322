// Adds and removes tracks while the connection lives: play-from-disk-renegotiation [--offer]
// After the descriptions, standard input takes the commands "add FILE" and "remove"; each is a new offer and answer,
// and those travel over a data channel.
#include <memory>

#include "examples/common/signal.h"
#include "kaon/webrtc/player.h"

using namespace example;

// Everything but the constructor's caller is on the loop's thread.
class Session {
 public:
  explicit Session(kaon::io::Loop& loop, bool offers)
      : loop_(loop), connection_(loop, {}, {.on_negotiation_needed = [this] { needed_ = true, offer(); }}) {
    // Both sides make the channel with this number, and nothing has to be announced.
    channel_ = connection_
                   .create_data_channel("signal", {.negotiated = true, .id = 0},
                                        {.on_open = [this] { offer(); },
                                         .on_message = [this](const Message& message) { answered(message); }})
                   .value();
    negotiate(connection_, offers, [] {});
  }

  void add(const std::string& path) {
    auto file = kaon::io::MediaReader::open(path);
    if (!file) return std::cerr << file.error() << "\n", void();
    auto& track = tracks_.emplace_back();
    track.player = std::make_unique<Player>(loop_, PlayerOptions{.repeat = true});
    auto added = track.player->add(std::move(*file), connection_);
    if (!added) return std::cerr << added.error() << "\n", tracks_.pop_back();
    track.transceiver = std::move(*added);
  }

  // The first that plays.
  void remove() {
    if (tracks_.empty()) return;
    if (!tracks_.front().transceiver->stop()) std::cerr << "It is stopped already.\n";
    tracks_.erase(tracks_.begin());
  }

 private:
  struct Track {
    std::shared_ptr<RtpTransceiver> transceiver;
    std::unique_ptr<Player> player;
  };

  // Never called while an offer of ours is out.
  void offer() {
    if (!needed_ || channel_->state() != ChannelState::Open) return;
    needed_ = false;
    const SessionDescription description = set_local_description(connection_);
    if (const auto sent = channel_->send(description.sdp); !sent) die(to_string(sent.error()));
  }

  void answered(const Message& message) {
    set_remote_description(connection_, {SdpType::Answer, std::string(message.text())});
    std::cerr << tracks_.size() << " tracks.\n";
    for (const Track& track : tracks_) {
      // One that was added since the offer has its turn with the next; those that play already go on.
      if (track.transceiver->current_direction()) track.player->start();
    }
  }

  kaon::io::Loop& loop_;
  PeerConnection connection_;
  std::shared_ptr<DataChannel> channel_;
  std::vector<Track> tracks_;
  bool needed_ = false;  // something changed that the peer has to know
};

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  kaon::io::Loop loop;
  loop.start();  // a thread of its own: this one waits for commands
  std::unique_ptr<Session> session;
  loop.invoke([&] { session = std::make_unique<Session>(loop, arguments.offers); });
  for (std::string line; std::getline(std::cin, line);) {
    loop.invoke([&] {
      if (line.starts_with("add ")) session->add(line.substr(4));
      if (line == "remove") session->remove();
    });
  }
  loop.invoke([&] { session.reset(); });
}
