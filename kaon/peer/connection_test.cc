// Two connections over a simulated network: signalling, data channels, ends.
#include "kaon/peer/connection.h"

#include <gmock/gmock.h>

#include "kaon/peer/internal/connection_test_support.h"

namespace kaon::peer {
namespace {

using namespace test;

/// The description of a connection that does not have the certificate it says.
sdp::SessionDescription with_another_fingerprint(const Node& node) {
  std::string text = node.connection->local_description();
  const size_t at = text.find("sha-256 ") + 8;
  text[at] = text[at] == 'A' ? 'B' : 'A';
  return *sdp::SessionDescription::parse(text);
}

TEST(PeerConnection, OpensAChannelAndCarriesMessagesBothWays) {
  Pair pair(1);
  pair.start();
  const auto channel = pair.a->open_channel({.label = "chat"}, pair.now());
  ASSERT_TRUE(channel);
  ASSERT_TRUE(pair.connect());
  ASSERT_TRUE(pair.run([&] { return pair.channel_is_open(); }));
  const auto remote = pair.b.announced_channels[0];
  EXPECT_EQ(pair.b->channels()->info(remote)->options.label, "chat");
  ASSERT_TRUE(pair.a->send_text(*channel, "hello", pair.now()));
  const std::vector<uint8_t> large(100'000, 0x42);
  ASSERT_TRUE(pair.b->send_binary(remote, large, pair.now()));
  ASSERT_TRUE(pair.run([&] { return pair.a.messages.size() == 1 && pair.b.messages.size() == 1; }));
  EXPECT_EQ(pair.b.messages[0].text, "hello");
  EXPECT_FALSE(pair.b.messages[0].binary);
  EXPECT_EQ(pair.a.messages[0].text, std::string(100'000, 0x42));
  EXPECT_TRUE(pair.a.messages[0].binary);
}

TEST(PeerConnection, GoesThroughTheStatesInOrder) {
  Pair pair(2);
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({}, pair.now()));
  EXPECT_EQ(pair.a->state(), ConnectionState::New);
  ASSERT_TRUE(pair.connect());
  for (const Node* node : {&pair.a, &pair.b}) {
    std::vector<ConnectionState> states;
    for (const Event& event : node->events) {
      if (const auto* changed = std::get_if<StateChanged>(&event)) states.push_back(changed->state);
    }
    EXPECT_THAT(states, testing::ElementsAre(ConnectionState::Connecting, ConnectionState::Connected));
    EXPECT_EQ(node->count<Secured>(), 1u);
    EXPECT_EQ(node->count<GatheringDone>(), 1u);
    EXPECT_EQ(node->count<LocalCandidate>(), 1u);
    EXPECT_EQ(node->count<PathValidated>(), 1u);
  }
}

TEST(PeerConnection, IsTheSameToTheLastBitWithTheSameSeed) {
  std::vector<std::vector<uint8_t>> wire[2];
  for (auto& packets : wire) {
    Pair pair(3);
    pair.b.keep_packets = true;
    pair.start();
    ASSERT_TRUE(pair.a->open_channel({}, pair.now()));
    ASSERT_TRUE(pair.connect());
    packets = pair.b.packets;
  }
  EXPECT_GT(wire[0].size(), 4u);
  EXPECT_EQ(wire[0], wire[1]);
}

TEST(PeerConnection, ClosesWithAGoodbyeThatThePeerSeesAtOnce) {
  Pair pair(4);
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({}, pair.now()));
  ASSERT_TRUE(pair.connect());
  ASSERT_TRUE(pair.run([&] { return pair.channel_is_open(); }));
  pair.a->close(pair.now());
  EXPECT_EQ(pair.a->state(), ConnectionState::Closed);
  const Time closed = pair.now();
  ASSERT_TRUE(pair.run([&] { return pair.b->state() == ConnectionState::Closed; }));
  EXPECT_EQ(pair.now() - closed, 10ms);
  EXPECT_EQ(pair.b.last<StateChanged>()->detail, "the peer closed the connection");
  EXPECT_EQ(pair.b.count_channel_events<datachannel::ChannelClosed>(), 1u);
  pair.pump.pass(1s);
  EXPECT_EQ(pair.a->next_timeout(), kNever);
  EXPECT_EQ(pair.b->next_timeout(), kNever);
  EXPECT_EQ(pair.a->create_offer(pair.now()).error(), NegotiationError::Closed);
}

TEST(PeerConnection, FailsAndDeliversNothingWhenTheFingerprintIsAnother) {
  Pair pair(5);
  pair.start();
  const auto channel = pair.a->open_channel({}, pair.now());
  ASSERT_TRUE(channel);
  pair.offer(pair.a);
  ASSERT_TRUE(pair.b->set_local_description(SdpType::Answer, pair.now()));
  ASSERT_TRUE(pair.a->set_remote_description(SdpType::Answer, with_another_fingerprint(pair.b), pair.now()));
  ASSERT_TRUE(pair.run([&] { return pair.a->state() == ConnectionState::Failed; }));
  EXPECT_EQ(pair.a.count<Secured>(), 0u);
  EXPECT_THAT(pair.a.last<StateChanged>()->detail, testing::HasSubstr("fingerprint"));
  pair.pump.pass(5s);
  EXPECT_NE(pair.b->state(), ConnectionState::Connected);
  EXPECT_EQ(pair.b.count<Secured>(), 0u);
  EXPECT_TRUE(pair.b.announced_channels.empty());
  // ICE has no say in it.
  pair.a->restart_ice(pair.now());
  EXPECT_EQ(pair.a->state(), ConnectionState::Failed);
}

// How soon a channel is there with a peer that knows neither SPED nor SNAP, in steps of 10 ms, half a round trip: a
// check and its answer, ClientHello, the server's flight with its INIT behind it, Finished and INIT ACK.
TEST(PeerConnection, AServersInitGoesOutBehindItsFinished) {
  Pair pair(18);
  pair.b.config.negotiation.answer_setup = sdp::Setup::Active;
  for (Node* node : {&pair.a, &pair.b}) node->config.sped = node->config.snap = false;
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({}, pair.now()));
  const Time start = pair.now();
  pair.negotiate(pair.a);
  const auto opened = [&] { return pair.a.count_channel_events<datachannel::ChannelOpened>() == 1; };
  ASSERT_TRUE(pair.run(opened));
  EXPECT_EQ(pair.now() - start, 50ms);
  // DCEP's OPEN came with the COOKIE ECHO.
  ASSERT_TRUE(pair.run([&] { return pair.b.announced_channels.size() == 1; }));
  EXPECT_EQ(pair.now() - start, 60ms);
}

TEST(PeerConnection, WhoIsNotThePeerHearsOurInitAndNothingElse) {
  Pair pair(19);
  pair.b.config.negotiation.answer_setup = sdp::Setup::Active;
  for (Node* node : {&pair.a, &pair.b}) node->config.sped = node->config.snap = false;
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({.label = "secret"}, pair.now()));
  pair.offer(pair.a);
  ASSERT_TRUE(pair.b->set_local_description(SdpType::Answer, pair.now()));
  ASSERT_TRUE(pair.a->set_remote_description(SdpType::Answer, with_another_fingerprint(pair.b), pair.now()));
  ASSERT_TRUE(pair.run([&] { return pair.a->state() == ConnectionState::Failed; }));
  EXPECT_EQ(pair.b.count<Secured>(), 1u) << "the client knows the server";
  pair.pump.pass(30s);
  EXPECT_EQ(pair.a->channels()->association().stats().packets_sent, 1u);
  EXPECT_EQ(pair.a->channels()->association().state(), sctp::State::CookieWait);
  EXPECT_TRUE(pair.b.announced_channels.empty());
}

TEST(PeerConnection, HoldsEarlyDtlsUntilTheAnswerIsThere) {
  Pair pair(6);
  pair.b.config.negotiation.answer_setup = sdp::Setup::Active;
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({}, pair.now()));
  pair.offer(pair.a);
  ASSERT_TRUE(pair.b->set_local_description(SdpType::Answer, pair.now()));
  const sdp::SessionDescription answer = as_signalled(pair.b);
  pair.a.keep_packets = true;
  pair.pump.pass(400ms);  // b checks the path and says ClientHello into it
  const auto early =
      std::count_if(pair.a.packets.begin(), pair.a.packets.end(), [](const auto& packet) { return packet[0] == 22; });
  ASSERT_GE(early, 1);
  ASSERT_EQ(pair.a->state(), ConnectionState::New);
  ASSERT_TRUE(pair.a->set_remote_description(SdpType::Answer, answer, pair.now()));
  const Time answered = pair.now();
  ASSERT_TRUE(pair.run([&] { return pair.a.connected() && pair.b.connected(); }));
  // A round trip of 20 ms to check the path back, and one and a half from the ClientHello that was held.
  EXPECT_LE(pair.now() - answered, 50ms);
}

TEST(PeerConnection, FailsWithAReasonWhenThereIsNoPath) {
  Pair pair(7);
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({}, pair.now()));
  pair.a_to_b().blackout(kNever);
  pair.negotiate(pair.a);
  ASSERT_TRUE(pair.run(
      [&] { return pair.a->state() == ConnectionState::Failed && pair.b->state() == ConnectionState::Failed; }, 2min));
  EXPECT_EQ(pair.a.last<StateChanged>()->detail, "no path to the peer was found");
  EXPECT_EQ(pair.b.last<StateChanged>()->detail, "no path to the peer was found");
}

TEST(PeerConnection, NoticesThatThePeerFellSilentAndComesBack) {
  Pair pair(8);
  pair.start();
  const auto channel = pair.a->open_channel({}, pair.now());
  ASSERT_TRUE(pair.connect());
  pair.pump.pass(1s);
  pair.a_to_b().blackout(pair.now() + 12s);
  ASSERT_TRUE(pair.run([&] { return pair.b->state() == ConnectionState::Disconnected; }, 15s));
  ASSERT_TRUE(pair.a->send_text(*channel, "late", pair.now()));
  ASSERT_TRUE(pair.run([&] { return pair.b.messages.size() == 1 && pair.a.connected() && pair.b.connected(); }, 20s));
  pair.b_to_a().blackout(kNever);
  ASSERT_TRUE(pair.run([&] { return pair.a->state() == ConnectionState::Failed; }, 60s));
  EXPECT_EQ(pair.a.last<StateChanged>()->detail, "the peer stopped answering");
}

TEST(PeerConnection, ConnectsAgainAfterFailureByAnIceRestart) {
  Pair pair(9);
  pair.start();
  const auto channel = pair.a->open_channel({}, pair.now());
  ASSERT_TRUE(pair.connect());
  ASSERT_TRUE(pair.run([&] { return pair.channel_is_open(); }));
  pair.a_to_b().blackout(kNever);
  ASSERT_TRUE(pair.run(
      [&] { return pair.a->state() == ConnectionState::Failed && pair.b->state() == ConnectionState::Failed; }, 2min));
  pair.a_to_b().blackout(Time::min());
  pair.a->restart_ice(pair.now());
  pair.negotiate(pair.a);
  ASSERT_TRUE(pair.run([&] { return pair.a.connected() && pair.b.connected(); }));
  ASSERT_TRUE(pair.a->send_text(*channel, "again", pair.now()));
  EXPECT_TRUE(pair.run([&] { return pair.b.messages.size() == 1; }));
  EXPECT_EQ(pair.a.count<Secured>(), 1u);
}

TEST(PeerConnection, RestartsIceWithoutInterruption) {
  for (const bool by_answerer : {false, true}) {
    SCOPED_TRACE(by_answerer);
    Pair pair(10);
    pair.start();
    const auto channel = pair.a->open_channel({}, pair.now());
    ASSERT_TRUE(pair.connect());
    ASSERT_TRUE(pair.run([&] { return pair.a.count_channel_events<datachannel::ChannelOpened>() == 1; }));
    const std::string before_a = pair.a->ice().local_credentials().ufrag;
    const std::string before_b = pair.b->ice().local_credentials().ufrag;
    Node& restarting = by_answerer ? pair.b : pair.a;
    restarting->restart_ice(pair.now());
    EXPECT_TRUE(restarting->negotiation_needed());
    pair.negotiate(restarting);
    EXPECT_FALSE(restarting->negotiation_needed());
    ASSERT_TRUE(pair.a->send_text(*channel, "meanwhile", pair.now()));
    EXPECT_TRUE(pair.run([&] { return pair.b.messages.size() == 1; }, 100ms));
    pair.pump.pass(5s);
    EXPECT_NE(pair.a->ice().local_credentials().ufrag, before_a);
    EXPECT_NE(pair.b->ice().local_credentials().ufrag, before_b);
    EXPECT_EQ(pair.a->ice().remote_credentials()->ufrag, pair.b->ice().local_credentials().ufrag);
    EXPECT_EQ(pair.b->ice().remote_credentials()->ufrag, pair.a->ice().local_credentials().ufrag);
    EXPECT_EQ(pair.a.count<UfragChanged>(), 1u);
    EXPECT_EQ(pair.b.count<UfragChanged>(), 1u);
    EXPECT_TRUE(pair.a.connected() && pair.b.connected());
    EXPECT_EQ(pair.a.count<Secured>(), 1u);
    pair.pump.pass(60s);  // consent on the new credentials
    EXPECT_TRUE(pair.a.connected() && pair.b.connected());
  }
}

TEST(PeerConnection, TellsOfATransportWhoseFiguresFit) {
  Pair pair(11);
  pair.start();
  const auto channel = pair.a->open_channel({}, pair.now());
  ASSERT_TRUE(pair.connect());
  ASSERT_TRUE(pair.run([&] { return pair.channel_is_open(); }));
  const std::vector<uint8_t> large(200'000, 1);
  ASSERT_TRUE(pair.a->send_binary(*channel, large, pair.now()));
  ASSERT_TRUE(pair.run([&] { return pair.b.messages.size() == 1; }));
  pair.pump.pass(1s);
  const Stats a = pair.a->stats(pair.now());
  const Stats b = pair.b->stats(pair.now());
  EXPECT_EQ(a.transport.tls_version, "FEFC");
  EXPECT_EQ(a.transport.dtls_cipher, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(a.transport.tls_group, "x25519");
  EXPECT_EQ(a.transport.round_trip_time, 20ms);
  EXPECT_GT(a.transport.bytes_sent, 200'000u);
  EXPECT_LT(a.transport.bytes_sent, 230'000u);
  EXPECT_GT(b.transport.bytes_received, 200'000u);
  EXPECT_LE(b.transport.bytes_received, a.transport.bytes_sent);
  EXPECT_EQ(a.transport.path->remote, pair.b.address);
  ASSERT_TRUE(a.sctp);
  ASSERT_EQ(a.candidate_pairs.size(), 1u);
  EXPECT_TRUE(a.candidate_pairs[0].nominated);
}

TEST(PeerConnection, IsSafeToCallInEveryStateBeforeAndAfterItsLife) {
  Pair pair(12);
  pair.start();
  Connection& a = *pair.a.connection;
  const Time now = pair.now();
  EXPECT_EQ(a.local_description(), "");
  EXPECT_EQ(a.send_text(datachannel::ChannelId(1), "x", now).error(), datachannel::SendError::UnknownChannel);
  EXPECT_EQ(a.send_frame(TransceiverId(1), packetizer::Codec::Vp8, {}, now).error(), MediaError::NotConnected);
  EXPECT_EQ(a.create_answer(now).error(), NegotiationError::WrongState);
  EXPECT_EQ(a.add_remote_candidate("candidate:nonsense", now).error(), ice::Error::BadAddress);
  EXPECT_EQ(a.restart_ice_with({"x", "y"}, now).error(), ice::Error::BadCredentials);
  a.request_keyframe(TransceiverId(7), now);
  a.close_channel(datachannel::ChannelId(1), now);
  a.close(now);
  a.close(now);
  a.restart_ice(now);
  std::vector<uint8_t> bytes(100, 0x80);
  a.handle_packet({.local = pair.a.address, .remote = pair.b.address, .bytes = bytes}, now);
  a.handle_timeout(now + 1h);
  std::vector<uint8_t> out(Connection::kMaxTransmit);
  EXPECT_EQ(a.poll_transmit(out), std::nullopt);
  EXPECT_EQ(a.state(), ConnectionState::Closed);
}

}  // namespace
}  // namespace kaon::peer
