// Does a small message overtake a large one? data-channels-interleaving-inspect [--offer] [--off]
// Shows what both sides said about interleaving (RFC 8260), which chunks carried the messages, and which came first.
#include <limits>
#include <sstream>

#include "examples/common/signal.h"
#include "kaon/sctp/describe.h"

using namespace example;

constexpr size_t kLarge = 250'000;

// Sees the packets of SCTP in the clear. Called on the connection's loop.
class Inspector final : public kaon::trace::Sink {
 public:
  Wants wants() const override { return {.clear = true}; }
  void event(const kaon::trace::Record&) override {}
  void packet(const kaon::trace::Packet& packet) override {
    if (packet.layer != kaon::trace::Layer::Sctp) return;
    kaon::Outline outline(packet.bytes);
    kaon::sctp::describe(packet.bytes, {}, outline);
    std::istringstream lines(outline.text());
    bool in_init = false;
    for (std::string line; std::getline(lines, line);) {
      const std::string text = line.substr(std::min(line.find_first_not_of(' '), line.size()));
      if (text.starts_with("DATA ")) ++data_;
      if (text.starts_with("I-DATA ")) ++interleaved_;
      if (text == "INIT" || text == "INIT-ACK") in_init = true;
      if (in_init) std::cerr << to_string(packet.direction) << "  " << text << "\n";
    }
  }
  void report() const { std::cout << data_ << " DATA chunks, " << interleaved_ << " I-DATA chunks" << std::endl; }

 private:
  size_t data_ = 0;
  size_t interleaved_ = 0;
};

int main(int argc, char** argv) {
  Arguments arguments(argc, argv);
  const bool off = std::erase(arguments.words, "--off") > 0;
  kaon::io::Loop loop;
  loop.start();  // a thread of its own: this one waits for descriptions
  Inspector inspector;
  Configuration configuration;
  configuration.data.sctp.interleaving = !off;
  configuration.snap = false;  // with it the INITs would be in the descriptions, and no packet would show them
  configuration.trace = &inspector;
  std::unique_ptr<PeerConnection> connection;
  std::vector<std::shared_ptr<DataChannel>> channels;

  const auto print = [](const std::shared_ptr<DataChannel>& channel) {
    channel->set_handlers({.on_message = [channel = channel.get()](const Message& message) {
      std::cout << channel->label() << ", " << message.data.size() << " bytes" << std::endl;
    }});
  };
  // The offerer sends both, the large one first, and the other side prints them in the order of their arrival.
  const auto send = [&] {
    channels[0]->send(kaon::ByteView(std::vector<uint8_t>(kLarge, 7))).value();
    channels[1]->send("small").value();
  };
  loop.invoke([&] {
    connection =
        std::make_unique<PeerConnection>(loop, configuration, PeerConnectionHandlers{.on_data_channel = print});
    negotiate(*connection, arguments.offers, [&] {
      if (!arguments.offers) return;
      channels.push_back(connection->create_data_channel("large", {}).value());
      channels.push_back(connection->create_data_channel("small", {}, {.on_open = send}).value());
    });
  });
  std::cin.ignore(std::numeric_limits<std::streamsize>::max());  // until its input ends
  loop.invoke([&] {
    connection.reset();
    inspector.report();
  });
}
