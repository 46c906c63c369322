// A channel of the peer's as a stream: data-channels-detach [--offer]
// Reads message after message, prints it and answers it; ends when the peer closes the channel.
#include "examples/common/signal.h"
#include "kaon/webrtc/detached_channel.h"
#include "kaon/webrtc/task.h"

using namespace example;

// What is not read holds the peer back, and what the peer does not read holds the writing back.
Task answer(DetachedChannel stream, kaon::io::Loop& loop) {
  std::vector<uint8_t> bytes(1024);
  std::string message;
  while (const auto part = co_await stream.read(bytes)) {
    message += kaon::as_text(kaon::ByteView(bytes).first(part->size));
    if (!part->end_of_message) continue;
    std::cerr << "Message: " << message << "\n";
    if (!co_await stream.write("got " + message)) break;
    message.clear();
  }
  std::cerr << "The peer has closed the channel.\n";
  loop.stop();
}

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  kaon::io::Loop loop;
  Task task;
  PeerConnection connection(
      loop, {},
      {.on_connection_state = stop_at_end(loop), .on_data_channel = [&](const std::shared_ptr<DataChannel>& channel) {
         std::cerr << "Channel: " << channel->label() << "\n";
         task = answer(channel->detach(), loop);
       }});
  std::shared_ptr<DataChannel> own;
  negotiate(connection, arguments.offers, [&] {
    // An offer needs something to offer.
    if (arguments.offers) own = connection.create_data_channel("unused").value();
  });
  loop.run();
}
