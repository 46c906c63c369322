// The other side of an example that its test needs:
//   example_test_peer [--offer] [--repeat] [--signal] [--play FILE]... [--record FILE]... [--frames N]
// Plays files on tracks that also receive, records the tracks that come in their order, and ends once each file has N
// frames, or with the connection. --signal answers offers that come over the channel of play-from-disk-renegotiation
// and says on standard output how many tracks there are, and when each file has its frames.
#include <memory>

#include "examples/common/signal.h"
#include "kaon/webrtc/player.h"

using namespace example;
using kaon::io::MediaReader;
using kaon::io::MediaWriter;

struct Options {
  explicit Options(int argc, char** argv) : arguments(argc, argv) {
    auto& words = arguments.words;
    repeat = std::erase(words, "--repeat") > 0;
    signal = std::erase(words, "--signal") > 0;
    for (size_t i = 0; i + 1 < words.size(); i += 2) {
      if (words[i] == "--play") play.push_back(words[i + 1]);
      if (words[i] == "--record") record.push_back(words[i + 1]);
      if (words[i] == "--frames") frames = kaon::parse_number<size_t>(words[i + 1]).value();
    }
  }
  Arguments arguments;
  bool repeat = false;
  bool signal = false;
  std::vector<std::string> play;
  std::vector<std::string> record;
  size_t frames = ~size_t{0};
};

class Peer {
 public:
  Peer(kaon::io::Loop& loop, const Options& options)
      : options_(options),
        loop_(loop),
        player_(loop, {.repeat = options.repeat}),
        connection_(loop, {},
                    {.on_connection_state = [this](auto state, const auto& detail) { on_state(state, detail); },
                     .on_track = [this](const TrackEvent& track) { on_track(track); }}) {
    for (const std::string& path : options.record) recordings_.push_back({path, MediaWriter::create(path).value()});
    if (options.signal) {
      channel_ = connection_
                     .create_data_channel("signal", {.negotiated = true, .id = 0},
                                          {.on_message = [this](const Message& message) { answer(message); }})
                     .value();
    }
    negotiate(connection_, options.arguments.offers, [this] { prepare(); });
  }

  ~Peer() {
    for (Recording& recording : recordings_) {
      recording.file->finish().value();
      std::cerr << recording.path << ": " << recording.file->frames() << " frames\n";
    }
  }

 private:
  struct Recording {
    std::string path;
    std::unique_ptr<MediaWriter> file;
    std::optional<int64_t> start = {};
    int64_t last = -1;
  };

  void prepare() {
    for (const std::string& path : options_.play) {
      const auto track = player_.add(MediaReader::open(path).value(), connection_).value();
      track->set_direction(Direction::SendRecv).value();
    }
    if (!options_.arguments.offers || !options_.play.empty() || options_.signal) return;
    for (const std::string& path : options_.record) {
      const bool video = MediaWriter::holds_video(path).value();
      connection_.add_transceiver(video ? MediaKind::Video : MediaKind::Audio, {.direction = Direction::RecvOnly})
          .value();
    }
  }

  void on_state(ConnectionState state, const std::string& detail) {
    if (state == ConnectionState::Connected) player_.start();
    stop_at_end(loop_)(state, detail);
  }

  void on_track(const TrackEvent& track) {
    count(1);
    if (next_ == recordings_.size()) return;
    Recording& recording = recordings_[next_++];
    track.transceiver->set_handlers(
        {.on_frame = [this, &recording](const ReceivedFrame& frame) { write(recording, frame); },
         .on_ended = [this] { count(-1); }});
  }

  void count(int change) {
    tracks_ += change;
    if (options_.signal) std::cout << tracks_ << " tracks" << std::endl;
  }

  void write(Recording& recording, const ReceivedFrame& frame) {
    if (!recording.start) recording.start = frame.timestamp;
    const int64_t timestamp = frame.timestamp - *recording.start;
    if (timestamp <= recording.last) die("The timestamps go back.");
    recording.last = timestamp;
    if (recording.file->frames() < options_.frames) {
      recording.file->write(frame.codec, {frame.data, timestamp, frame.keyframe}).value();
    }
    const auto full = [this](const Recording& r) { return r.file->frames() >= options_.frames; };
    if (full_ || !std::ranges::all_of(recordings_, full)) return;
    full_ = true;
    if (options_.signal) {
      std::cout << "all frames" << std::endl;
    } else {
      loop_.stop();
    }
  }

  void answer(const Message& message) {
    set_remote_description(connection_, {SdpType::Offer, std::string(message.text())});
    channel_->send(set_local_description(connection_).sdp).value();
  }

  const Options& options_;
  kaon::io::Loop& loop_;
  std::vector<Recording> recordings_;
  size_t next_ = 0;
  int tracks_ = 0;
  bool full_ = false;
  std::shared_ptr<DataChannel> channel_;
  Player player_;
  PeerConnection connection_;
};

int main(int argc, char** argv) {
  const Options options(argc, argv);
  kaon::io::Loop loop;
  Peer peer(loop, options);
  loop.run();
}
