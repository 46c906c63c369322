// Sends the frames of files in real time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/kaon/media_file.h"
#include "kaon/io/loop.h"
#include "kaon/webrtc/peer_connection.h"

namespace kaon::apps {

/// Everything on the loop's thread. A request for a key frame cannot be met: a file has its key frames where it has
/// them.
class Player {
 public:
  Player(io::Loop& loop, bool repeat) : loop_(loop), repeat_(repeat) {}
  ~Player();

  /// Takes the file's first frame and a section of its codec.
  Result<void, std::string> add(std::unique_ptr<MediaReader> file, webrtc::PeerConnection& connection);
  void start();

  bool done() const;
  /// A sentence; empty while all is well.
  const std::string& error() const { return error_; }
  uint64_t frames() const { return frames_; }
  uint64_t bytes() const { return bytes_; }
  /// How much of the files has been played.
  Duration position() const { return position_; }

 private:
  struct Track {
    std::unique_ptr<MediaReader> file;
    std::shared_ptr<webrtc::RtpTransceiver> transceiver;
    std::optional<StoredFrame> next;
    int64_t first = 0;   // timestamp of the file's first frame
    int64_t last = 0;    // of the frame sent last, counted from the beginning
    int64_t step = 0;    // between the last two
    int64_t offset = 0;  // of the present round of a loop
    io::TimerId timer;
  };

  void play(Track& track, Time now);
  bool send(Track& track, int64_t timestamp);
  bool advance(Track& track);
  Time due(const Track& track) const;
  void stop(std::string error);

  io::Loop& loop_;
  bool repeat_;
  std::vector<std::unique_ptr<Track>> tracks_;
  Time start_ = kNever;
  std::string error_;
  uint64_t frames_ = 0;
  uint64_t bytes_ = 0;
  Duration position_{};
};

}  // namespace kaon::apps
