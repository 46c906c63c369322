// A chat between two programs: kaon-to-kaon [--offer]
// After the descriptions, every line of standard input goes to the peer, and what comes from there is printed.
#include "examples/common/signal.h"

using namespace example;

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  kaon::io::Loop loop;
  loop.start();  // a thread of its own: this one waits for what is typed
  std::unique_ptr<PeerConnection> connection;
  std::shared_ptr<DataChannel> chat;
  bool open = false;
  std::vector<std::string> early;  // typed before the channel was open

  const auto show = [](const Message& message) { std::cout << message.text() << std::endl; };
  const auto say = [&](const std::string& line) {
    if (!open) return early.push_back(line);
    if (const auto sent = chat->send(line); !sent) std::cerr << to_string(sent.error()) << "\n";
  };
  const auto begin = [&] {
    open = true;
    std::cerr << "Connected.\n";
    for (const std::string& line : std::exchange(early, {})) say(line);
  };
  loop.invoke([&] {
    connection = std::make_unique<PeerConnection>(
        loop, Configuration{},
        PeerConnectionHandlers{.on_data_channel = [&](const std::shared_ptr<DataChannel>& channel) {
          chat = channel;
          chat->set_handlers({.on_open = begin, .on_message = show});
        }});
    negotiate(*connection, arguments.offers, [&] {
      if (!arguments.offers) return;  // the channel comes with the connection
      chat = connection->create_data_channel("chat", {}, {.on_open = begin, .on_message = show}).value();
    });
  });
  for (std::string line; std::getline(std::cin, line);) {
    loop.invoke([&] { say(line); });
  }
  loop.invoke([&] { connection.reset(); });
}
