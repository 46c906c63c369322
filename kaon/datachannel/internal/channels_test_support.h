// Two ends of data channels joined by a path in virtual time. For tests.
#pragma once

#include <gmock/gmock.h>

#include "kaon/datachannel/channels.h"
#include "kaon/sctp/test_pair.h"

namespace kaon::datachannel::test {

struct Text {
  ChannelId channel;
  bool binary;
  std::string text;
};

struct Peer {
  explicit Peer(uint64_t seed, const Config& config = {}) : random(seed), channels(config, Env{random, log}) {}
  void on(Event& event) {
    if (auto* m = std::get_if<MessageReceived>(&event)) {
      messages.push_back({m->channel, m->binary, std::string(as_text(m->payload))});
    } else if (auto* announced_event = std::get_if<ChannelAnnounced>(&event)) {
      announced.push_back(announced_event->channel);
    } else if (auto* o = std::get_if<ChannelOpened>(&event)) {
      opened.push_back(o->channel);
    } else if (auto* closing_event = std::get_if<ChannelClosing>(&event)) {
      closing.push_back(closing_event->channel);
    } else if (auto* c = std::get_if<ChannelClosed>(&event)) {
      closed.push_back(c->channel);
      errors.push_back(c->error);
    } else if (std::holds_alternative<BufferedAmountLow>(event)) {
      ++lows;
    } else if (std::holds_alternative<Connected>(event)) {
      ++connected;
    } else if (auto* end = std::get_if<Closed>(&event)) {
      ended = end->reason;
    }
  }
  SeededRandom random;
  NullLogger log;
  Channels channels;
  std::vector<Text> messages;
  std::vector<ChannelId> announced, opened, closing, closed;
  std::vector<ChannelError> errors;
  std::optional<sctp::CloseReason> ended;
  int connected = 0, lows = 0;
};

struct Fixture {
  explicit Fixture(uint64_t seed = 1, const Config& config = {})
      : a(seed * 2 + 1, config), b(seed * 2 + 2, config), pair(a.channels, b.channels, seed) {
    pair.a().on_event = [this](Event& e) { a.on(e); };
    pair.b().on_event = [this](Event& e) { b.on(e); };
  }
  bool connect() {
    a.channels.start(DtlsRole::Client, pair.now());
    b.channels.start(DtlsRole::Server, pair.now());
    return run([this] { return a.connected == 1 && b.connected == 1; });
  }
  bool run(const std::function<bool()>& done) { return pair.run(std::chrono::seconds(300), done); }
  ChannelId open(ChannelOptions options) {
    const auto id = a.channels.open(std::move(options), pair.now());
    EXPECT_TRUE(id.has_value());
    return *id;
  }
  ChannelId open_named(std::string label) { return open(ChannelOptions{.label = std::move(label)}); }
  uint16_t stream(Peer& peer, ChannelId id) { return *peer.channels.info(id)->options.stream; }

  Peer a, b;
  sctp::test::Pair<Channels, Event> pair;
};

}  // namespace kaon::datachannel::test
