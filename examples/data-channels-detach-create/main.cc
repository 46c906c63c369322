// A channel of our own as a stream: data-channels-detach-create [COUNT]
// Makes the offer, then writes COUNT messages and reads the peer's answers at the same time, one coroutine for each.
#include "examples/common/signal.h"
#include "kaon/webrtc/detached_channel.h"
#include "kaon/webrtc/task.h"

using namespace example;

Task write(DetachedChannel& stream, int count) {
  for (int i = 1; i <= count; ++i) {
    // Waits until the channel is open, and later while there is no room.
    if (const auto sent = co_await stream.write("number " + std::to_string(i)); !sent) die(to_string(sent.error()));
  }
}

Task read(DetachedChannel& stream, int count, kaon::io::Loop& loop) {
  std::vector<uint8_t> bytes(1024);
  for (int answers = 0; answers < count;) {
    const auto part = co_await stream.read(bytes);
    if (!part) break;
    std::cerr << kaon::as_text(kaon::ByteView(bytes).first(part->size)) << (part->end_of_message ? "\n" : "");
    if (part->end_of_message) ++answers;
  }
  loop.stop();
}

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  const int count = arguments.words.empty() ? 5 : std::atoi(arguments.words[0].c_str());
  kaon::io::Loop loop;
  PeerConnection connection(loop, {}, {.on_connection_state = stop_at_end(loop)});
  DetachedChannel stream = connection.create_data_channel("data").value()->detach();
  const Task writing = write(stream, count);
  const Task reading = read(stream, count, loop);
  negotiate(connection, true, [] {});
  loop.run();
}
