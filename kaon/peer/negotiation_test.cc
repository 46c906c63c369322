// Offer/answer between two of us: agreement, renegotiation, rollback, ICE restart.
#include "kaon/peer/negotiation.h"

#include "kaon/peer/internal/negotiation_test_support.h"

namespace kaon::peer {
namespace {

using sdp::Direction;
using sdp::MediaKind;
using test::exchange;
using test::Peer;
using test::sent;

TEST(Negotiator, TwoOfUsAgreeOnAudioVideoAndData) {
  Peer a(1), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Audio, {.stream_ids = {"s"}, .track_id = "mic"}));
  ASSERT_TRUE(a->add_transceiver(MediaKind::Video));
  a->want_data();
  EXPECT_TRUE(a->negotiation_needed());
  exchange(a, b);
  EXPECT_EQ(a->state(), SignalingState::Stable);
  EXPECT_FALSE(a->negotiation_needed());
  EXPECT_FALSE(b->negotiation_needed());
  const NegotiatedSession& ours = *a->session();
  const NegotiatedSession& theirs = *b->session();
  EXPECT_EQ(ours.bundle, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(ours.dtls_role, DtlsRole::Client);
  EXPECT_EQ(theirs.dtls_role, DtlsRole::Server);
  EXPECT_TRUE(ours.ice_controlling);
  EXPECT_FALSE(theirs.ice_controlling);
  EXPECT_EQ(ours.remote.ice_ufrag, b->transport().ice_ufrag);
  EXPECT_EQ(theirs.remote.ice_pwd, a->transport().ice_pwd);
  ASSERT_TRUE(ours.data && theirs.data);
  EXPECT_EQ(ours.data->remote_max_message_size, 262144u);
  const NegotiatedMedia& audio = *theirs.find("0");
  EXPECT_EQ(audio.direction, Direction::RecvOnly);
  EXPECT_EQ(audio.codecs.front().kind, CodecKind::Opus);
  EXPECT_EQ(audio.codecs.front().receive_payload_type, 111);
  EXPECT_EQ(audio.remote_msids.front(), (sdp::Msid{"s", "mic"}));
  EXPECT_EQ(audio.remote_streams.front().cname, a->cname());
  EXPECT_EQ(audio.remote_streams.front().ssrc, a->transceivers()[0].encodings[0].ssrc);
  const NegotiatedMedia& video = *theirs.find("1");
  EXPECT_EQ(video.codecs.front().kind, CodecKind::Vp8);
  EXPECT_EQ(video.codecs.front().receive_rtx_payload_type, 97);
  EXPECT_TRUE(video.codecs.front().nack && video.codecs.front().pli && video.codecs.front().transport_cc);
  EXPECT_EQ(video.codecs.size(), default_codecs(MediaKind::Video).size());
  EXPECT_EQ(video.extension_id(ExtensionKind::TransportSequence), 3);
  EXPECT_EQ(video.remote_streams.front().rtx_ssrc, a->transceivers()[1].encodings[0].rtx_ssrc);
  EXPECT_EQ(ours.find("1")->direction, Direction::SendOnly);
  EXPECT_EQ(ours.find("1")->send_encodings, a->transceivers()[1].encodings);
}

// RFC 9335 §4.
TEST(Negotiator, AgreesOnHeaderEncryptionOnlyIfBothSidesWantIt) {
  constexpr HeaderEncryption kAll[] = {HeaderEncryption::Off, HeaderEncryption::Negotiate, HeaderEncryption::Require};
  for (const HeaderEncryption ours : kAll) {
    for (const HeaderEncryption theirs : kAll) {
      const bool off = ours == HeaderEncryption::Off || theirs == HeaderEncryption::Off;
      const bool required = ours == HeaderEncryption::Require || theirs == HeaderEncryption::Require;
      if (off && required) continue;
      Peer a(1, {.header_encryption = ours}), b(2, {.header_encryption = theirs});
      ASSERT_TRUE(a->add_transceiver(MediaKind::Audio));
      ASSERT_TRUE(a->add_transceiver(MediaKind::Video));
      a->want_data();
      exchange(a, b);
      EXPECT_EQ(a->session()->header_encryption, off ? HeaderEncryption::Off : ours);
      EXPECT_EQ(b->session()->header_encryption, off ? HeaderEncryption::Off : theirs);
      const auto answer = *sdp::SessionDescription::parse(b->local_description());
      EXPECT_EQ(answer.media[0].cryptex, !off);
      EXPECT_EQ(answer.media[1].cryptex, !off);
      EXPECT_FALSE(answer.media[2].cryptex) << "data has no RTP headers";
      exchange(b, a);  // the other way round it stays so
      EXPECT_EQ(a->session()->header_encryption, off ? HeaderEncryption::Off : ours);
    }
  }
}

TEST(Negotiator, RefusesPeersWithoutHeaderEncryptionIfItIsRequired) {
  Peer strict(1, {.header_encryption = HeaderEncryption::Require}), other(2);
  ASSERT_TRUE(other->add_transceiver(MediaKind::Video));
  const auto offer = *other->create_offer();
  EXPECT_EQ(strict->set_remote_description(SdpType::Offer, sent(offer)),
            fail(NegotiationError::HeaderEncryptionRequired));
  EXPECT_EQ(strict->state(), SignalingState::Stable);
  ASSERT_TRUE(strict->add_transceiver(MediaKind::Video));
  const auto ours = *strict->create_offer();
  EXPECT_TRUE(ours.media[0].cryptex);
  ASSERT_TRUE(strict->set_local_description(SdpType::Offer));
  ASSERT_TRUE(other->set_remote_description(SdpType::Offer, sent(ours)));
  const auto answer = *other->create_answer();
  EXPECT_EQ(strict->set_remote_description(SdpType::Answer, sent(answer)),
            fail(NegotiationError::HeaderEncryptionRequired));
  EXPECT_EQ(strict->session(), nullptr);
  // Data alone has nothing to encrypt.
  Peer data(3);
  data->want_data();
  Peer strict_too(4, {.header_encryption = HeaderEncryption::Require});
  exchange(data, strict_too);
  EXPECT_EQ(strict_too->session()->header_encryption, HeaderEncryption::Off);
}

// RFC 9335 §4: all sections of a bundle say so, or none counts.
TEST(Negotiator, TakesNoHeaderEncryptionForPartOfABundle) {
  Peer a(1, {.header_encryption = HeaderEncryption::Negotiate});
  Peer b(2, {.header_encryption = HeaderEncryption::Negotiate});
  ASSERT_TRUE(a->add_transceiver(MediaKind::Audio));
  ASSERT_TRUE(a->add_transceiver(MediaKind::Video));
  auto offer = *a->create_offer();
  ASSERT_TRUE(a->set_local_description(SdpType::Offer));
  offer.media[1].cryptex = false;
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, sent(offer)));
  const auto answer = *b->create_answer();
  EXPECT_FALSE(answer.media[0].cryptex || answer.media[1].cryptex);
  ASSERT_TRUE(b->set_local_description(SdpType::Answer));
  ASSERT_TRUE(a->set_remote_description(SdpType::Answer, sent(answer)));
  EXPECT_EQ(a->session()->header_encryption, HeaderEncryption::Off);
  EXPECT_EQ(b->session()->header_encryption, HeaderEncryption::Off);
}

// Whoever repeats what he does not know promises it.
TEST(Negotiator, UnknownOptionsAndAttributesAreIgnoredAndNotEchoed) {
  Peer a(1), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Video));
  a->want_data();
  ASSERT_TRUE(a->set_local_description(SdpType::Offer));
  std::string offer = a->create_offer()->write();
  const auto insert_after = [&](std::string_view line, std::string_view added) {
    size_t count = 0;
    for (size_t at = offer.find(line); at != std::string::npos; at = offer.find(line, at + 1), ++count)
      offer.insert(offer.find("\r\n", at) + (added.starts_with(' ') ? 0 : 2), added);
    ASSERT_GT(count, 0u) << line;
  };
  insert_after("t=0 0", "a=frob-session:1\r\na=frob-flag\r\n");
  insert_after("a=ice-options:", " frob-ice");
  insert_after("a=mid:", "a=frob-media:2\r\na=setup-frob:3\r\n");
  insert_after("a=rtcp-mux\r\n", "a=extmap:14 urn:frob\r\na=rtcp-fb:* frob-feedback\r\n");
  const auto parsed = sdp::SessionDescription::parse(offer);
  ASSERT_TRUE(parsed) << offer;
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, *parsed));
  const auto answer = b->create_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->write().find("frob"), std::string::npos) << answer->write();
  EXPECT_TRUE(b->set_local_description(SdpType::Answer));
  EXPECT_TRUE(a->set_remote_description(SdpType::Answer, sent(*answer)));
  // Nor in offers of our own afterwards.
  EXPECT_EQ(b->create_offer()->write().find("frob"), std::string::npos);
}

TEST(Negotiator, TheSameSeedMakesTheSameOffer) {
  Peer a(7), b(7);
  for (Peer* peer : {&a, &b}) ASSERT_TRUE((*peer)->add_transceiver(MediaKind::Video));
  EXPECT_EQ(a->create_offer()->write(), b->create_offer()->write());
}

TEST(Negotiator, DataAloneNeedsNoMedia) {
  Peer a(1), b(2);
  a->want_data();
  exchange(a, b);
  ASSERT_TRUE(b->session()->data);
  EXPECT_TRUE(b->transceivers().empty());
  const auto offer = *sdp::SessionDescription::parse(a->local_description());
  EXPECT_EQ(offer.media[0].protocol, "UDP/DTLS/SCTP");
  EXPECT_EQ(offer.media[0].transport.setup, sdp::Setup::ActPass);
}

TEST(Negotiator, NothingIsAgreedAnyMoreAfterClose) {
  Peer a(1), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Audio));
  exchange(a, b);
  ASSERT_NE(b->session(), nullptr);
  b->close();
  EXPECT_EQ(b->session(), nullptr) << "it would name transceivers that are gone";
  EXPECT_TRUE(b->transceivers().empty());
}

TEST(Negotiator, ATrackOfTheAnswererTakesUpTheOfferedSection) {
  Peer a(1), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Audio));
  const auto mine = b->add_transceiver(MediaKind::Audio, {.track_id = "reply", .for_track = true});
  exchange(a, b);
  ASSERT_EQ(b->transceivers().size(), 1u);
  EXPECT_EQ(b->find(*mine)->mid, "0");
  EXPECT_EQ(a->session()->find("0")->direction, Direction::SendRecv);
  EXPECT_EQ(a->session()->find("0")->remote_msids.front().track, "reply");
}

// WHEP: the server puts its tracks on what a receive-only offer made.
TEST(Negotiator, AServerAnswersAReceiveOnlyOfferWithItsTracks) {
  Peer viewer(1), server(2);
  ASSERT_TRUE(viewer->add_transceiver(MediaKind::Video, {.direction = Direction::RecvOnly}));
  ASSERT_TRUE(viewer->set_local_description(SdpType::Offer));
  ASSERT_TRUE(
      server->set_remote_description(SdpType::Offer, *sdp::SessionDescription::parse(viewer->local_description())));
  ASSERT_NE(server->offered_transport(), nullptr);
  EXPECT_EQ(server->offered_transport()->ice_ufrag, viewer->transport().ice_ufrag);
  const TransceiverId id = server->transceivers()[0].id;
  ASSERT_TRUE(server->set_track(id, {"stage"}, "camera"));
  const auto answer = server->create_answer();
  ASSERT_TRUE(server->set_local_description(SdpType::Answer, *answer));
  EXPECT_EQ(answer->media[0].direction, Direction::SendOnly);
  ASSERT_TRUE(viewer->set_remote_description(SdpType::Answer, sent(*answer)));
  EXPECT_EQ(viewer->session()->find("0")->direction, Direction::RecvOnly);
  EXPECT_EQ(viewer->session()->find("0")->remote_msids.front(), (sdp::Msid{"stage", "camera"}));
  EXPECT_EQ(server->session()->find("0")->send_encodings.size(), 1u);
}

TEST(Negotiator, SectionsComeGoAndAreUsedAgainOnALiveConnection) {
  Peer a(1), b(2);
  const TransceiverId audio = *a->add_transceiver(MediaKind::Audio);
  const TransceiverId video = *a->add_transceiver(MediaKind::Video);
  exchange(a, b);
  ASSERT_TRUE(a->stop(audio));
  EXPECT_TRUE(a->negotiation_needed());
  exchange(a, b);
  EXPECT_EQ(a->find(audio), nullptr);
  EXPECT_EQ(b->find("0"), nullptr);
  EXPECT_TRUE(a->session()->find("0")->rejected);
  EXPECT_EQ(a->session()->bundle, std::vector<std::string>{"1"});
  EXPECT_FALSE(a->negotiation_needed());
  // From the other side, and of another kind, in the free place.
  ASSERT_TRUE(b->add_transceiver(MediaKind::Video, {.track_id = "screen"}));
  b->want_data();
  exchange(b, a);
  const auto offer = *sdp::SessionDescription::parse(b->local_description());
  ASSERT_EQ(offer.media.size(), 3u);
  EXPECT_EQ(offer.media[0].kind(), MediaKind::Video);
  EXPECT_NE(offer.media[0].mid, "0");
  EXPECT_EQ(offer.media[1].mid, "1");
  EXPECT_EQ(a->find(video)->mid, "1");
  EXPECT_TRUE(a->session()->data);
  EXPECT_EQ(a->session()->dtls_role, DtlsRole::Client) << "roles stay though the offer came from the other side";
  EXPECT_TRUE(a->session()->ice_controlling);
  EXPECT_FALSE(a->session()->ice_restarted);
}

TEST(Negotiator, TheAnswererMayStopWhatIsOffered) {
  Peer a(1), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Audio));
  ASSERT_TRUE(a->add_transceiver(MediaKind::Video));
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, *a->create_offer()));
  ASSERT_TRUE(a->set_local_description(SdpType::Offer));
  ASSERT_TRUE(b->stop(b->find("0")->id));
  const auto answer = *b->create_answer();
  EXPECT_EQ(answer.media[0].port, 0);
  EXPECT_EQ(answer.bundle()->mids, std::vector<std::string>{"1"});
  ASSERT_TRUE(a->set_remote_description(SdpType::Answer, sent(answer)));
  EXPECT_EQ(a->find("0"), nullptr);
  EXPECT_EQ(a->session()->remote.mid, "1");
}

TEST(Negotiator, HoldAndResumeChangeDirectionsOnly) {
  Peer a(1), b(2);
  const TransceiverId id = *a->add_transceiver(MediaKind::Audio);
  exchange(a, b);
  const auto before = a->session()->find("0")->codecs;
  ASSERT_TRUE(a->set_direction(id, Direction::Inactive));
  EXPECT_TRUE(a->negotiation_needed());
  exchange(a, b);
  EXPECT_EQ(b->session()->find("0")->direction, Direction::Inactive);
  ASSERT_TRUE(a->set_direction(id, Direction::SendOnly));
  exchange(a, b);
  EXPECT_EQ(b->session()->find("0")->direction, Direction::RecvOnly);
  EXPECT_EQ(a->session()->find("0")->codecs, before);
}

TEST(Negotiator, NumbersOfThePeerStayWhenWeOfferNext) {
  NegotiatorConfig odd;
  odd.video_codecs = {{{100, "VP8", 90000, 1, "", {"nack"}}, 101},
                      {{96, "VP9", 90000, 1, "profile-id=0", {}}, std::nullopt}};
  odd.video_extensions = {{ExtensionKind::Mid, 9}, {ExtensionKind::TransportSequence, 4}};
  Peer a(1, odd), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Video));
  exchange(a, b);
  EXPECT_EQ(b->session()->find("0")->codecs[0].receive_payload_type, 100);
  ASSERT_TRUE(b->add_transceiver(MediaKind::Video));
  const auto offer = *b->create_offer();
  for (const sdp::MediaDescription& section : offer.media) {
    EXPECT_EQ(section.find_payload(100)->name, "VP8");
    EXPECT_EQ(section.find_payload(96)->name, "VP9");
    EXPECT_EQ(section.extensions[2].id, 9) << "mid";
  }
  EXPECT_TRUE(check_http_offer(offer)) << "no number means two things";
  exchange(b, a);
}

TEST(Negotiator, SimulcastIsReceivedAndKeptInOffersOfTheReceiver) {
  Peer a(1), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Video, {.direction = Direction::SendOnly, .rids = {"q", "h", "f"}}));
  const auto offer = *a->create_offer();
  EXPECT_TRUE(offer.media[0].ssrcs.empty());
  EXPECT_NE(offer.write().find("a=simulcast:send q;h;f\r\n"), std::string::npos);
  exchange(a, b);
  EXPECT_EQ(b->session()->find("0")->receive_rids, (std::vector<std::string>{"q", "h", "f"}));
  ASSERT_EQ(a->session()->find("0")->send_encodings.size(), 3u);
  EXPECT_EQ(a->session()->find("0")->send_encodings[1].rid, "h");
  b->want_data();
  EXPECT_NE(b->create_offer()->write().find("a=rid:h recv\r\n"), std::string::npos);
  exchange(b, a);
  EXPECT_EQ(a->session()->find("0")->send_encodings.size(), 3u);
}

TEST(Negotiator, SimulcastFallsBackToOneStreamIfThePeerKnowsNone) {
  Peer a(1), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Video, {.rids = {"q", "h"}}));
  const auto offer = *a->create_offer();
  ASSERT_TRUE(a->set_local_description(SdpType::Offer));
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
  auto answer = *b->create_answer();
  answer.media[0].simulcast.reset();
  answer.media[0].rids.clear();
  ASSERT_TRUE(a->set_remote_description(SdpType::Answer, answer));
  ASSERT_EQ(a->transceivers()[0].encodings.size(), 1u);
  EXPECT_EQ(a->transceivers()[0].encodings[0].rid, "");
  EXPECT_EQ(a->session()->find("0")->send_encodings.size(), 1u);
}

TEST(Negotiator, ALayerThePeerPausesIsInactive) {
  Peer a(1), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Video, {.rids = {"q", "h"}}));
  const auto offer = *a->create_offer();
  ASSERT_TRUE(a->set_local_description(SdpType::Offer));
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
  auto answer = *b->create_answer();
  answer.media[0].simulcast->recv[1].alternatives[0].paused = true;
  ASSERT_TRUE(a->set_remote_description(SdpType::Answer, answer));
  EXPECT_TRUE(a->session()->find("0")->send_encodings[0].active);
  EXPECT_FALSE(a->session()->find("0")->send_encodings[1].active);
}

TEST(Negotiator, CodecPreferencesRuleTheAnswersOrder) {
  Peer a(1), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Video));
  const auto codecs = default_codecs(MediaKind::Video);
  const TransceiverId id =
      *b->add_transceiver(MediaKind::Video, {.codec_preferences = {codecs.back(), codecs[0]}, .for_track = true});
  exchange(a, b);
  const auto& agreed = b->session()->find("0")->codecs;
  ASSERT_EQ(agreed.size(), 2u);
  EXPECT_EQ(agreed[0].kind, CodecKind::Av1);
  EXPECT_EQ(a->session()->find("0")->codecs[0].kind, CodecKind::Av1);
  EXPECT_FALSE(b->set_codec_preferences(id, {{{96, "opus", 48000, 2, "", {}}, std::nullopt}}));
}

TEST(Negotiator, AnIceRestartOfTheOffererNeedsNewCredentialsHere) {
  Peer a(1), b(2);
  a->want_data();
  exchange(a, b);
  a->set_transport(test::make_transport('x'));
  EXPECT_TRUE(a->negotiation_needed());
  const auto offer = *a->create_offer();
  ASSERT_TRUE(a->set_local_description(SdpType::Offer));
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
  EXPECT_TRUE(b->remote_restarts_ice());
  EXPECT_EQ(b->create_answer().error(), NegotiationError::NewCredentialsRequired);
  b->set_transport(test::make_transport('y'));
  const auto answer = b->create_answer();
  ASSERT_TRUE(answer);
  ASSERT_TRUE(b->set_local_description(SdpType::Answer));
  ASSERT_TRUE(a->set_remote_description(SdpType::Answer, *answer));
  EXPECT_TRUE(a->session()->ice_restarted && b->session()->ice_restarted);
  EXPECT_FALSE(a->session()->new_association);
  EXPECT_EQ(a->session()->remote.ice_ufrag, "yyyy");
  EXPECT_FALSE(a->negotiation_needed());
}

TEST(Negotiator, ANewCertificateNeedsAnIceRestart) {
  Peer a(1), b(2);
  a->want_data();
  exchange(a, b);
  auto offer = *a->create_offer();
  offer.media[0].transport.fingerprints[0].back() = 'E';
  EXPECT_EQ(b->set_remote_description(SdpType::Offer, offer).error(), NegotiationError::FingerprintChanged);
  EXPECT_EQ(b->state(), SignalingState::Stable);
  offer.media[0].transport.ice_ufrag = "zzzz";
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
  b->set_transport(test::make_transport('y'));
  ASSERT_TRUE(b->set_local_description(SdpType::Answer));
  EXPECT_TRUE(b->session()->new_association);
}

// docs/adr/0010.
TEST(Negotiator, AnswersActiveToDataAloneWithoutSped) {
  const auto answer = [](bool media, bool sped_a, bool sped_b, std::optional<sdp::Setup> fixed) {
    Peer a(1), b(2, {.answer_setup = fixed});
    for (auto& [peer, sped] : {std::pair(&a, sped_a), {&b, sped_b}}) {
      LocalTransport transport = peer->negotiator.transport();
      if (sped) transport.ice_options.emplace_back(kSped);
      peer->negotiator.set_transport(transport);
    }
    if (media) a->add_transceiver(MediaKind::Audio).value();
    a->want_data();
    exchange(a, b);
    return sdp::SessionDescription::parse(b->local_description())->media[0].transport.setup;
  };
  using sdp::Setup;
  EXPECT_EQ(answer(false, false, false, {}), Setup::Active);
  EXPECT_EQ(answer(false, true, false, {}), Setup::Active);
  EXPECT_EQ(answer(false, false, true, {}), Setup::Active);
  EXPECT_EQ(answer(false, true, true, {}), Setup::Passive);
  EXPECT_EQ(answer(true, false, false, {}), Setup::Passive);
  EXPECT_EQ(answer(true, true, true, {}), Setup::Passive);
  for (const Setup fixed : {Setup::Active, Setup::Passive})
    for (const bool both : {false, true}) EXPECT_EQ(answer(both, both, both, fixed), fixed);
}

TEST(Negotiator, ARunningAssociationKeepsItsRoles) {
  Peer a(1), b(2);
  a->want_data();
  exchange(a, b);
  auto offer = *a->create_offer();
  offer.media[0].transport.setup = sdp::Setup::Active;  // would make us the server
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
  EXPECT_EQ(b->set_local_description(SdpType::Answer).error(), NegotiationError::BadSetup);
  EXPECT_EQ(b->state(), SignalingState::HaveRemoteOffer);
}

TEST(Negotiator, RollbackTakesBackWhatAnOfferGave) {
  Peer a(1), b(2);
  const TransceiverId mine = *a->add_transceiver(MediaKind::Audio);
  ASSERT_TRUE(a->set_local_description(SdpType::Offer));
  EXPECT_EQ(a->find(mine)->mid, "0");
  EXPECT_FALSE(a->negotiation_needed());
  ASSERT_TRUE(a->set_local_description(SdpType::Rollback));
  EXPECT_EQ(a->find(mine)->mid, "");
  EXPECT_TRUE(a->negotiation_needed());
  EXPECT_EQ(a->local_description(), "");
  ASSERT_TRUE(b->add_transceiver(MediaKind::Video));
  ASSERT_TRUE(a->set_remote_description(SdpType::Offer, *b->create_offer()));
  EXPECT_EQ(a->transceivers().size(), 2u);
  ASSERT_TRUE(a->set_remote_description(SdpType::Rollback, {}));
  EXPECT_EQ(a->transceivers().size(), 1u);
  EXPECT_EQ(a->set_local_description(SdpType::Rollback).error(), NegotiationError::WrongState);
}

// Perfect negotiation (W3C): on a collision the polite side gives way and offers again later; both tracks arrive.
TEST(Negotiator, CollidingOffersEndInAgreement) {
  Peer polite(1), impolite(2);
  const TransceiverId mine = *polite->add_transceiver(MediaKind::Audio, {.for_track = true});
  ASSERT_TRUE(impolite->add_transceiver(MediaKind::Audio, {.for_track = true}));
  ASSERT_TRUE(impolite->add_transceiver(MediaKind::Video, {.for_track = true}));
  ASSERT_TRUE(polite->set_local_description(SdpType::Offer));
  ASSERT_TRUE(impolite->set_local_description(SdpType::Offer));
  const auto theirs = *sdp::SessionDescription::parse(impolite->local_description());
  ASSERT_TRUE(polite->set_remote_description(SdpType::Offer, theirs));
  ASSERT_TRUE(polite->set_local_description(SdpType::Answer));
  ASSERT_TRUE(
      impolite->set_remote_description(SdpType::Answer, *sdp::SessionDescription::parse(polite->local_description())));
  EXPECT_EQ(polite->find(mine)->current_direction, Direction::SendRecv);
  EXPECT_FALSE(polite->negotiation_needed());
  EXPECT_EQ(impolite->session()->find("1")->direction, Direction::SendOnly);
}

TEST(Negotiator, AProvisionalAnswerStartsMediaAndTheFinalOneEndsTheExchange) {
  Peer a(1), b(2);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Audio));
  const auto offer = *a->create_offer();
  ASSERT_TRUE(a->set_local_description(SdpType::Offer, offer));
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
  ASSERT_TRUE(b->set_local_description(SdpType::Pranswer));
  EXPECT_EQ(b->state(), SignalingState::HaveLocalPranswer);
  ASSERT_TRUE(a->set_remote_description(SdpType::Pranswer, *sdp::SessionDescription::parse(b->local_description())));
  EXPECT_EQ(a->state(), SignalingState::HaveRemotePranswer);
  EXPECT_NE(a->session(), nullptr);
  EXPECT_EQ(a->set_remote_description(SdpType::Offer, offer).error(), NegotiationError::WrongState);
  ASSERT_TRUE(b->set_local_description(SdpType::Answer));
  ASSERT_TRUE(a->set_remote_description(SdpType::Answer, *sdp::SessionDescription::parse(b->local_description())));
  EXPECT_EQ(a->state(), SignalingState::Stable);
  EXPECT_EQ(b->state(), SignalingState::Stable);
}

TEST(Negotiator, CallsInTheWrongStateChangeNothing) {
  Peer a(1), b(2);
  a->want_data();
  const auto offer = *a->create_offer();
  EXPECT_EQ(a->create_answer().error(), NegotiationError::WrongState);
  EXPECT_EQ(a->set_remote_description(SdpType::Answer, offer).error(), NegotiationError::WrongState);
  EXPECT_EQ(a->set_local_description(SdpType::Answer).error(), NegotiationError::WrongState);
  auto munged = offer;
  munged.media[0].sctp_port = 1;
  EXPECT_EQ(a->set_local_description(SdpType::Offer, munged).error(), NegotiationError::Modified);
  EXPECT_EQ(a->state(), SignalingState::Stable);
  ASSERT_TRUE(b->set_remote_description(SdpType::Offer, offer));
  EXPECT_EQ(b->create_offer().error(), NegotiationError::WrongState);
  b->close();
  EXPECT_EQ(b->state(), SignalingState::Closed);
  EXPECT_EQ(b->create_answer().error(), NegotiationError::Closed);
  EXPECT_EQ(b->set_remote_description(SdpType::Offer, offer).error(), NegotiationError::Closed);
  EXPECT_EQ(b->add_transceiver(MediaKind::Audio).error(), NegotiationError::Closed);
}

TEST(Negotiator, ArgumentsThatCouldBreakADescriptionAreRefused) {
  Peer a(1);
  EXPECT_EQ(a->add_transceiver(MediaKind::Application).error(), NegotiationError::BadParameter);
  for (const char* rid : {"", "a b", "a;b", "aaaaaaaaaaaaaaaaa", "a\r\n"}) {
    EXPECT_FALSE(a->add_transceiver(MediaKind::Video, {.rids = {rid}})) << rid;
  }
  EXPECT_FALSE(a->add_transceiver(MediaKind::Video, {.rids = {"q", "q"}}));
  EXPECT_FALSE(a->add_transceiver(MediaKind::Audio, {.track_id = "x\r\na=odd"}));
  EXPECT_FALSE(a->add_transceiver(MediaKind::Audio, {.stream_ids = {"x y"}}));
  Peer bare(3);
  bare->set_transport({});
  EXPECT_EQ(bare->create_offer().error(), NegotiationError::MissingTransport);
  for (size_t i = 0; i < kMaxTransceivers; ++i) ASSERT_TRUE(a->add_transceiver(MediaKind::Audio));
  EXPECT_EQ(a->add_transceiver(MediaKind::Audio).error(), NegotiationError::TooManySections);
  a->want_data();
  EXPECT_EQ(a->create_offer().error(), NegotiationError::TooManySections);
}

TEST(Negotiator, CandidatesGoIntoTheSectionOfTheTransport) {
  Peer a(1);
  ASSERT_TRUE(a->add_transceiver(MediaKind::Audio));
  a->want_data();
  ASSERT_TRUE(a->set_local_description(SdpType::Offer));
  const std::string candidates[] = {"candidate:1 1 udp 1 192.0.2.1 4 typ host"};
  const auto description = *sdp::SessionDescription::parse(a->local_description(candidates, true));
  EXPECT_EQ(description.media[0].candidates.size(), 1u);
  EXPECT_TRUE(description.media[0].end_of_candidates);
  EXPECT_TRUE(description.media[1].candidates.empty());
}

TEST(Negotiator, AnIceLiteServerIsControlled) {
  Peer server(1), client(2);
  LocalTransport lite = test::make_transport('l');
  lite.ice_lite = true;
  server->set_transport(lite);
  server->want_data();
  exchange(server, client);
  EXPECT_FALSE(server->session()->ice_controlling);
  EXPECT_TRUE(client->session()->ice_controlling);
  EXPECT_TRUE(client->session()->remote.ice_lite);
}

}  // namespace
}  // namespace kaon::peer
