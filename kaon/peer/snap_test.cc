// SCTP's INIT chunks in descriptions (SNAP, draft-hancke-tsvwg-snap): what is agreed, and what connections make of it.
#include <gmock/gmock.h>

#include "kaon/peer/internal/connection_test_support.h"
#include "kaon/peer/internal/negotiation_test_support.h"

namespace kaon::peer {
namespace {

using namespace test;

// The values of draft-hancke-tsvwg-snap's example, and a third.
constexpr const char* kInits[] = {"AQAAHols3R0AUAAA/////+B5ZR3AAAAEgAgABoLA",
                                  "AQAAHl+zdHQAUAAA/////6Gq3HTAAAAEgAgABoLA",
                                  "AQAAHF+zdHQAUAAA/////6Gq3HSACAAIgsBAwg=="};

LocalTransport with_init(char letter, const char* init) {
  LocalTransport transport = test::make_transport(letter);
  transport.sctp_init = init;
  return transport;
}

const std::string& data_init(const Peer& peer) { return peer.negotiator.session()->data->remote_sctp_init; }

TEST(SnapNegotiationD12, SnapIsAgreedOnlyIfBothGiveTheirOwn) {
  Peer a(1), b(2), c(3);
  a->set_transport(with_init('a', kInits[0]));
  b->set_transport(with_init('b', kInits[1]));
  a->want_data();
  exchange(a, b);
  EXPECT_EQ(data_init(a), kInits[1]);
  EXPECT_EQ(data_init(b), kInits[0]);
  Peer d(4);
  d->set_transport(with_init('d', kInits[0]));
  d->want_data();
  exchange(d, c);
  EXPECT_EQ(data_init(d), "");
  Peer e(5), echo(6);
  e->set_transport(with_init('e', kInits[0]));
  echo->set_transport(with_init('f', kInits[0]));
  e->want_data();
  exchange(e, echo);
  EXPECT_EQ(data_init(e), "") << "an echo is no support";
}

TEST(SnapNegotiation, AnInitIsReadWithAndWithoutPadding) {
  EXPECT_EQ(sctp_init_bytes(kInits[2]), sctp_init_bytes("AQAAHF+zdHQAUAAA/////6Gq3HSACAAIgsBAwg"));
  EXPECT_EQ(sctp_init_bytes(kInits[2])->size(), 28u);
  for (const char* bad : {"", "AQAAHg", "AgAAHols3R0AUAAA/////+B5ZR3AAAAEgAgABoLA", "AQ==", "AQAA=AAA", "====", "A"}) {
    EXPECT_FALSE(sctp_init_bytes(bad)) << bad;
  }
}

TEST(SnapNegotiationD12, AnInitThatIsNoneIsRefusedWhereItWouldBeUsed) {
  Peer a(1), b(2), c(3);
  a->set_transport(with_init('a', "AQAAHg"));
  b->set_transport(with_init('b', kInits[1]));
  a->want_data();
  const auto offer = *a->create_offer();
  EXPECT_EQ(b->set_remote_description(SdpType::Offer, offer), fail(NegotiationError::BadSctpInit));
  EXPECT_EQ(b->state(), SignalingState::Stable);
  EXPECT_TRUE(c->set_remote_description(SdpType::Offer, offer)) << "no business of who does not use it";
  // The same in an answer.
  Peer d(4), e(5);
  d->set_transport(with_init('d', kInits[0]));
  e->set_transport(with_init('e', kInits[1]));
  d->want_data();
  ASSERT_TRUE(e->set_remote_description(SdpType::Offer, sent(*d->create_offer())));
  auto answer = *e->create_answer();
  ASSERT_TRUE(d->set_local_description(SdpType::Offer));
  answer.media[0].sctp_init = "AQAAHg";
  EXPECT_EQ(d->set_remote_description(SdpType::Answer, answer), fail(NegotiationError::BadSctpInit));
  EXPECT_EQ(d->state(), SignalingState::HaveLocalOffer);
}

TEST(SnapNegotiationD12, AnAssociationKeepsTheInitsItBeganWith) {
  Peer a(1), b(2);
  a->set_transport(with_init('a', kInits[0]));
  b->set_transport(with_init('b', kInits[1]));
  a->want_data();
  exchange(a, b);
  // Repeated by both sides; what a peer leaves out, or offers anew, changes nothing.
  ASSERT_TRUE(a->add_transceiver(sdp::MediaKind::Audio));
  exchange(a, b);
  EXPECT_EQ(sdp::SessionDescription::parse(b->local_description())->media[0].sctp_init, kInits[1]);
  EXPECT_EQ(data_init(a), kInits[1]);
  auto offer = *a->create_offer();
  offer.media[0].sctp_init = kInits[2];
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
  EXPECT_EQ(b->create_answer()->media[0].sctp_init, "") << "ours cannot begin anew: it must shake hands";
  ASSERT_TRUE(b->set_local_description(SdpType::Answer));
  EXPECT_EQ(data_init(b), kInits[0]);
  // A changed one in an answer would leave both sides with another idea of what runs.
  ASSERT_TRUE(a->set_local_description(SdpType::Offer));
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, *sdp::SessionDescription::parse(a->local_description())));
  auto answer = *b->create_answer();
  answer.media[0].sctp_init = kInits[2];
  EXPECT_EQ(a->set_remote_description(SdpType::Answer, answer), fail(NegotiationError::BadSctpInit));
  answer.media[0].sctp_init.clear();
  EXPECT_TRUE(a->set_remote_description(SdpType::Answer, answer));
  EXPECT_EQ(data_init(a), kInits[1]);
}

TEST(SnapNegotiation, AnAssociationThatBeganWithoutSnapGetsNone) {
  Peer a(1), b(2);
  a->set_transport(with_init('a', kInits[0]));
  a->want_data();
  exchange(a, b);
  EXPECT_EQ(a->create_offer()->media[0].sctp_init, "");
  b->set_transport(with_init('c', kInits[1]));  // the same credentials: no ICE restart
  auto offer = *b->create_offer();
  EXPECT_EQ(offer.media[0].sctp_init, "");
  offer.media[0].sctp_init = kInits[1];
  ASSERT_TRUE(a->set_remote_description(SdpType::Offer, offer));
  EXPECT_EQ(a->create_answer()->media[0].sctp_init, "");
}

// RFC 8842 §5.5: a new certificate is a new DTLS association. Ours of SCTP is the old one, so that the peer's shakes
// hands with it.
TEST(SnapNegotiation, ANewDtlsAssociationEndsSnap) {
  Peer a(1), b(2);
  a->set_transport(with_init('a', kInits[0]));
  b->set_transport(with_init('b', kInits[1]));
  a->want_data();
  exchange(a, b);
  LocalTransport anew = with_init('x', kInits[2]);
  anew.fingerprints[0].replace(8, 2, "00");
  auto offer = *a->create_offer();
  offer.media[0].sctp_init = anew.sctp_init;
  offer.media[0].transport.ice_ufrag = anew.ice_ufrag;
  offer.media[0].transport.ice_pwd = anew.ice_pwd;
  offer.media[0].transport.fingerprints = anew.fingerprints;
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
  b->set_transport(with_init('y', kInits[1]));
  EXPECT_EQ(b->create_answer()->media[0].sctp_init, "");
  ASSERT_TRUE(b->set_local_description(SdpType::Answer));
  EXPECT_TRUE(b->session()->new_association);
  EXPECT_EQ(data_init(b), "");
  EXPECT_EQ(b->create_offer()->media[0].sctp_init, "");
}

struct Options {
  bool snap_a = true;
  bool snap_b = true;
};

/// A pair with a channel that a opens; what it takes from Connected to the channel's first message at b.
struct Call {
  explicit Call(uint64_t seed, Options options = {}, const sim::LinkConfig& link = {.delay = 50ms}) : pair(seed, link) {
    pair.a.config.snap = options.snap_a;
    pair.b.config.snap = options.snap_b;
    pair.start();
    channel = *pair.a->open_channel({.label = "chat"}, pair.now());
  }
  void first_message() {
    ASSERT_TRUE(pair.run([&] { return pair.a.count_channel_events<datachannel::ChannelOpened>() == 1; }));
    ASSERT_TRUE(pair.a->send_text(channel, "first", pair.now()));
    ASSERT_TRUE(pair.run([&] { return pair.b.messages.size() == 1; }));
  }
  static sdp::SessionDescription described(const Node& node) { return as_signalled(node); }
  static std::string init_of(const sdp::SessionDescription& description) {
    for (const sdp::MediaDescription& media : description.media) {
      if (media.kind() == sdp::MediaKind::Application) return media.sctp_init;
    }
    return {};
  }
  bool used() const {
    const auto uses = [](const Connection& c) {
      return c.session()->data && !c.session()->data->remote_sctp_init.empty();
    };
    return uses(*pair.a.connection) && uses(*pair.b.connection);
  }
  void exchange(Node& offerer) {
    Node& answerer = &offerer == &pair.a ? pair.b : pair.a;
    pair.negotiate(offerer);
    sent_inits.push_back({init_of(described(offerer)), init_of(described(answerer))});
  }
  void still_works() {
    const size_t before = pair.b.messages.size();
    ASSERT_TRUE(pair.a->send_text(channel, "more", pair.now()));
    ASSERT_TRUE(pair.run([&] { return pair.b.messages.size() == before + 1; }));
    EXPECT_EQ(pair.a.count_channel_events<datachannel::ChannelClosed>(), 0u);
    EXPECT_EQ(pair.b.count_channel_events<datachannel::ChannelClosed>(), 0u);
  }

  Pair pair;
  datachannel::ChannelId channel{};
  std::vector<std::pair<std::string, std::string>> sent_inits;
};

// From the moment that DTLS is up at a to the channel that a can use: nothing with SNAP, a round trip of 200 ms
// without.
TEST(Snap, AChannelIsOpenAsSoonAsDtlsIs) {
  const auto from_secured_to_open = [](Options options) {
    Call call(1, options);
    call.pair.negotiate(call.pair.a);
    EXPECT_TRUE(call.pair.run([&] { return call.pair.a.connected(); }));
    const Time secured = call.pair.now();
    EXPECT_TRUE(call.pair.run([&] { return call.pair.a.count_channel_events<datachannel::ChannelOpened>() == 1; }));
    return call.pair.now() - secured;
  };
  EXPECT_EQ(from_secured_to_open({}), 0ms);
  EXPECT_EQ(from_secured_to_open({.snap_a = false}), 200ms);
}

TEST(Snap, IsUsedOnlyIfBothSidesWantIt) {
  for (const Options options : {Options{true, true}, {true, false}, {false, true}, {false, false}}) {
    Call call(2, options);
    ASSERT_TRUE(call.pair.connect());
    call.first_message();
    EXPECT_EQ(call.used(), options.snap_a && options.snap_b);
    EXPECT_EQ(call.init_of(call.described(call.pair.a)).empty(), !options.snap_a);
    EXPECT_EQ(call.init_of(call.described(call.pair.b)).empty(), !(options.snap_a && options.snap_b));
    call.still_works();
  }
}

// As libdatachannel does it: whatever it does not know comes back.
TEST(Snap, APeerThatEchoesOurInitShakesHands) {
  Call call(3, {.snap_b = false});
  call.pair.offer(call.pair.a);
  ASSERT_TRUE(call.pair.b->set_local_description(SdpType::Answer, call.pair.now()));
  auto answer = as_signalled(call.pair.b);
  answer.media[0].sctp_init = call.init_of(call.described(call.pair.a));
  ASSERT_FALSE(answer.media[0].sctp_init.empty());
  ASSERT_TRUE(call.pair.a->set_remote_description(SdpType::Answer, answer, call.pair.now()));
  call.first_message();
  EXPECT_FALSE(call.used());
}

TEST(Snap, NewOffersAndIceRestartsRepeatTheInitsAndDisturbNothing) {
  Call call(4);
  call.exchange(call.pair.a);
  call.first_message();
  call.exchange(call.pair.b);
  call.still_works();
  call.pair.a->restart_ice(call.pair.now());
  call.exchange(call.pair.a);
  call.pair.pump.pass(3s);
  call.still_works();
  ASSERT_TRUE(call.pair.b->add_transceiver(sdp::MediaKind::Audio));
  call.exchange(call.pair.b);
  call.still_works();
  ASSERT_EQ(call.sent_inits.size(), 4u);
  const auto [a, b] = call.sent_inits[0];
  EXPECT_NE(a, b);
  EXPECT_THAT(call.sent_inits,
              testing::ElementsAre(std::pair(a, b), std::pair(b, a), std::pair(a, b), std::pair(b, a)));
}

TEST(Snap, AnInitThatChangesUnderARunningAssociationIsRefused) {
  Call call(5);
  ASSERT_TRUE(call.pair.connect());
  call.first_message();
  call.pair.offer(call.pair.a);
  ASSERT_TRUE(call.pair.b->set_local_description(SdpType::Answer, call.pair.now()));
  const auto good = as_signalled(call.pair.b);
  auto changed = good;
  changed.media[0].sctp_init = kInits[0];
  EXPECT_EQ(call.pair.a->set_remote_description(SdpType::Answer, changed, call.pair.now()),
            fail(NegotiationError::BadSctpInit));
  ASSERT_TRUE(call.pair.a->set_remote_description(SdpType::Answer, good, call.pair.now()));
  call.still_works();
}

TEST(Snap, ChannelsThatComeLaterHaveItToo) {
  Pair pair(6, {.delay = 50ms});
  pair.start();
  ASSERT_TRUE(pair.a->add_transceiver(sdp::MediaKind::Audio));
  ASSERT_TRUE(pair.connect());
  ASSERT_TRUE(pair.b->open_channel({.label = "later"}, pair.now()));
  pair.negotiate(pair.b);
  EXPECT_TRUE(pair.run([&] { return pair.b.count_channel_events<datachannel::ChannelOpened>() == 1; }, 0ms));
  EXPECT_TRUE(pair.run([&] { return pair.a.announced_channels.size() == 1; }, 101ms)) << "half a round trip";
}

// RFC 8841 §9.3: with the section ends the association. Ours lives on, so that another one of the peer's must shake
// hands.
TEST(Snap, ASectionThatReturnsShakesHands) {
  Pair pair(7, {.delay = 50ms});
  pair.start();
  ASSERT_TRUE(pair.a->add_transceiver(sdp::MediaKind::Audio));
  ASSERT_TRUE(pair.a->open_channel({.label = "chat"}, pair.now()));
  ASSERT_TRUE(pair.connect());
  ASSERT_TRUE(pair.run([&] { return pair.channel_is_open(); }));
  const auto offer_changed = [&](auto&& change) {
    ASSERT_TRUE(pair.b->set_local_description(SdpType::Offer, pair.now()));
    auto changed = as_signalled(pair.b);
    change(changed);
    ASSERT_TRUE(pair.b->set_local_description(SdpType::Rollback, pair.now()));
    ASSERT_TRUE(pair.a->set_remote_description(SdpType::Offer, changed, pair.now()));
    ASSERT_TRUE(pair.a->set_local_description(SdpType::Answer, pair.now()));
  };
  offer_changed([](sdp::SessionDescription& d) {
    d.media[1].port = 0;
    std::erase(d.groups[0].mids, d.media[1].mid);
  });
  ASSERT_FALSE(pair.a->session()->data);
  offer_changed([](sdp::SessionDescription& d) { d.media[1].sctp_init = kInits[0]; });
  ASSERT_TRUE(pair.a->session()->data);
  EXPECT_EQ(pair.a->session()->data->remote_sctp_init, "");
}

TEST(Snap, ConnectsWhateverIsLost) {
  for (const uint64_t seed : sim::seeds(30)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Call call(seed, {}, {.delay = 20ms, .jitter = 20ms, .loss = 0.2});
    call.pair.negotiate(call.pair.a);
    ASSERT_TRUE(call.pair.run([&] { return call.pair.channel_is_open(); }, 60s));
    call.still_works();
    EXPECT_TRUE(call.used());
  }
}

}  // namespace
}  // namespace kaon::peer
