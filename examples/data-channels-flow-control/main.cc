// Sends as fast as the peer can take it, with little memory: data-channels-flow-control [MEGABYTES]
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kaon/webrtc/peer_connection.h"

using namespace kaon::webrtc;
using namespace std::chrono_literals;

constexpr size_t kMessage = 64 * 1024;
constexpr size_t kHigh = 1024 * 1024;  // no more than this waits in the channel,
constexpr size_t kLow = 256 * 1024;    // and it is filled up again from here

struct Sender {
  std::shared_ptr<DataChannel> channel;
  size_t left;
  size_t most_buffered = 0;
  std::vector<uint8_t> message = std::vector<uint8_t>(kMessage, 0x5a);

  // Called when the channel opens, and each time that it has run low.
  void fill() {
    while (left > 0 && channel->buffered_amount() < kHigh) {
      const size_t size = std::min(left, message.size());
      if (!channel->send(kaon::ByteView(message).first(size))) return;  // on_writable comes when there is room
      left -= size;
      most_buffered = std::max(most_buffered, channel->buffered_amount());
    }
  }
};

int main(int argc, char** argv) {
  const size_t total = static_cast<size_t>(argc > 1 ? std::atoi(argv[1]) : 500) * 1'000'000;
  kaon::io::Loop loop;
  Sender sender{.channel = {}, .left = total};
  size_t received = 0;
  size_t before = 0;
  const kaon::Time start = kaon::io::Loop::now();

  const auto receive = [&](const Message& message) {
    received += message.data.size();
    if (received >= total) loop.stop();
  };
  PeerConnection alice(loop);
  PeerConnection bob(loop, {}, {.on_data_channel = [&](const std::shared_ptr<DataChannel>& channel) {
                       channel->set_handlers({.on_message = receive});
                     }});
  sender.channel = alice
                       .create_data_channel("bulk", {},
                                            {.on_open = [&] { sender.fill(); },
                                             .on_buffered_amount_low = [&] { sender.fill(); },
                                             .on_writable = [&] { sender.fill(); }})
                       .value();
  sender.channel->set_buffered_amount_low_threshold(kLow);

  kaon::io::TimerId timer = loop.add_timer([&](kaon::Time now) {
    std::printf("%.0f Mbit/s, %zu kB wait\n", static_cast<double>(received - before) * 8 / 1e6,
                sender.channel->buffered_amount() / 1000);
    before = received;
    loop.schedule(timer, now + 1s);
  });
  loop.schedule(timer, start + 1s);

  bob.set_remote_description(alice.set_local_description().value()).value();
  alice.set_remote_description(bob.set_local_description().value()).value();
  loop.run();
  const double seconds = std::chrono::duration<double>(kaon::io::Loop::now() - start).count();
  std::printf("%zu bytes in %.2f s, %.0f Mbit/s; never more than %zu kB waited.\n", received, seconds,
              static_cast<double>(received) * 8 / 1e6 / seconds, sender.most_buffered / 1000);
}
