// The Kaon side of ./bench.
#include "benchmarks/peer/options.h"
#include "benchmarks/peer/peer.h"

int main(int count, char** words) {
  const auto options = kaon::bench::parse_options(count, words);
  if (!options) return 2;
  kaon::io::Loop loop;
  const kaon::bench::Peer peer(loop, *options);
  loop.run();
  return 0;
}
