// Receives whatever the peer sends and prints the statistics of the connection once a second: stats [--offer]
// At the end the whole report follows as JSON, the way a browser's getStats() would give it.
#include <cstdio>

#include "examples/common/signal.h"

using namespace example;
using namespace std::chrono_literals;

void print(const StatsReport& report) {
  if (const Stats* transport = report.first_of("transport")) {
    const Stats* pair = report.find(transport->text("selectedCandidatePairId"));
    std::fprintf(stderr, "%s, round trip %.1f ms, %.0f kB in, %.0f kB out\n", transport->text("srtpCipher").c_str(),
                 pair == nullptr ? 0 : pair->number("currentRoundTripTime") * 1000,
                 transport->number("bytesReceived") / 1000, transport->number("bytesSent") / 1000);
  }
  for (const Stats& stream : report.stats) {
    if (stream.type != "inbound-rtp") continue;
    std::fprintf(stderr, "  %s %.0f: %.0f frames, %.0f packets, %.0f lost, jitter %.1f ms\n",
                 stream.text("kind").c_str(), stream.number("ssrc"), stream.number("framesReceived"),
                 stream.number("packetsReceived"), stream.number("packetsLost"), stream.number("jitter") * 1000);
  }
}

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  kaon::io::Loop loop;
  StatsReport last;
  PeerConnection connection(loop, {}, {.on_connection_state = stop_at_end(loop)});
  kaon::io::TimerId timer = loop.add_timer([&](kaon::Time now) {
    last = connection.get_stats();
    print(last);
    loop.schedule(timer, now + 1s);
  });
  loop.schedule(timer, kaon::io::Loop::now() + 1s);
  negotiate(connection, arguments.offers, [&] {
    if (!arguments.offers) return;
    for (const MediaKind kind : {MediaKind::Video, MediaKind::Audio}) {
      if (!connection.add_transceiver(kind, {.direction = Direction::RecvOnly})) die("No section can be added.");
    }
  });
  loop.run();
  std::cout << last.to_json() << "\n";
}
