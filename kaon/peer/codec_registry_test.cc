#include "kaon/peer/codec_registry.h"

#include <gtest/gtest.h>

#include <set>

namespace kaon::peer {
namespace {

using sdp::MediaKind;
using sdp::PayloadFormat;

PayloadFormat video(const char* name, const char* parameters) { return {96, name, 90000, 1, parameters, {}}; }
PayloadFormat h264(const char* parameters) { return video("H264", parameters); }

TEST(CodecRegistry, NamesAreComparedInAnyLetterCase) {
  EXPECT_EQ(codec_kind("OPUS"), CodecKind::Opus);
  EXPECT_EQ(codec_kind("h264"), CodecKind::H264);
  EXPECT_EQ(codec_kind("RTX"), CodecKind::Rtx);
  EXPECT_EQ(codec_kind("red"), CodecKind::Other);
  EXPECT_TRUE(same_format({97, "OPUS", 48000, 2, "", {}}, {111, "opus", 48000, 2, "minptime=10", {}}));
  EXPECT_FALSE(same_format({97, "opus", 48000, 1, "", {}}, {111, "opus", 48000, 2, "", {}}));
}

// RFC 6184 §8.1, table 5: the same profile has several spellings.
TEST(CodecRegistry, H264ProfilesFollowTheTable) {
  const std::pair<const char*, std::optional<H264Profile>> cases[] = {
      {"42e01f", H264Profile::ConstrainedBaseline},
      {"42C01F", H264Profile::ConstrainedBaseline},
      {"4de01f", H264Profile::ConstrainedBaseline},
      {"58f01f", H264Profile::ConstrainedBaseline},
      {"42001f", H264Profile::Baseline},
      {"58a01f", H264Profile::Baseline},
      {"4d001f", H264Profile::Main},
      {"4d401f", H264Profile::Main},
      {"64001f", H264Profile::High},
      {"640c1f", H264Profile::ConstrainedHigh},
      {"f4001f", H264Profile::High444Predictive},
      {"64101f", std::nullopt},
      {"42e01", std::nullopt},
      {"42e01fff", std::nullopt},
      {"42e0xx", std::nullopt},
      {"-2e01f", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& [text, profile] : cases) EXPECT_EQ(h264_profile(text), profile) << text;
}

TEST(CodecRegistry, H264MatchesByProfileAndModeButNotByLevel) {
  const PayloadFormat ours = h264("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
  EXPECT_TRUE(same_format(ours, h264("packetization-mode=1;profile-level-id=42c034")));
  EXPECT_FALSE(same_format(ours, h264("packetization-mode=0;profile-level-id=42e01f")));
  EXPECT_FALSE(same_format(ours, h264("profile-level-id=42e01f"))) << "the mode's default is 0";
  EXPECT_FALSE(same_format(ours, h264("packetization-mode=1;profile-level-id=64001f")));
  EXPECT_FALSE(same_format(ours, h264("packetization-mode=1;profile-level-id=nonsense")));
  EXPECT_TRUE(same_format(h264(""), h264("profile-level-id=42001f"))) << "without parameters it is baseline";
}

// As webrtcbin of GStreamer 1.22 answers Kaon's offer.
TEST(CodecRegistry, AnAnswerThatLeavesTheH264ProfileOutMeansTheOfferedOne) {
  const PayloadFormat offered = h264("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
  PayloadFormat answered = h264("packetization-mode=1;level-asymmetry-allowed=1");
  EXPECT_TRUE(answers_format(offered, answered));
  EXPECT_FALSE(answers_format(offered, h264("level-asymmetry-allowed=1"))) << "the other mode";
  EXPECT_FALSE(answers_format(offered, h264("packetization-mode=1;profile-level-id=64001f")));
  answered.payload_type = static_cast<uint8_t>(offered.payload_type + 1);
  EXPECT_FALSE(answers_format(offered, answered)) << "another number tells nothing";
}

TEST(CodecRegistry, AnswersTakeTheOfferedLevel) {
  const PayloadFormat ours = h264("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
  EXPECT_EQ(answer_parameters(ours, h264("profile-level-id=42c034;packetization-mode=1;level-asymmetry-allowed=1")),
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42c034");
  EXPECT_EQ(answer_parameters(ours, h264("profile-level-id=42e01f;packetization-mode=1")),
            "level-asymmetry-allowed=0;packetization-mode=1;profile-level-id=42e01f");
  const PayloadFormat av1 = video("AV1", "level-idx=5;profile=0;tier=0");
  EXPECT_EQ(answer_parameters(av1, video("AV1", "level-idx=13;profile=0;tier=1")), "level-idx=13;profile=0;tier=1");
  EXPECT_EQ(answer_parameters(av1, video("AV1", "")), "level-idx=5;profile=0;tier=0");
}

TEST(CodecRegistry, Vp9Av1AndH265MatchByProfile) {
  EXPECT_TRUE(same_format(video("VP9", ""), video("VP9", "profile-id=0")));
  EXPECT_FALSE(same_format(video("VP9", "profile-id=2"), video("VP9", "profile-id=0")));
  EXPECT_TRUE(same_format(video("AV1", ""), video("AV1", "profile=0;level-idx=8")));
  EXPECT_FALSE(same_format(video("AV1", "profile=1"), video("AV1", "")));
  EXPECT_TRUE(same_format(h265_codec().format, video("H265", "level-id=180")));
  EXPECT_FALSE(same_format(h265_codec().format, video("H265", "profile-id=2")));
  EXPECT_FALSE(same_format(h265_codec().format, video("H265", "tx-mode=MRST")));
}

TEST(CodecRegistry, RtxFollowsItsCodecAndNeverMatchesByItself) {
  sdp::MediaDescription section;
  section.payloads = {
      {96, "VP8", 90000, 1, "", {}}, {97, "rtx", 90000, 1, "apt=96;rtx-time=200", {}}, {98, "VP9", 90000, 1, "", {}}};
  EXPECT_EQ(rtx_payload_type(section, 96), 97);
  EXPECT_EQ(rtx_payload_type(section, 98), std::nullopt);
  EXPECT_FALSE(same_format(section.payloads[1], section.payloads[1]));
}

TEST(CodecRegistry, NoDefaultNumberIsUsedTwice) {
  std::set<uint8_t> numbers;
  for (const MediaKind kind : {MediaKind::Audio, MediaKind::Video}) {
    for (const Codec& codec : default_codecs(kind)) {
      EXPECT_TRUE(numbers.insert(codec.format.payload_type).second) << int{codec.format.payload_type};
      if (codec.rtx_payload_type) {
        EXPECT_TRUE(numbers.insert(*codec.rtx_payload_type).second) << int{*codec.rtx_payload_type};
      }
      EXPECT_TRUE(codec.format.payload_type < 64 || codec.format.payload_type > 95) << "RFC 5761 §4";
    }
  }
}

TEST(CodecRegistry, FindsAllFormatsOfOneCodec) {
  using packetizer::Codec;
  for (const Codec codec : {Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264, Codec::H265, Codec::Opus, Codec::Pcmu,
                            Codec::Pcma, Codec::G722}) {
    const auto formats = codecs_of(codec);
    ASSERT_FALSE(formats.empty()) << packetizer::encoding_name(codec);
    for (const auto& format : formats) EXPECT_EQ(packetizer::codec_from_name(format.format.name), codec);
  }
  EXPECT_GT(codecs_of(Codec::H264).size(), 1u);
}

TEST(CodecRegistry, EveryExtensionHasTheSameIdForAudioAndVideo) {
  std::set<std::pair<uint8_t, ExtensionKind>> pairs;
  std::set<uint8_t> ids;
  for (const MediaKind kind : {MediaKind::Audio, MediaKind::Video}) {
    for (const SupportedExtension& extension : default_extensions(kind)) {
      pairs.insert({extension.id, extension.kind});
      ids.insert(extension.id);
      EXPECT_LE(extension.id, 14);
    }
  }
  EXPECT_EQ(pairs.size(), ids.size());
}

}  // namespace
}  // namespace kaon::peer
