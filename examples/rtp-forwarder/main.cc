// From WebRTC to plain RTP, for ffmpeg, GStreamer or VLC: rtp-forwarder [--offer] VIDEO_PORT AUDIO_PORT
// VP8 leaves for 127.0.0.1:VIDEO_PORT with payload type 96, Opus for 127.0.0.1:AUDIO_PORT with 111.
#include <array>

#include "examples/common/signal.h"
#include "kaon/io/udp.h"

using namespace example;
using namespace std::chrono_literals;
namespace io = kaon::io;
namespace net = kaon::net;
namespace rtp = kaon::rtp;

constexpr auto kLocalhost = net::IpAddress::v4(127, 0, 0, 1);

// A UDP socket that nobody writes to.
struct Output : io::UdpHandler {
  explicit Output(io::Loop& loop) {
    const std::array<io::UdpPort::Member, 1> members{{{&loop, this}}};
    auto opened = io::UdpPort::open(members, {.bind = {{kLocalhost, 0}}});
    if (!opened) die(to_string(opened.error()));
    port = std::move(*opened);
  }
  void receive(std::span<const net::Datagram>, kaon::Time) override {}
  void writable() override {}

  // SRTP, extensions and numbers of our own are gone: a header with the payload behind it is all.
  void send(const rtp::Packet& packet, uint8_t payload_type, uint16_t to) {
    std::array<uint8_t, 1500> bytes;
    rtp::Header header = packet.header;
    header.payload_type = payload_type;
    const size_t size = rtp::write_header({.header = header}, {}, bytes);
    if (size + packet.payload().size() > bytes.size()) return;
    std::ranges::copy(packet.payload(), bytes.begin() + static_cast<ptrdiff_t>(size));
    const net::Transmit transmit{.remote = {kLocalhost, to}, .size = size + packet.payload().size()};
    port->shard(0).send(transmit, kaon::ByteView(bytes).first(transmit.size));
  }

  std::unique_ptr<io::UdpPort> port;
};

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  if (arguments.words.size() != 2) die("usage: rtp-forwarder [--offer] VIDEO_PORT AUDIO_PORT");
  const auto video_port = kaon::parse_number<uint16_t>(arguments.words[0]);
  const auto audio_port = kaon::parse_number<uint16_t>(arguments.words[1]);
  if (!video_port || !audio_port) die("A port is a number from 1 to 65535.");

  io::Loop loop;
  Output output(loop);
  std::shared_ptr<RtpTransceiver> video;
  // Who tunes in later needs a key frame: there is one every three seconds.
  kaon::io::TimerId timer = loop.add_timer([&](kaon::Time now) {
    if (video) video->receiver().request_keyframe();
    loop.schedule(timer, now + 3s);
  });
  loop.schedule(timer, io::Loop::now());
  const auto on_track = [&](const TrackEvent& track) {
    const bool is_video = track.transceiver->kind() == MediaKind::Video;
    if (is_video) video = track.transceiver;
    track.transceiver->set_handlers({.on_rtp = [&, is_video](const ReceivedRtp& received) {
      output.send(received.packet, is_video ? 96 : 111, is_video ? *video_port : *audio_port);
    }});
  };
  PeerConnection connection(loop, {}, {.on_connection_state = stop_at_end(loop), .on_track = on_track});
  negotiate(connection, arguments.offers, [&] {
    if (arguments.offers) {
      for (const MediaKind kind : {MediaKind::Video, MediaKind::Audio}) {
        if (!connection.add_transceiver(kind, {.direction = Direction::RecvOnly})) die("No section can be added.");
      }
    }
    for (const auto& transceiver : connection.transceivers()) {
      const Codec codec = transceiver->kind() == MediaKind::Video ? Codec::Vp8 : Codec::Opus;
      if (!transceiver->set_codec_preferences(kaon::peer::codecs_of(codec))) die("The codec cannot be chosen.");
    }
  });
  loop.run();
}
