// Offers and answers of browsers and servers, and what we make of them.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "kaon/peer/internal/negotiation_test_support.h"
#include "kaon_testdata.h"

namespace kaon::peer {

std::string test::read_recorded(const std::string& name) {
  std::ifstream in(std::filesystem::path(KAON_TESTDATA "/sdp") / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

namespace {

using sdp::Direction;
using sdp::MediaKind;
using test::load;
using test::Peer;
using test::sent;

std::vector<std::string> recorded_offers() {
  std::vector<std::string> names;
  const std::filesystem::path root = KAON_TESTDATA "/sdp";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string name = std::filesystem::relative(entry.path(), root).string();
    if (name.ends_with("offer.sdp")) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

sdp::SessionDescription answer_to(Peer& peer, const sdp::SessionDescription& offer) {
  const auto set = peer->set_remote_description(SdpType::Offer, offer);
  EXPECT_TRUE(set) << to_string(set.error());
  if (!set) return {};
  const auto answer = peer->create_answer();
  EXPECT_TRUE(answer);
  EXPECT_TRUE(peer->set_local_description(SdpType::Answer));
  return sent(*answer);
}

// Every format of the answer is one of the offer under the same number, and its feedback and extensions are a subset.
void expect_subset(const sdp::MediaDescription& answered, const sdp::MediaDescription& offered) {
  for (const sdp::PayloadFormat& format : answered.payloads) {
    const sdp::PayloadFormat* theirs = offered.find_payload(format.payload_type);
    ASSERT_NE(theirs, nullptr) << int{format.payload_type};
    EXPECT_EQ(theirs->name, format.name);
    EXPECT_EQ(theirs->clock_rate, format.clock_rate);
    EXPECT_EQ(theirs->channels, format.channels);
    for (const std::string& value : format.feedback) EXPECT_TRUE(theirs->has_feedback(value)) << value;
    for (const char* unwanted : {"red", "ulpfec", "flexfec-03", "CN", "telephone-event"}) {
      EXPECT_FALSE(sdp::equal_ignoring_case(format.name, unwanted)) << unwanted;
    }
    if (sdp::equal_ignoring_case(format.name, "rtx")) {
      const auto apt = parse_number<uint8_t>(sdp::parameter(format.parameters, "apt").value_or(""));
      ASSERT_TRUE(apt);
      EXPECT_NE(answered.find_payload(*apt), nullptr) << "rtx of a format that is not there";
    }
  }
  for (const sdp::Extension& extension : answered.extensions) {
    const auto theirs = std::ranges::find(offered.extensions, extension.id, &sdp::Extension::id);
    ASSERT_NE(theirs, offered.extensions.end());
    EXPECT_EQ(theirs->uri, extension.uri);
    EXPECT_TRUE(rtp::extension_of(extension.uri));
  }
}

TEST(RecordedOffer, EveryOneIsAnsweredWithASubset) {
  ASSERT_GE(recorded_offers().size(), 17u);
  for (const std::string& name : recorded_offers()) {
    SCOPED_TRACE(name);
    const auto offer = load(name);
    Peer peer(5);
    const auto answer = answer_to(peer, offer);
    const bool media = std::ranges::any_of(offer.media, [](const auto& section) { return section.is_rtp(); });
    ASSERT_EQ(answer.media.size(), offer.media.size());
    ASSERT_NE(answer.bundle(), nullptr);
    EXPECT_EQ(answer.bundle()->mids, offer.bundle()->mids);
    EXPECT_TRUE(answer.other.empty());
    for (size_t i = 0; i < answer.media.size(); ++i) {
      const sdp::MediaDescription& section = answer.media[i];
      EXPECT_EQ(section.mid, offer.media[i].mid);
      EXPECT_EQ(section.protocol, offer.media[i].protocol);
      EXPECT_EQ(section.port, 9);
      EXPECT_EQ(section.transport.setup, media ? sdp::Setup::Passive : sdp::Setup::Active);
      EXPECT_TRUE(section.other.empty()) << "unknown attributes are not echoed";
      EXPECT_FALSE(section.bundle_only);
      if (!section.is_rtp()) continue;
      EXPECT_TRUE(section.rtcp_mux);
      EXPECT_EQ(section.rtcp_rsize, offer.media[i].rtcp_rsize);
      const bool offer_sends = sends(direction_of(offer, offer.media[i]));
      EXPECT_EQ(section.direction, offer_sends ? Direction::RecvOnly : Direction::Inactive);
      expect_subset(section, offer.media[i]);
    }
    const NegotiatedSession& session = *peer->session();
    EXPECT_EQ(session.dtls_role, media ? DtlsRole::Server : DtlsRole::Client);
    EXPECT_FALSE(session.ice_controlling);
    EXPECT_EQ(session.remote.mid, offer.bundle()->mids.front());
    EXPECT_FALSE(session.remote.fingerprints.empty());
    EXPECT_EQ(answer.write().find("rcvr-rtt"), std::string::npos);
  }
}

TEST(RecordedOffer, EveryOneButDataAlonePassesTheCheckForHttp) {
  for (const std::string& name : recorded_offers()) {
    const bool data_only = name.find("/data.offer") != std::string::npos;
    const auto checked = check_http_offer(load(name));
    EXPECT_EQ(checked.has_value(), !data_only) << name;
    if (!checked) {
      EXPECT_EQ(checked.error(), NegotiationError::NoMedia);
    }
  }
}

TEST(RecordedOffer, ChromiumsVideoIsAnsweredLineByLine) {
  Peer peer(5);
  const auto answer = answer_to(peer, load("chromium156/av-data.offer.sdp"));
  const std::string text = answer.write();
  EXPECT_NE(text.find("m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8\r\n"), std::string::npos) << text;
  // AV1, H.264 in six forms, VP8 and VP9 profile 0, each with its rtx; without 100 (VP9 profile 2), 118 (red) and 120
  // (ulpfec).
  EXPECT_NE(
      text.find("m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 107 108 109 114 115 116 117 39 40 45 46 98 99\r\n"),
      std::string::npos)
      << text;
  for (const char* line :
       {"a=fmtp:111 minptime=10;useinbandfec=1", "a=rtcp-fb:111 transport-cc", "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 ccm fir", "a=fmtp:97 apt=96",
        "a=fmtp:116 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f",
        "a=fmtp:45 level-idx=5;profile=0;tier=0", "a=fmtp:98 profile-id=0", "a=extmap:13 urn:3gpp:video-orientation",
        "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "a=group:BUNDLE 0 1 2", "a=extmap-allow-mixed",
        "a=sctp-port:5000", "a=max-message-size:262144"}) {
    EXPECT_NE(text.find(cat(line, "\r\n")), std::string::npos) << line;
  }
  for (const char* absent :
       {"video-timing", "color-space", "toffset", "red/", "ulpfec", "a=msid", "a=ssrc", "a=rtcp:"}) {
    EXPECT_EQ(text.find(absent), std::string::npos) << absent;
  }
  const NegotiatedMedia& video = *peer->session()->find("1");
  EXPECT_EQ(video.remote_streams, (std::vector<RemoteStream>{{4124066398, 822805748, "JRRTf0Ewz4yUZT3P"}}));
  EXPECT_EQ(video.extension_id(ExtensionKind::VideoOrientation), 13);
  EXPECT_TRUE(video.reduced_size_rtcp);
  EXPECT_TRUE(peer->session()->extmap_allow_mixed);
}

TEST(RecordedOffer, SimulcastIsReceivedByRid) {
  for (const char* name : {"chromium156/simulcast.offer.sdp", "firefox153esr/simulcast.offer.sdp"}) {
    Peer peer(5);
    const std::string text = answer_to(peer, load(name)).write();
    for (const char* line : {"a=rid:q recv", "a=rid:h recv", "a=rid:f recv", "a=simulcast:recv q;h;f"}) {
      EXPECT_NE(text.find(cat(line, "\r\n")), std::string::npos) << name << line;
    }
    EXPECT_EQ(peer->session()->media[0].receive_rids, (std::vector<std::string>{"q", "h", "f"}));
    EXPECT_NE(peer->session()->media[0].extension_id(ExtensionKind::RtpStreamId), 0);
  }
}

TEST(RecordedOffer, FirefoxsExtensionDirectionsAreTurnedRound) {
  Peer peer(5);
  const std::string text = answer_to(peer, load("firefox153esr/simulcast.offer.sdp")).write();
  EXPECT_NE(text.find("a=extmap:6/sendonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"),
            std::string::npos);
  EXPECT_NE(text.find("a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"), std::string::npos);
  EXPECT_NE(text.find("a=extmap-allow-mixed\r\n"), std::string::npos);
}

TEST(RecordedOffer, GStreamersBundleOnlySectionsAndCandidatesAreTakenUp) {
  Peer peer(5);
  answer_to(peer, load("gstreamer1.22/offer.sdp"));
  const NegotiatedSession& session = *peer->session();
  EXPECT_EQ(session.bundle.size(), 3u);
  EXPECT_EQ(session.remote.candidates.size(), 9u);
  EXPECT_EQ(session.find("audio1")->codecs.at(0).kind, CodecKind::Opus);
  EXPECT_EQ(session.find("audio1")->remote_msids.at(0).track, "webrtctransceiver1");
  EXPECT_EQ(session.find("video0")->codecs.at(0).receive_rtx_payload_type, std::nullopt);
  EXPECT_FALSE(session.find("video0")->codecs.at(0).nack);
}

TEST(RecordedOffer, AServerSendsToAReceiveOnlyBrowser) {
  for (const char* name : {"chromium156/recvonly.offer.sdp", "firefox153esr/recvonly.offer.sdp"}) {
    Peer peer(5);
    const auto offer = load(name);
    ASSERT_TRUE(peer->set_remote_description(SdpType::Offer, offer));
    std::vector<TransceiverId> ids;
    for (const Transceiver& transceiver : peer->transceivers()) ids.push_back(transceiver.id);
    for (const TransceiverId id : ids) ASSERT_TRUE(peer->set_track(id, {"stage"}, "")) << name;
    const auto answer = sent(*peer->create_answer());
    for (const sdp::MediaDescription& section : answer.media) {
      EXPECT_EQ(section.direction, Direction::SendOnly);
      EXPECT_EQ(section.msids.at(0).stream, "stage");
      EXPECT_EQ(section.ssrc_groups.size(), section.kind() == MediaKind::Video ? 1u : 0u);
    }
  }
}

// Real answers to real offers, with us in the place of the offerer.
TEST(RecordedAnswer, FitsAnOfferOfOursInTheSameShape) {
  const std::pair<const char*, std::vector<MediaKind>> cases[] = {
      {"chromium156/av-data.answer.sdp", {MediaKind::Audio, MediaKind::Video, MediaKind::Application}},
      {"firefox153esr/av-data.answer.sdp", {MediaKind::Audio, MediaKind::Video, MediaKind::Application}},
      {"janus1.1.2/echotest-answer.sdp", {MediaKind::Audio, MediaKind::Video, MediaKind::Application}},
      {"chromium156/data.answer.sdp", {MediaKind::Application}},
      {"firefox153esr/data.answer.sdp", {MediaKind::Application}},
  };
  for (const auto& [name, kinds] : cases) {
    SCOPED_TRACE(name);
    Peer peer(5);
    for (const MediaKind kind : kinds) {
      if (kind == MediaKind::Application) {
        peer->want_data();
      } else {
        ASSERT_TRUE(peer->add_transceiver(kind));
      }
    }
    ASSERT_TRUE(peer->set_local_description(SdpType::Offer));
    const auto set = peer->set_remote_description(SdpType::Answer, load(name));
    ASSERT_TRUE(set) << to_string(set.error());
    const NegotiatedSession& session = *peer->session();
    EXPECT_EQ(session.dtls_role, DtlsRole::Server) << "browsers and Janus answer active";
    EXPECT_TRUE(session.data);
    for (const NegotiatedMedia& media : session.media) {
      EXPECT_FALSE(media.codecs.empty());
      EXPECT_NE(media.codecs[0].kind, CodecKind::Other);
    }
  }
}

TEST(RecordedAnswer, OtherNumbersInAnAnswerAreUsedForSending) {
  Peer peer(5);
  ASSERT_TRUE(peer->add_transceiver(MediaKind::Audio));
  ASSERT_TRUE(peer->add_transceiver(MediaKind::Video));
  peer->want_data();
  ASSERT_TRUE(peer->set_local_description(SdpType::Offer));
  ASSERT_TRUE(peer->set_remote_description(SdpType::Answer, load("firefox153esr/av-data.answer.sdp")));
  const NegotiatedCodec& opus = peer->session()->find("0")->codecs.at(0);
  EXPECT_EQ(opus.kind, CodecKind::Opus);
  EXPECT_EQ(opus.receive_payload_type, 111);
  EXPECT_EQ(opus.send_payload_type, 109);
}

}  // namespace
}  // namespace kaon::peer
