// Frames encrypted end to end, under a key that no server in between has:
//   insertable-streams [--offer] PASSWORD send FILE          VP8 or Opus
//   insertable-streams [--offer] PASSWORD receive FILE
#include "examples/common/signal.h"
#include "kaon/crypto/aead.h"
#include "kaon/crypto/hash.h"
#include "kaon/crypto/system_random.h"
#include "kaon/webrtc/player.h"

using namespace example;
using namespace std::chrono_literals;
namespace crypto = kaon::crypto;

constexpr auto kAlgorithm = crypto::AeadAlgorithm::Aes128Gcm;

// A real program would agree on a key instead of hashing a password.
crypto::Aead key_of(const std::string& password) {
  const crypto::Digest digest = crypto::hash(crypto::HashAlgorithm::Sha256, kaon::as_bytes(password));
  return {kAlgorithm, digest.view().first(crypto::aead_key_size(kAlgorithm))};
}

// The bytes that packetizers, routers and receivers look at. They stay readable, but nobody can change them.
size_t clear_bytes(const TransformFrame& frame) {
  if (frame.codec != Codec::Vp8) return 1;
  return frame.keyframe ? 10 : 3;
}

// Header | ciphertext and tag | nonce
class Encrypt : public FrameTransform {
 public:
  explicit Encrypt(const std::string& password) : aead_(key_of(password)) {}
  bool transform(TransformFrame& frame) override {
    const size_t clear = clear_bytes(frame);
    if (frame.data.size() < clear) return false;
    std::array<uint8_t, crypto::kAeadNonceSize> nonce;  // 96 random bits: no two frames in a lifetime are alike
    random_.fill(nonce);
    const size_t size = frame.data.size();
    frame.data.resize(size + crypto::kAeadTagSize);
    const kaon::Bytes body = kaon::Bytes(frame.data).subspan(clear);
    aead_.seal(nonce, kaon::ByteView(frame.data).first(clear), body.first(size - clear), body);
    frame.data.insert(frame.data.end(), nonce.begin(), nonce.end());
    return true;
  }

 private:
  crypto::Aead aead_;
  crypto::SystemRandom random_;
};

class Decrypt : public FrameTransform {
 public:
  explicit Decrypt(const std::string& password) : aead_(key_of(password)) {}
  bool transform(TransformFrame& frame) override {
    const size_t clear = clear_bytes(frame);
    if (frame.data.size() < clear + crypto::kAeadTagSize + crypto::kAeadNonceSize) return ++refused, false;
    const kaon::Bytes whole(frame.data);
    const kaon::Bytes nonce = whole.last(crypto::kAeadNonceSize);
    const kaon::Bytes body = whole.subspan(clear, whole.size() - clear - nonce.size());
    if (!aead_.open(nonce, whole.first(clear), body, body.first(body.size() - crypto::kAeadTagSize))) {
      return ++refused, false;
    }
    frame.data.resize(frame.data.size() - crypto::kAeadTagSize - crypto::kAeadNonceSize);
    return true;
  }
  int refused = 0;

 private:
  crypto::Aead aead_;
};

void send(kaon::io::Loop& loop, const Arguments& arguments) {
  auto file = kaon::io::MediaReader::open(arguments.words[2]);
  if (!file) die(file.error());
  const Codec codec = (*file)->codec();
  if (codec != Codec::Vp8 && codec != Codec::Opus) die("This example knows the headers of VP8 and Opus only.");
  const auto timer = loop.add_timer([&](kaon::Time) { loop.stop(); });
  Player player(loop, {.on_end = [&](const std::string& error) {
                  std::cerr << player.frames() << " frames sent. " << error << "\n";
                  loop.schedule(timer, kaon::io::Loop::now() + 500ms);
                }});
  PeerConnection connection(loop, {}, {.on_connection_state = [&](ConnectionState state, const std::string&) {
                              if (state == ConnectionState::Connected) player.start();
                            }});
  negotiate(connection, arguments.offers, [&] {
    const auto track = player.add(std::move(*file), connection);
    if (!track) die(track.error());
    (*track)->sender().set_transform(std::make_shared<Encrypt>(arguments.words[0]));
  });
  loop.run();
}

void receive(kaon::io::Loop& loop, const Arguments& arguments) {
  auto file = kaon::io::MediaWriter::create(arguments.words[2]);
  if (!file) die(file.error());
  const auto decrypt = std::make_shared<Decrypt>(arguments.words[0]);
  std::optional<int64_t> start;
  const auto write = [&](const ReceivedFrame& frame) {
    if (!start) start = frame.timestamp;
    const auto written = (*file)->write(frame.codec, {frame.data, frame.timestamp - *start, frame.keyframe});
    if (!written) die(written.error());
  };
  PeerConnection connection(loop, {},
                            {.on_connection_state = stop_at_end(loop), .on_track = [&](const TrackEvent& event) {
                               event.transceiver->receiver().set_transform(decrypt);
                               event.transceiver->set_handlers({.on_frame = write});
                             }});
  negotiate(connection, arguments.offers, [&] {
    if (!arguments.offers) return;
    const bool video = kaon::io::MediaWriter::holds_video(arguments.words[2]).value_or(true);
    const MediaKind kind = video ? MediaKind::Video : MediaKind::Audio;
    if (!connection.add_transceiver(kind, {.direction = Direction::RecvOnly})) die("No section can be added.");
  });
  loop.run();
  std::cerr << (*file)->frames() << " frames written, " << decrypt->refused << " could not be opened.\n";
}

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  const bool sends = arguments.words.size() == 3 && arguments.words[1] == "send";
  if (!sends && (arguments.words.size() != 3 || arguments.words[1] != "receive")) {
    die("usage: insertable-streams [--offer] PASSWORD send|receive FILE");
  }
  kaon::io::Loop loop;
  sends ? send(loop, arguments) : receive(loop, arguments);
}
