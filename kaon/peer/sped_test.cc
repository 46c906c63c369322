// The DTLS handshake in connectivity checks (SPED): what is agreed, how soon connections are there, and that all is
// well without.
#include <gmock/gmock.h>

#include <set>

#include "kaon/peer/internal/connection_test_support.h"
#include "kaon/peer/internal/negotiation_test_support.h"

namespace kaon::peer {
namespace {

using namespace test;

constexpr Duration kRtt = 200ms;
const sim::LinkConfig kFar{.delay = kRtt / 4};  // two links each way

struct Options {
  bool sped_a = true;
  bool sped_b = true;
  dtls::Version version = dtls::Version::Dtls13;
  sdp::Setup answer_setup = sdp::Setup::Passive;
  crypto::KeyType key = crypto::KeyType::Ed25519;
  size_t mtu = 1200;
  dtls::KeyExchangePolicy key_exchange = dtls::KeyExchangePolicy::Latency;
};

struct Call {
  explicit Call(Options options = {}, uint64_t seed = 1, const sim::LinkConfig& link = kFar) : pair(seed, link) {
    pair.a.config.sped = options.sped_a;
    pair.b.config.sped = options.sped_b;
    for (Node* node : {&pair.a, &pair.b}) {
      node->config.max_dtls_version = options.version;
      node->config.negotiation.answer_setup = options.answer_setup;
      node->config.mtu = options.mtu;
      node->config.key_exchange = options.key_exchange;
      if (options.key != crypto::KeyType::Ed25519)
        node->config.certificate = crypto::Certificate::generate(options.key, node->random, 1'700'000'000s);
    }
    pair.start();
    started = pair.now();
    channel = *pair.a->open_channel({.label = "chat"}, pair.now());
  }
  /// When a, and when b, may send after descriptions that took no time.
  std::pair<Duration, Duration> connect() {
    const Time start = pair.now();
    Time a = kNever, b = kNever;
    pair.negotiate(pair.a);
    EXPECT_TRUE(pair.run(
        [&] {
          if (a == kNever && pair.a.connected()) a = pair.now();
          if (b == kNever && pair.b.connected()) b = pair.now();
          return a != kNever && b != kNever;
        },
        60s));
    return {a - start, b - start};
  }
  struct SpedUse {
    uint64_t a_sent, a_received, b_sent, b_received;
    bool none() const { return a_sent + a_received + b_sent + b_received == 0; }
  };
  SpedUse use() {
    const auto stats = [&](Node& node) { return node->stats(pair.now()).transport.sped; };
    return {stats(pair.a).sent, stats(pair.a).received, stats(pair.b).sent, stats(pair.b).received};
  }
  void works() {
    ASSERT_TRUE(pair.run([&] { return pair.channel_is_open(); }, 60s));
    ASSERT_TRUE(pair.a->send_text(channel, "hello", pair.now()));
    ASSERT_TRUE(pair.run([&] { return pair.b.messages.size() == 1; }, 60s));
  }

  Pair pair;
  Time started{};
  datachannel::ChannelId channel{};
};

// The client knows after one round trip that it is secured, half a round trip before the server can.
TEST(Sped, TheHandshakeTakesNoTimeBesideTheChecks) {
  Call with;
  const auto [client, server] = with.connect();
  EXPECT_EQ(client, kRtt);
  EXPECT_EQ(server, kRtt + kRtt / 2);
  EXPECT_GE(with.use().a_sent, 1u);
  EXPECT_GE(with.use().b_sent, 1u);
  EXPECT_GE(with.use().a_received, 1u);
  EXPECT_GE(with.use().b_received, 1u);
  with.works();
  Call without({.sped_a = false});
  const auto [later, latest] = without.connect();
  EXPECT_EQ(later, 2 * kRtt);
  EXPECT_EQ(latest, 2 * kRtt + kRtt / 2);
}

TEST(Sped, TheAnswererMayBeTheClientToo) {
  Call call({.answer_setup = sdp::Setup::Active});
  const auto [server, client] = call.connect();
  EXPECT_EQ(client, kRtt);
  EXPECT_EQ(server, kRtt + kRtt / 2);
  call.works();
}

TEST(Sped, Dtls12IsTwoRoundTripsInsteadOfThree) {
  const auto a_secured = [](bool sped) {
    Call call({.sped_a = sped, .version = dtls::Version::Dtls12});
    const Duration time = call.connect().first;
    call.works();
    return time;
  };
  EXPECT_EQ(a_secured(true), 2 * kRtt);
  EXPECT_EQ(a_secured(false), 3 * kRtt);
}

// As with ML-KEM, whose ClientHello has two packets, and RSA, whose certificates make both flights large.
TEST(Sped, FlightsOfSeveralPacketsCostNothingMore) {
  Call small({.mtu = 360});  // 160 for DTLS, beside what checks have
  EXPECT_LE(small.connect().first, kRtt + 20ms);
  small.works();
  Call rsa({.key = crypto::KeyType::Rsa2048});
  const auto [client, server] = rsa.connect();
  EXPECT_LE(client, kRtt + 20ms);
  EXPECT_LE(server, kRtt + kRtt / 2 + 20ms);
  rsa.works();
}

/// How many different handshake packets stand in checks of a that leave at the instant when the first of them does.
size_t packets_of_the_first_instant(Call& call) {
  std::optional<Time> first;
  std::set<std::vector<uint8_t>> packets;
  call.pair.network.set_tap([&](Time now, const net::Datagram& packet) {
    if (packet.remote != call.pair.a.address || packet.bytes[0] > 3) return;
    std::vector<uint8_t> bytes(packet.bytes.begin(), packet.bytes.end());
    const auto message = stun::Message::parse(bytes);
    if (!message || !message->has(stun::Attribute::DtlsInStun)) return;
    if (!first) first = now;
    const auto carried = message->find(stun::Attribute::DtlsInStun);
    if (now == *first) packets.emplace(carried->begin(), carried->end());
  });
  call.connect();
  call.pair.network.set_tap({});
  EXPECT_TRUE(first);
  return packets.size();
}

// Each would cost a turn of pacing otherwise.
TEST(Sped, AllPacketsOfAClientHelloLeaveAtOnce) {
  Call small({.mtu = 360});
  EXPECT_GE(packets_of_the_first_instant(small), 2u);
  small.works();
}

TEST(Sped, BothPacketsOfAPostQuantumClientHelloLeaveAtOnce) {
  if (!crypto::group_available(crypto::Group::X25519MlKem768)) GTEST_SKIP() << "libcrypto has no ML-KEM";
  for (const sdp::Setup answer_setup : {sdp::Setup::Passive, sdp::Setup::Active}) {
    Call call({.answer_setup = answer_setup, .key_exchange = dtls::KeyExchangePolicy::PostQuantum});
    const bool a_is_client = answer_setup == sdp::Setup::Passive;
    if (a_is_client) {
      EXPECT_EQ(packets_of_the_first_instant(call), 2u);
      EXPECT_LE(call.pair.now() - call.started, kRtt + kRtt / 2 + 20ms);
    } else {
      const auto [server, client] = call.connect();
      EXPECT_LE(client, kRtt + 20ms);
      EXPECT_LE(server, kRtt + kRtt / 2 + 20ms);
    }
    EXPECT_EQ(call.pair.a.last<Secured>()->group, crypto::Group::X25519MlKem768);
    call.works();
  }
}

TEST(Sped, IsUsedOnlyIfBothSidesWantIt) {
  for (const auto& [a, b] : {std::pair(true, true), {true, false}, {false, true}, {false, false}}) {
    Call call({.sped_a = a, .sped_b = b});
    call.connect();
    EXPECT_EQ(call.use().none(), !(a && b));
    EXPECT_EQ(call.pair.a->session()->sped, a && b);
    EXPECT_EQ(has_sped(as_signalled(call.pair.a).media[0].transport.ice_options), a);
    EXPECT_EQ(has_sped(as_signalled(call.pair.b).media[0].transport.ice_options), a && b);
    call.works();
  }
}

TEST(Sped, EachSpellingOfTheOptionCounts) {
  for (const std::string_view spelling : {kSped, kGoogSped, kOldGoogSped}) {
    Call call;
    call.pair.offer(call.pair.a);
    ASSERT_TRUE(call.pair.b->set_local_description(SdpType::Answer, call.pair.now()));
    auto answer = as_signalled(call.pair.b);
    answer.media[0].transport.ice_options = {"trickle", std::string(spelling)};
    ASSERT_TRUE(call.pair.a->set_remote_description(SdpType::Answer, answer, call.pair.now()));
    ASSERT_TRUE(call.pair.run([&] { return call.pair.a.connected(); }));
    EXPECT_FALSE(call.use().none()) << spelling;
    call.works();
  }
}

// As who repeats every option of an offer: our checks find out.
TEST(Sped, AnEchoedOptionDelaysNothing) {
  Call call({.sped_b = false});
  call.pair.offer(call.pair.a);
  ASSERT_TRUE(call.pair.b->set_local_description(SdpType::Answer, call.pair.now()));
  auto answer = as_signalled(call.pair.b);
  answer.media[0].transport.ice_options.emplace_back(kSped);
  const Time start = call.pair.now();
  ASSERT_TRUE(call.pair.a->set_remote_description(SdpType::Answer, answer, call.pair.now()));
  ASSERT_TRUE(call.pair.run([&] { return call.pair.a.connected(); }));
  EXPECT_LE(call.pair.now() - start, 2 * kRtt);
  EXPECT_EQ(call.use().b_sent + call.use().b_received + call.use().a_received, 0u);
  call.works();
}

// Checks are faster than the answer: what they carry is kept until that says whose it is.
TEST(Sped, PacketsThatComeBeforeTheAnswerAreKept) {
  Call call({.answer_setup = sdp::Setup::Active});
  Pair& pair = call.pair;
  pair.offer(pair.a);
  ASSERT_TRUE(pair.b->set_local_description(SdpType::Answer, pair.now()));
  const auto answer = as_signalled(pair.b);
  pair.pump.pass(kRtt);
  EXPECT_EQ(pair.a->state(), ConnectionState::New);
  EXPECT_GE(call.use().a_received, 1u);
  ASSERT_TRUE(pair.a->set_remote_description(SdpType::Answer, answer, pair.now()));
  const Time answered = pair.now();
  ASSERT_TRUE(pair.run([&] { return pair.b.connected(); }));
  EXPECT_LE(pair.now() - answered, kRtt / 2 + 10ms) << "the ClientHello was here already";
  call.works();
}

TEST(Sped, AnswersAreNotBelievedWithAnotherFingerprint) {
  Call call;
  Pair& pair = call.pair;
  pair.offer(pair.a);
  ASSERT_TRUE(pair.b->set_local_description(SdpType::Answer, pair.now()));
  auto forged = as_signalled(pair.b);
  char& digit = forged.media[0].transport.fingerprints[0].back();
  digit = digit == 'A' ? 'B' : 'A';
  ASSERT_TRUE(pair.a->set_remote_description(SdpType::Answer, forged, pair.now()));
  ASSERT_TRUE(pair.run([&] { return pair.a->state() == ConnectionState::Failed; }));
  EXPECT_EQ(pair.a.count<Secured>(), 0u);
  pair.pump.pass(5s);
  EXPECT_EQ(pair.b.count<Secured>(), 0u);
}

TEST(Sped, AfterTheHandshakeChecksAreAsBefore) {
  Call call;
  call.connect();
  call.works();
  call.pair.pump.pass(7s);  // the first consent check of each side ends it, six seconds later at most
  const auto used = call.use();
  call.pair.a.keep_packets = call.pair.b.keep_packets = true;
  call.pair.pump.pass(30s);
  for (const Node* node : {&call.pair.a, &call.pair.b}) {
    size_t checks = 0;
    for (auto packet : node->packets) {
      const auto message = stun::Message::parse(packet);
      if (!message) continue;
      ++checks;
      EXPECT_FALSE(message->has(stun::Attribute::DtlsInStun) || message->has(stun::Attribute::DtlsInStunAck));
    }
    EXPECT_GE(checks, 4u);
  }
  call.pair.a->restart_ice(call.pair.now());
  call.pair.negotiate(call.pair.a);
  call.pair.pump.pass(3s);
  EXPECT_EQ(call.use().a_sent, used.a_sent) << "the association goes on";
  EXPECT_EQ(call.use().b_sent, used.b_sent);
}

TEST(Sped, ALiteServerAnswersWithItsFlight) {
  Pair pair(3, kFar);
  pair.b.config.ice.lite = true;
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({.label = "chat"}, pair.now()));
  const Time start = pair.now();
  pair.negotiate(pair.a);
  ASSERT_TRUE(pair.run([&] { return pair.a.connected(); }));
  EXPECT_LE(pair.now() - start, kRtt + 10ms);
  EXPECT_TRUE(pair.run([&] { return pair.channel_is_open(); }));
}

// A peer may come much later than the handshake's own patience: nothing runs out before there is a path.
TEST(Sped, WaitsForALatePath) {
  Pair pair(4, kFar);
  pair.a.config.ice.patience = pair.b.config.ice.patience = 10min;
  pair.a.config.ice.recheck = pair.b.config.ice.recheck = 3s;
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({.label = "chat"}, pair.now()));
  pair.a_to_b().blackout(pair.now() + 2min);
  pair.negotiate(pair.a);
  ASSERT_TRUE(pair.run([&] { return pair.channel_is_open(); }, 5min));
}

// Each with its own losses; sooner in sum than without.
TEST(Sped, ConnectsWhateverIsLostAndSooner) {
  for (const dtls::Version version : {dtls::Version::Dtls13, dtls::Version::Dtls12}) {
    Duration sum[2]{};
    for (const uint64_t seed : sim::seeds(60)) {
      SCOPED_TRACE(sim::replay_hint(seed));
      for (const bool sped : {false, true}) {
        Call call({.sped_a = sped, .version = version}, seed, {.delay = kRtt / 4, .jitter = 10ms, .loss = 0.13});
        const auto [a, b] = call.connect();
        sum[sped] += std::max(a, b);
        call.works();
      }
    }
    EXPECT_LT(sum[1], sum[0]);
  }
}

}  // namespace
}  // namespace kaon::peer
