// Descriptions that are wrong on purpose (attack checklist: malformed, contradictory, oversized, out of order).
#include <cstdlib>
#include <functional>

#include "kaon/peer/internal/negotiation_test_support.h"

namespace kaon::peer {
namespace {

using sdp::MediaKind;
using sdp::SessionDescription;
using test::exchange;
using test::load;
using test::Peer;

uint64_t seed() {
  const char* text = std::getenv("KAON_SEED");
  return text == nullptr ? 20261122 : std::strtoull(text, nullptr, 10);
}

using Change = std::function<void(SessionDescription&)>;

TEST(HostileOffer, EachFaultHasItsErrorAndChangesNothing) {
  const std::pair<NegotiationError, Change> cases[] = {
      {NegotiationError::BundleRequired, [](auto& d) { d.groups.clear(); }},
      {NegotiationError::BundleRequired, [](auto& d) { d.groups[0].mids = {"nobody"}; }},
      {NegotiationError::RtcpMuxRequired, [](auto& d) { d.media[1].rtcp_mux = false; }},
      {NegotiationError::MissingTransport, [](auto& d) { d.media[0].transport.ice_pwd.clear(); }},
      {NegotiationError::MissingTransport, [](auto& d) { d.media[0].transport.fingerprints.clear(); }},
      {NegotiationError::BundleConflict, [](auto& d) { d.media[1].payloads[0].payload_type = 111; }},
      {NegotiationError::BundleConflict, [](auto& d) { d.media[1].extensions[0].id = 1; }},
      {NegotiationError::PlanB, [](auto& d) { d.media[1].ssrcs.push_back({7, "msid", "s other"}); }},
  };
  const SessionDescription offer = load("chromium156/av-data.offer.sdp");
  for (const auto& [error, change] : cases) {
    SessionDescription changed = offer;
    change(changed);
    Peer peer(1);
    const auto set = peer->set_remote_description(SdpType::Offer, changed);
    ASSERT_FALSE(set) << to_string(error);
    EXPECT_EQ(set.error(), error) << to_string(set.error());
    EXPECT_EQ(peer->state(), SignalingState::Stable);
    EXPECT_TRUE(peer->transceivers().empty());
    EXPECT_FALSE(check_http_offer(changed));
  }
}

TEST(HostileOffer, SectionsOutsideTheBundleOrOfOldKindsAreRejectedInTheAnswer) {
  SessionDescription offer = load("chromium156/av-data.offer.sdp");
  offer.groups[0].mids = {"0"};
  offer.media[2].protocol = "DTLS/SCTP";
  Peer peer(1);
  ASSERT_TRUE(peer->set_remote_description(SdpType::Offer, offer));
  const auto answer = test::sent(*peer->create_answer());
  EXPECT_EQ(answer.media[0].port, 9);
  EXPECT_EQ(answer.media[1].port, 0);
  EXPECT_EQ(answer.media[2].port, 0);
  EXPECT_EQ(answer.media[2].protocol, "DTLS/SCTP");
  EXPECT_EQ(answer.bundle()->mids, std::vector<std::string>{"0"});
  ASSERT_TRUE(peer->set_local_description(SdpType::Answer));
  EXPECT_FALSE(peer->session()->data);
  EXPECT_TRUE(peer->session()->find("1")->rejected);
}

TEST(HostileOffer, PlainRtpAndUnknownMediaAreRejected) {
  SessionDescription offer = load("chromium156/av-data.offer.sdp");
  offer.media[0].protocol = "RTP/AVP";
  offer.media[1].media = "text";
  Peer peer(1);
  ASSERT_TRUE(peer->set_remote_description(SdpType::Offer, offer));
  const auto answer = test::sent(*peer->create_answer());
  EXPECT_EQ(answer.media[0].port, 0);
  EXPECT_EQ(answer.media[1].port, 0);
  EXPECT_EQ(answer.media[2].port, 9);
}

TEST(HostileOffer, ASectionWithoutACommonCodecIsRejected) {
  SessionDescription offer = load("chromium156/av-data.offer.sdp");
  for (sdp::PayloadFormat& format : offer.media[1].payloads) format.name = "X-" + format.name;
  Peer peer(1);
  ASSERT_TRUE(peer->set_remote_description(SdpType::Offer, offer));
  ASSERT_TRUE(peer->set_local_description(SdpType::Answer));
  EXPECT_TRUE(peer->session()->find("1")->rejected);
  EXPECT_EQ(peer->find("1"), nullptr);
}

// The rejected section still says where the peer is: those that are bundle-only need not repeat it.
TEST(HostileOffer, TheFirstSectionStandsForTheTransportEvenIfRejected) {
  SessionDescription offer = load("gstreamer1.22/offer.sdp");
  offer.media[0].payloads[0].name = "X";
  for (size_t i = 1; i < 3; ++i) offer.media[i].transport = {};
  Peer peer(1);
  ASSERT_TRUE(peer->set_remote_description(SdpType::Offer, offer));
  ASSERT_TRUE(peer->set_local_description(SdpType::Answer));
  EXPECT_TRUE(peer->session()->find("video0")->rejected);
  EXPECT_EQ(peer->session()->remote.ice_ufrag, "TT4bcHsXftJw4xUbIPiFx9A7LQD8ibDy");
  EXPECT_EQ(peer->session()->dtls_role, DtlsRole::Server);
  EXPECT_EQ(peer->session()->bundle, (std::vector<std::string>{"audio1", "application2"}));
}

TEST(HostileOffer, SectionsMayNotVanishOrTurnIntoOthers) {
  Peer peer(1);
  const SessionDescription offer = load("chromium156/av-data.offer.sdp");
  ASSERT_TRUE(peer->set_remote_description(SdpType::Offer, offer));
  ASSERT_TRUE(peer->set_local_description(SdpType::Answer));
  const Change changes[] = {
      [](auto& d) { d.media.pop_back(); },
      [](auto& d) { std::swap(d.media[0], d.media[1]); },
      [](auto& d) { d.media[0].mid = "x"; },
      [](auto& d) { d.media[0].media = "video"; },
  };
  for (const Change& change : changes) {
    SessionDescription changed = offer;
    change(changed);
    EXPECT_EQ(peer->set_remote_description(SdpType::Offer, changed).error(), NegotiationError::SectionMismatch);
    EXPECT_EQ(peer->state(), SignalingState::Stable);
  }
}

TEST(HostileOffer, MoreLayersThanAllowedAndUnknownRestrictionsAreLeftOut) {
  SessionDescription offer = load("chromium156/simulcast.offer.sdp");
  offer.media[0].rids[0].restrictions = {{"fancy", "1"}};
  offer.media[0].rids[1].payload_types = {120};  // ulpfec, which we refuse
  offer.media[0].rids[2].restrictions = {{"max-width", "1280"}};
  for (int i = 0; i < 20; ++i) {
    offer.media[0].rids.push_back({cat("x", i), true, {}, {}});
    offer.media[0].simulcast->send.push_back({{{cat("x", i), false}}});
  }
  offer.media[0].simulcast->send.push_back({{{"ghost", false}}});
  Peer peer(1);
  ASSERT_TRUE(peer->set_remote_description(SdpType::Offer, offer));
  const auto answer = test::sent(*peer->create_answer());
  ASSERT_EQ(answer.media[0].rids.size(), kMaxSimulcastLayers);
  EXPECT_EQ(answer.media[0].rids[0], (sdp::Rid{"f", false, {}, {{"max-width", "1280"}}}));
  EXPECT_EQ(answer.media[0].rids[1].id, "x0");
}

TEST(HostileAnswer, EachFaultHasItsErrorAndChangesNothing) {
  using sdp::Direction;
  const std::pair<NegotiationError, Change> cases[] = {
      {NegotiationError::SectionMismatch, [](auto& d) { d.media.pop_back(); }},
      {NegotiationError::SectionMismatch, [](auto& d) { d.media[0].mid = "9"; }},
      {NegotiationError::SectionMismatch, [](auto& d) { d.media[0].media = "video"; }},
      {NegotiationError::SectionMismatch, [](auto& d) { d.media[0].port = 0, d.media[0].bundle_only = true; }},
      {NegotiationError::BadDirection, [](auto& d) { d.media[1].direction = Direction::SendRecv; }},
      {NegotiationError::BundleRequired, [](auto& d) { d.groups.clear(); }},
      {NegotiationError::BundleRequired, [](auto& d) { d.groups[0].mids = {"0"}; }},
      {NegotiationError::RtcpMuxRequired, [](auto& d) { d.media[0].rtcp_mux = false; }},
      {NegotiationError::MissingTransport, [](auto& d) { d.media[0].transport.ice_ufrag.clear(); }},
      {NegotiationError::BadSetup, [](auto& d) { d.media[0].transport.setup = sdp::Setup::ActPass; }},
      {NegotiationError::BadSetup, [](auto& d) { d.media[0].transport.setup = sdp::Setup::HoldConn; }},
      {NegotiationError::BadCodecs, [](auto& d) { d.media[1].payloads = {{96, "X", 90000, 1, "", {}}}; }},
  };
  for (const auto& [error, change] : cases) {
    Peer a(1), b(2);
    ASSERT_TRUE(a->add_transceiver(MediaKind::Audio));
    ASSERT_TRUE(a->add_transceiver(MediaKind::Video, {.direction = Direction::SendOnly}));
    a->want_data();
    const auto offer = *a->create_offer();
    ASSERT_TRUE(a->set_local_description(SdpType::Offer));
    ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
    auto answer = *b->create_answer();
    change(answer);
    const auto set = a->set_remote_description(SdpType::Answer, answer);
    ASSERT_FALSE(set) << to_string(error);
    EXPECT_EQ(set.error(), error) << to_string(set.error());
    EXPECT_EQ(a->state(), SignalingState::HaveLocalOffer);
    EXPECT_EQ(a->session(), nullptr);
  }
}

TEST(HostileAnswer, AnAcceptedDataSectionOfARejectedOfferIsAMismatch) {
  Peer a(1), b(2);
  const TransceiverId id = *a->add_transceiver(MediaKind::Audio);
  a->want_data();
  exchange(a, b);
  ASSERT_TRUE(a->stop(id));
  const auto offer = *a->create_offer();
  ASSERT_TRUE(a->set_local_description(SdpType::Offer));
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
  auto answer = *b->create_answer();
  answer.media[0].port = 9;
  EXPECT_EQ(a->set_remote_description(SdpType::Answer, answer).error(), NegotiationError::SectionMismatch);
}

TEST(HostileOffer, AsManySectionsAsFitAreAnswered) {
  SessionDescription offer = load("chromium156/simulcast.offer.sdp");
  const sdp::MediaDescription section = offer.media[0];
  offer.media.assign(sdp::kMaxMediaSections, section);
  offer.groups[0].mids.clear();
  for (size_t i = 0; i < offer.media.size(); ++i) {
    offer.media[i].mid = cat(i);
    offer.groups[0].mids.push_back(cat(i));
  }
  Peer peer(1);
  ASSERT_TRUE(peer->set_remote_description(SdpType::Offer, offer));
  ASSERT_TRUE(peer->set_local_description(SdpType::Answer));
  EXPECT_EQ(peer->session()->media.size(), sdp::kMaxMediaSections);
  offer.media.push_back(section);
  EXPECT_EQ(peer->set_remote_description(SdpType::Offer, offer).error(), NegotiationError::TooManySections);
}

// Damages recorded offers: whatever still parses is refused with an error, or answered with something that parses
// again.
TEST(HostileOffer, DamagedOffersAreRefusedOrAnswered) {
  RecordProperty("seed", std::to_string(seed()));
  SeededRandom random(seed());
  size_t refused = 0, answered = 0;
  for (const char* name :
       {"chromium156/av-data.offer.sdp", "chromium156/simulcast.offer.sdp", "gstreamer1.22/offer.sdp",
        "firefox153esr/av-data.offer.sdp", "firefox153esr/simulcast.offer.sdp"}) {
    const std::string original = test::read_recorded(name);
    for (int round = 0; round < 150; ++round) {
      std::string text = original;
      for (uint64_t n = random.below(6) + 1; n > 0; --n) {
        const size_t begin = text.rfind('\n', random.below(text.size())) + 1;
        const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
        if (begin >= end) continue;
        const std::string line = text.substr(begin, end - begin);
        switch (random.below(3)) {
          case 0: text.erase(begin, end - begin); break;
          case 1: text.insert(text.rfind('\n', random.below(text.size())) + 1, line); break;
          default: text[begin + random.below(end - begin)] = static_cast<char>(32 + random.below(95)); break;
        }
        if (text.size() < 10) text = original;
      }
      const auto offer = SessionDescription::parse(text);
      Peer peer(1);
      if (!offer || !peer->set_remote_description(SdpType::Offer, *offer)) {
        ++refused;
        continue;
      }
      const auto answer = peer->create_answer();
      ASSERT_TRUE(answer) << "seed " << seed() << "\n" << text;
      const auto parsed = SessionDescription::parse(answer->write());
      ASSERT_TRUE(parsed) << "seed " << seed() << "\n" << parsed.error().to_string() << "\n" << answer->write();
      const auto set = peer->set_local_description(SdpType::Answer);
      if (!set) {
        EXPECT_EQ(set.error(), NegotiationError::BadSetup) << "seed " << seed() << "\n"
                                                           << to_string(set.error()) << text;
        ++refused;
        continue;
      }
      ++answered;
    }
  }
  EXPECT_GT(refused, 50u);
  EXPECT_GT(answered, 50u);
}

/// One random step of one of two peers that exchange descriptions through mailboxes.
class RandomPair {
 public:
  explicit RandomPair(uint64_t start) : random_(start), peers_{Peer(start), Peer(start + 1)} {}

  void step() {
    const size_t who = random_.below(2);
    Peer& peer = peers_[who];
    std::string& inbox = mail_[who];
    switch (random_.below(12)) {
      case 0:
        (void)peer->add_transceiver(random_.below(2) == 0 ? MediaKind::Audio : MediaKind::Video, {.for_track = true});
        break;
      case 1: peer->want_data(); break;
      case 2:
        if (!peer->transceivers().empty()) {
          (void)peer->stop(peer->transceivers()[random_.below(peer->transceivers().size())].id);
        }
        break;
      case 3:
        if (random_.below(4) == 0) (void)peer->set_local_description(SdpType::Rollback);
        break;
      case 4: (void)peer->create_offer(); break;
      case 5: send(who, SdpType::Offer); break;
      case 6:
      case 7: send(who, random_.below(4) == 0 ? SdpType::Pranswer : SdpType::Answer); break;
      default: receive(peer, inbox); break;
    }
  }

  /// How many exchanges came to their end.
  size_t agreements() const { return agreements_; }

  void check() {
    for (Peer& peer : peers_) {
      std::vector<std::string> mids;
      for (const Transceiver& transceiver : peer->transceivers()) {
        if (!transceiver.mid.empty()) mids.push_back(transceiver.mid);
      }
      std::ranges::sort(mids);
      ASSERT_EQ(std::ranges::adjacent_find(mids), mids.end()) << "two transceivers of one mid";
      const std::string text = peer->local_description();
      ASSERT_TRUE(text.empty() || SessionDescription::parse(text));
    }
  }

 private:
  void send(size_t who, SdpType type) {
    if (!peers_[who]->set_local_description(type)) return;
    mail_[1 - who] = peers_[who]->local_description();
    types_[1 - who] = type;
  }
  void receive(Peer& peer, std::string& inbox) {
    if (inbox.empty()) return;
    const size_t who = &peer == &peers_[0] ? 0 : 1;
    const bool set = peer->set_remote_description(types_[who], *SessionDescription::parse(inbox)).has_value();
    agreements_ += set && types_[who] == SdpType::Answer ? 1 : 0;
    if (random_.below(3) != 0) inbox.clear();
  }

  SeededRandom random_;
  Peer peers_[2];
  std::string mail_[2];
  SdpType types_[2] = {SdpType::Offer, SdpType::Offer};
  size_t agreements_ = 0;
};

TEST(Negotiator, RandomSequencesOfCallsKeepItConsistent) {
  RecordProperty("seed", std::to_string(seed()));
  size_t agreements = 0;
  for (uint64_t run = 0; run < 30; ++run) {
    SCOPED_TRACE(cat("KAON_SEED=", seed(), " run ", run));
    RandomPair pair(seed() + run);
    for (int i = 0; i < 200; ++i) {
      pair.step();
      ASSERT_NO_FATAL_FAILURE(pair.check());
    }
    agreements += pair.agreements();
  }
  EXPECT_GT(agreements, 30u);
}

}  // namespace
}  // namespace kaon::peer
