// One side of a comparison: many connections on one loop, driven by words on stdin, told as JSON lines on stdout.
// README.md of benchmarks/ has the protocol.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/peer/lines.h"
#include "benchmarks/peer/options.h"
#include "kaon/io/loop.h"
#include "kaon/webrtc/peer_connection.h"

namespace kaon::bench {

/// What a side has sent and got since it began.
struct Traffic {
  uint64_t sent_bytes = 0;
  uint64_t sent_units = 0;  // messages or frames
  uint64_t received_bytes = 0;
  uint64_t received_units = 0;
};

class Peer {
 public:
  Peer(io::Loop& loop, const Options& options);
  ~Peer();

 private:
  struct Link {
    std::unique_ptr<webrtc::PeerConnection> connection;
    std::vector<std::shared_ptr<webrtc::DataChannel>> channels;
    std::shared_ptr<webrtc::RtpTransceiver> video;
    Time began{};
    size_t open_channels = 0;
    bool opened = false;
    bool heard = false;    // of the offered channel, or of its end
    bool closing = false;  // as soon as it has been
    std::vector<uint8_t> frame;
    uint32_t timestamp = 0;
    Time next_frame{};
    io::TimerId timer;
  };

  // Commands and signalling.
  void on_command(std::string_view line);
  void on_signal(std::string_view line);
  void signal(std::string_view kind, size_t link, const std::string& text);
  void handshake_over(Link& link);
  void close(Link& link);
  void sample();

  // Connections.
  Link& link(size_t index);
  void connect(Link& link, size_t index);
  void begin(size_t index);
  void begin_more();
  void add_channels(Link& link, size_t index);
  void opened(size_t index);
  void failed(size_t index, const std::string& why);

  // Load.
  void start_sending();
  void pour(Link& link, webrtc::DataChannel& channel);
  void start_video(Link& link, size_t index);
  void send_frame(Link& link, size_t index);
  void receive_frame(ByteView frame);
  std::string delays();
  uint64_t packets_of_video() const;

  io::Loop& loop_;
  Options options_;
  Traffic traffic_;
  std::vector<float> delays_;  // of frames since the last sample, in milliseconds
  std::vector<std::unique_ptr<Link>> links_;
  size_t wanted_ = 0;
  size_t parallel_ = 1;
  size_t under_way_ = 0;
  bool sending_ = false;
  std::vector<uint8_t> message_;
  LineReader commands_;
  LineReader signals_;
};

}  // namespace kaon::bench
