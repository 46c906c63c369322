// Reads one RTP packet and prints its header: a module used alone.
#include <cstdio>

#include "kaon/rtp/header.h"

int main() {
  const uint8_t packet[] = {0x80, 0xe0, 0x12, 0x34, 0, 0, 0x0b, 0xb8, 0xde, 0xad, 0xbe, 0xef, 'k', 'a', 'o', 'n'};
  const auto view = kaon::rtp::PacketView::parse(packet);
  if (!view) {
    std::puts(kaon::rtp::to_string(view.error()));
    return 1;
  }
  std::printf("%s, payload of %zu bytes\n", view->header.to_string().c_str(), view->payload.size());
}
