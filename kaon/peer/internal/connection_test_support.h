// What the tests of connections share: two of them in a simulated network, with everything they tell.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "kaon/peer/connection.h"
#include "kaon/sim/pump.h"
#include "kaon/sim/seed.h"

namespace kaon::peer::test {

using namespace std::chrono_literals;

/// An Ed25519 certificate: with the same seed the whole run is the same to the last bit.
inline Config make_config(Random& random) {
  return {.certificate = crypto::Certificate::generate(crypto::KeyType::Ed25519, random, 1'700'000'000s)};
}

/// A VP8 frame of `size` bytes as far as its header says (RFC 6386 §9.1); the rest is a pattern of `number`.
inline std::vector<uint8_t> make_vp8(bool keyframe, size_t size, uint8_t number) {
  std::vector<uint8_t> frame(std::max<size_t>(size, 10), number);
  frame[0] = keyframe ? 0x10 : 0x11;
  frame[1] = frame[2] = 0;
  if (keyframe) {
    const uint8_t header[] = {0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01};  // 640 × 360
    std::copy(std::begin(header), std::end(header), frame.begin() + 3);
  }
  return frame;
}

struct ReceivedMessage {
  datachannel::ChannelId channel{};
  std::string text;
  bool binary = false;
};

struct ReceivedFrame {
  TransceiverId transceiver{};
  packetizer::Codec codec{};
  std::vector<uint8_t> data;
  bool keyframe = false;
  bool after_loss = false;
  int64_t timestamp = 0;
};

/// A connection whose user takes everything it gives at once. Itself a net::DatagramEngine, so that a Pump drives it.
class Node {
 public:
  Node(uint64_t seed, net::Endpoint local, sim::Network& network)
      : random(seed), address(local), network_(network), config(make_config(random)) {}

  /// Makes the connection of `config`; before that it may be changed.
  Connection& start() {
    connection.emplace(Env{random, log}, pool, config, network_.now());
    if (stun_server) {
      EXPECT_TRUE(connection->add_stun_server(*stun_server, network_.now()));
    }
    EXPECT_TRUE(connection->add_local_address({.address = address}, network_.now()));
    connection->end_of_local_addresses(network_.now());
    return *connection;
  }
  Connection* operator->() { return &*connection; }

  void handle_packet(const net::Datagram& packet, Time now) {
    if (keep_packets) packets.push_back({packet.bytes.begin(), packet.bytes.end()});
    connection->handle_packet(packet, now);
    take_all();
  }
  void handle_timeout(Time now) {
    connection->handle_timeout(now);
    take_all();
  }
  Time next_timeout() const { return connection->next_timeout(); }
  std::optional<net::Transmit> poll_transmit(Bytes out) {
    const auto transmit = connection->poll_transmit(out);
    if (transmit && keep_packets) marks.push_back({{out[0], out[1]}, transmit->dscp});
    return transmit;
  }
  std::optional<Event> poll_event() {
    take_all();
    return connection->poll_event();
  }

  template <class E>
  size_t count() const {
    return static_cast<size_t>(
        std::count_if(events.begin(), events.end(), [](const Event& e) { return std::holds_alternative<E>(e); }));
  }
  template <class E>
  const E* last() const {
    for (auto it = events.rbegin(); it != events.rend(); ++it) {
      if (const E* event = std::get_if<E>(&*it)) return event;
    }
    return nullptr;
  }
  template <class E>
  size_t count_channel_events() const {
    return static_cast<size_t>(std::count_if(channel_events.begin(), channel_events.end(),
                                             [](const auto& e) { return std::holds_alternative<E>(e); }));
  }
  bool connected() const { return connection->state() == ConnectionState::Connected; }

  SeededRandom random;
  NullLogger log;
  BufferPool pool;
  net::Endpoint address;
  std::optional<net::Endpoint> stun_server;

 private:
  void take_all() {
    while (auto event = connection->poll_channel_event()) {
      if (const auto* announced = std::get_if<datachannel::ChannelAnnounced>(&*event))
        announced_channels.push_back(announced->channel);
      if (const auto* message = std::get_if<datachannel::MessageReceived>(&*event)) {
        messages.push_back({message->channel, std::string(as_text(message->payload)), message->binary});
      } else {
        channel_events.push_back(std::move(*event));
      }
    }
    while (auto packet = connection->poll_media()) media.push_back(std::move(*packet));
    while (auto frame = connection->poll_frame()) {
      frames.push_back({frame->transceiver,
                        frame->codec,
                        {frame->data.begin(), frame->data.end()},
                        frame->info.keyframe,
                        frame->after_loss,
                        frame->timestamp});
    }
  }

  sim::Network& network_;

 public:
  Config config;
  std::optional<Connection> connection;
  std::vector<Event> events;
  std::vector<datachannel::Event> channel_events;  // without messages
  std::vector<datachannel::ChannelId> announced_channels;
  std::vector<ReceivedMessage> messages;
  struct Mark {
    std::array<uint8_t, 2> begins;
    uint8_t dscp;
  };
  std::vector<Mark> marks;  // of what is sent, if packets are kept
  std::vector<MediaPacket> media;
  std::vector<ReceivedFrame> frames;
  bool keep_packets = false;
  std::vector<std::vector<uint8_t>> packets;  // as they arrived
};
static_assert(net::DatagramEngine<Node>);

/// As over a wire: what a description says must survive being written and read.
inline sdp::SessionDescription as_signalled(const Node& from) {
  auto parsed = sdp::SessionDescription::parse(from.connection->local_description());
  EXPECT_TRUE(parsed) << from.connection->local_description();
  return parsed ? *parsed : sdp::SessionDescription{};
}

/// Two connections 10 ms apart.
class Pair {
 public:
  explicit Pair(uint64_t seed, const sim::LinkConfig& link = {.delay = 5ms})
      : network(seed),
        host_a(network.add_host(net::IpAddress::v4(192, 0, 2, 1), sim::kInternet, link)),
        host_b(network.add_host(net::IpAddress::v4(192, 0, 2, 2), sim::kInternet, link)),
        a(network.seed_for(1), {net::IpAddress::v4(192, 0, 2, 1), 1000}, network),
        b(network.seed_for(2), {net::IpAddress::v4(192, 0, 2, 2), 2000}, network),
        pump(network) {}

  /// Makes both connections; configurations may be changed before.
  void start() {
    a.start();
    b.start();
    pump.attach(host_a, a, [this](Event event) { a.events.push_back(std::move(event)); });
    pump.attach(host_b, b, [this](Event event) { b.events.push_back(std::move(event)); });
  }

  /// `offerer` makes an offer and the other answers; no time passes.
  void negotiate(Node& offerer) {
    Node& answerer = &offerer == &a ? b : a;
    offer(offerer);
    answer(answerer);
  }
  void offer(Node& offerer) {
    Node& answerer = &offerer == &a ? b : a;
    const auto set = offerer->set_local_description(SdpType::Offer, now());
    ASSERT_TRUE(set) << to_string(set.error());
    const auto received = answerer->set_remote_description(SdpType::Offer, as_signalled(offerer), now());
    ASSERT_TRUE(received) << to_string(received.error());
  }
  void answer(Node& answerer) {
    Node& offerer = &answerer == &a ? b : a;
    const auto set = answerer->set_local_description(SdpType::Answer, now());
    ASSERT_TRUE(set) << to_string(set.error());
    const auto received = offerer->set_remote_description(SdpType::Answer, as_signalled(answerer), now());
    ASSERT_TRUE(received) << to_string(received.error());
  }
  bool connect() {
    negotiate(a);
    return run([this] { return a.connected() && b.connected(); });
  }

  /// The one channel that a made is open on both sides.
  bool channel_is_open() {
    return a.count_channel_events<datachannel::ChannelOpened>() == 1 && b.announced_channels.size() == 1;
  }

  template <class Done>
  bool run(Done done, Duration limit = 10s) {
    return pump.run_for(std::move(done), limit);
  }
  Time now() const { return network.now(); }
  sim::Link& a_to_b() { return network.up(network.interface_of(host_a, a.address.ip)); }
  sim::Link& b_to_a() { return network.up(network.interface_of(host_b, b.address.ip)); }

  sim::Network network;
  sim::HostId host_a, host_b;
  Node a, b;
  sim::Pump pump;
};

}  // namespace kaon::peer::test
