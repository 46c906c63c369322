// Plays files to a peer, for example to a browser: play-from-disk [--offer] FILE...
#include "examples/common/signal.h"
#include "kaon/webrtc/player.h"

using namespace example;
using namespace std::chrono_literals;

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  if (arguments.words.empty()) die("usage: play-from-disk [--offer] FILE...");
  kaon::io::Loop loop;
  // After the last frame the peer may still ask for packets that were lost.
  const auto timer = loop.add_timer([&](kaon::Time) { loop.stop(); });
  Player player(loop, {.on_end = [&](const std::string& error) {
                  std::cerr << player.frames() << " frames sent. " << error << "\n";
                  loop.schedule(timer, kaon::io::Loop::now() + 500ms);
                }});
  PeerConnection connection(loop, {}, {.on_connection_state = [&](ConnectionState state, const std::string& detail) {
                              if (state == ConnectionState::Connected) player.start();
                              stop_at_end(loop)(state, detail);
                            }});
  negotiate(connection, arguments.offers, [&] {
    for (const std::string& path : arguments.words) {
      auto file = kaon::io::MediaReader::open(path);
      if (!file) die(file.error());
      if (const auto added = player.add(std::move(*file), connection); !added) die(added.error());
    }
  });
  loop.run();
}
