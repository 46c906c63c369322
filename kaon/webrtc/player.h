// Sends the frames of media files in real time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kaon/base/function.h"
#include "kaon/io/loop.h"
#include "kaon/io/media_file.h"
#include "kaon/webrtc/peer_connection.h"

namespace kaon::webrtc {

/// How a Player plays.
struct PlayerOptions {
  /// Begin again at the end, without end.
  bool repeat = false;
  /// All files have been sent, or something went wrong (a sentence; empty if not). Called once, on the loop, and may
  /// destroy the player.
  Function<void(const std::string& error)> on_end = {};
};

/// Plays files into a connection, each frame when its timestamp is due. A request for a key frame cannot be met: a file
/// has its key frames where it has them. Everything on the loop's thread.
class Player {
 public:
  /// The loop must outlive the player.
  explicit Player(io::Loop& loop, PlayerOptions options = {}) : loop_(loop), options_(std::move(options)) {}
  ~Player();
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  /// Reads the first frame and takes a section for its codec: before the offer is made, or between a remote offer and
  /// its answer. The error is a sentence.
  Result<std::shared_ptr<RtpTransceiver>, std::string> add(std::unique_ptr<io::MediaReader> file,
                                                           PeerConnection& connection);
  /// From now on, all files from the same moment: best once the connection is connected.
  void start();

  /// All files have been sent (never with `repeat`), or something went wrong.
  bool done() const;
  /// A sentence; empty while all is well.
  const std::string& error() const { return error_; }
  /// Sent so far, of all files.
  uint64_t frames() const { return frames_; }
  /// The size of these frames.
  uint64_t bytes() const { return bytes_; }
  /// How much of the files has been played.
  Duration position() const { return position_; }

 private:
  struct Track {
    std::unique_ptr<io::MediaReader> file;
    std::shared_ptr<RtpTransceiver> transceiver;
    std::optional<io::StoredFrame> next;
    int64_t first = 0;   // timestamp of the file's first frame
    int64_t last = 0;    // of the frame sent last, counted from the beginning
    int64_t step = 0;    // between the last two
    int64_t offset = 0;  // of the present round of a loop
    io::TimerId timer;
  };

  void play(Track& track, Time now);
  bool send(Track& track, int64_t timestamp);
  void advance(Track& track);
  Time due(const Track& track) const;
  void stop(std::string error);

  io::Loop& loop_;
  PlayerOptions options_;
  std::vector<std::unique_ptr<Track>> tracks_;
  Time start_ = kNever;
  std::string error_;
  uint64_t frames_ = 0;
  uint64_t bytes_ = 0;
  Duration position_{};
};

}  // namespace kaon::webrtc
