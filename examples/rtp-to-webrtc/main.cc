// From plain RTP, as ffmpeg or GStreamer send it, to WebRTC: rtp-to-webrtc [--offer] CODEC PORT
// CODEC is VP8, VP9, H264, AV1 or OPUS; PORT 0 takes a free one.
#include <array>

#include "examples/common/signal.h"
#include "kaon/io/udp.h"

using namespace example;
namespace io = kaon::io;

// What comes in goes on: the numbers stay, SSRC and payload type become those of the connection.
struct Input : io::UdpHandler {
  void receive(std::span<const kaon::net::Datagram> batch, kaon::Time) override {
    for (const kaon::net::Datagram& datagram : batch) {
      // Before there is a peer, packets go nowhere. Neither does RTCP, which some programs send to the same port.
      if (kaon::rtp::is_rtcp(datagram.bytes) || !track) continue;
      static_cast<void>(track->sender().send_rtp(codec, kaon::ByteView(datagram.bytes)));
    }
  }
  void writable() override {}

  Codec codec{};
  std::shared_ptr<RtpTransceiver> track;
};

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  if (arguments.words.size() != 2) die("usage: rtp-to-webrtc [--offer] CODEC PORT");
  const auto codec = kaon::packetizer::codec_from_name(arguments.words[0]);
  const auto port = kaon::parse_number<uint16_t>(arguments.words[1]);
  if (!codec || !port) die("This is no codec, or no port.");

  io::Loop loop;
  Input input;
  input.codec = *codec;
  const std::array<io::UdpPort::Member, 1> members{{{&loop, &input}}};
  auto socket = io::UdpPort::open(members, {.bind = {{kaon::net::IpAddress::v4(127, 0, 0, 1), *port}}});
  if (!socket) die(to_string(socket.error()));

  PeerConnection connection(loop, {}, {.on_connection_state = [&](ConnectionState state, const std::string& detail) {
                              if (state == ConnectionState::Connected) {
                                std::cerr << "Send to rtp://127.0.0.1:" << (*socket)->port() << "?pkt_size=1200\n";
                              }
                              stop_at_end(loop)(state, detail);
                            }});
  negotiate(connection, arguments.offers, [&] {
    const MediaKind kind = kaon::packetizer::is_video(*codec) ? MediaKind::Video : MediaKind::Audio;
    auto added = connection.add_track(kind, {"rtp"});
    if (!added || !(*added)->set_codec_preferences(kaon::peer::codecs_of(*codec))) die("The track cannot be added.");
    input.track = std::move(*added);
  });
  loop.run();
}
