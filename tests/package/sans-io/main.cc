// Two connections without a socket, a thread or a clock: packets and time go by hand from one to the other.
#include <cstdio>
#include <string>
#include <vector>

#include "kaon/crypto/system_random.h"
#include "kaon/peer/connection.h"

using namespace kaon;

namespace {

class CountingLogger final : public Logger {
 public:
  CountingLogger() { set_level(LogLevel::Trace); }
  void write(LogLevel, std::string_view, std::string_view) override { ++lines; }
  size_t lines = 0;
};

struct Side {
  Side(net::Endpoint endpoint, Time now) : address(endpoint), connection({random, log}, pool, config(), now) {
    connection.add_local_address({.address = address}, now).value();
    connection.end_of_local_addresses(now);
  }
  peer::Config config() {
    return {.certificate = crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random, std::chrono::years(55))};
  }

  crypto::SystemRandom random;
  CountingLogger log;
  BufferPool pool;
  net::Endpoint address;
  peer::Connection connection;
};

/// Gives what `from` wants to send to `to`, as single packets; true if there was any.
bool carry(Side& from, Side& to, std::vector<uint8_t>& scratch, Time now) {
  const auto run = from.connection.poll_transmit(scratch);
  if (!run) return false;
  const size_t step = run->segment_size != 0 ? run->segment_size : run->size;
  for (size_t at = 0; at < run->size; at += step) {
    const Bytes packet = Bytes(scratch).subspan(at, std::min(step, run->size - at));
    to.connection.handle_packet({.local = to.address, .remote = from.address, .bytes = packet}, now);
  }
  return true;
}

}  // namespace

int main() {
  Time now{std::chrono::seconds(1)};
  Side alice({net::IpAddress::v4(192, 0, 2, 1), 5000}, now);
  Side bob({net::IpAddress::v4(192, 0, 2, 2), 5000}, now);
  const auto chat = alice.connection.open_channel({.label = "chat"}, now).value();
  const auto describe = [&](Side& from, Side& to, peer::SdpType type) {
    from.connection.set_local_description(type, now).value();
    const auto description = sdp::SessionDescription::parse(from.connection.local_description()).value();
    to.connection.set_remote_description(type, description, now).value();
  };
  describe(alice, bob, peer::SdpType::Offer);
  describe(bob, alice, peer::SdpType::Answer);

  std::vector<uint8_t> scratch(peer::Connection::kMaxTransmit);
  for (int steps = 0; steps < 1000; ++steps) {
    while (carry(alice, bob, scratch, now) || carry(bob, alice, scratch, now)) continue;
    while (const auto event = alice.connection.poll_channel_event()) {
      if (std::holds_alternative<datachannel::ChannelOpened>(*event)) {
        alice.connection.send_text(chat, "hello without I/O", now).value();
      }
    }
    while (const auto event = bob.connection.poll_channel_event()) {
      if (const auto* message = std::get_if<datachannel::MessageReceived>(&*event)) {
        const std::string text(as_text(message->payload));
        std::printf("%s, after %zu lines of log\n", text.c_str(), alice.log.lines + bob.log.lines);
        return 0;
      }
    }
    now = std::max(now, std::min(alice.connection.next_timeout(), bob.connection.next_timeout()));
    alice.connection.handle_timeout(now);
    bob.connection.handle_timeout(now);
  }
  std::puts("no message came");
  return 1;
}
