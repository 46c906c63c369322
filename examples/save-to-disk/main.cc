// Writes what a peer sends into files, as it is: save-to-disk [--offer] FILE...
// The ending of a file says what goes into it: .ivf (VP8, VP9, AV1) or .h264 for a picture, .ogg (Opus) for sound.
#include <memory>

#include "examples/common/signal.h"
#include "kaon/io/media_file.h"

using namespace example;
using kaon::io::MediaWriter;

// One file, and the stream that goes into it.
struct Recording {
  MediaKind kind{};
  std::unique_ptr<MediaWriter> file;
  bool taken = false;
  std::optional<int64_t> start = {};

  void write(const ReceivedFrame& frame) {
    // The first frame of a picture that comes is a key frame: the receiver waits for one, and asks.
    if (!start) start = frame.timestamp;
    const auto written = file->write(frame.codec, {frame.data, frame.timestamp - *start, frame.keyframe});
    if (!written) die(written.error());
  }
};

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  std::vector<Recording> recordings;
  for (const std::string& path : arguments.words) {
    const auto video = MediaWriter::holds_video(path);
    if (!video) die(path + " must end in .ivf, .h264 or .ogg.");
    auto file = MediaWriter::create(path);
    if (!file) die(file.error());
    recordings.push_back({*video ? MediaKind::Video : MediaKind::Audio, std::move(*file)});
  }
  if (recordings.empty()) die("usage: save-to-disk [--offer] FILE...");

  kaon::io::Loop loop;
  const auto on_track = [&](const TrackEvent& track) {
    for (Recording& recording : recordings) {
      if (recording.kind != track.transceiver->kind() || std::exchange(recording.taken, true)) continue;
      track.transceiver->set_handlers({.on_frame = [&](const ReceivedFrame& frame) { recording.write(frame); }});
      return;
    }
  };
  PeerConnection connection(loop, {}, {.on_connection_state = stop_at_end(loop), .on_track = on_track});
  negotiate(connection, arguments.offers, [&] {
    if (!arguments.offers) return;  // the peer's offer says what it sends
    for (const Recording& recording : recordings) {
      const auto added = connection.add_transceiver(recording.kind, {.direction = Direction::RecvOnly});
      if (!added) die(kaon::peer::to_string(added.error()));
    }
  });
  loop.run();
  for (Recording& recording : recordings) {
    if (const auto finished = recording.file->finish(); !finished) die(finished.error());
    std::cerr << recording.file->frames() << " frames written.\n";
  }
}
