#include "kaon/peer/codec_registry.h"

#include <algorithm>
#include <array>

#include "kaon/base/text.h"

namespace kaon::peer {
namespace {

using sdp::equal_ignoring_case;
using sdp::MediaKind;
using sdp::parameter;
using sdp::PayloadFormat;

constexpr std::array<std::string_view, 9> kCodecNames = {"opus", "G722", "PCMU", "PCMA", "VP8",
                                                         "VP9",  "H264", "H265", "AV1"};

Codec audio(uint8_t payload_type, const char* name, uint32_t clock_rate, uint8_t channels, const char* parameters) {
  return {{payload_type, name, clock_rate, channels, parameters, {"transport-cc", "nack"}}, std::nullopt};
}

Codec video(uint8_t payload_type, uint8_t rtx_payload_type, const char* name, const char* parameters) {
  return {{payload_type, name, 90000, 1, parameters, {"goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"}},
          rtx_payload_type};
}

std::string_view value_or(std::string_view parameters, std::string_view key, std::string_view fallback) {
  return parameter(parameters, key).value_or(fallback);
}

bool same_value(const PayloadFormat& a, const PayloadFormat& b, std::string_view key, std::string_view fallback) {
  return value_or(a.parameters, key, fallback) == value_or(b.parameters, key, fallback);
}

// RFC 6184 §8.1: without profile-level-id it is Baseline, level 1.
constexpr std::string_view kDefaultProfileLevelId = "42000a";

bool same_h264(const PayloadFormat& a, const PayloadFormat& b) {
  const auto profile_a = h264_profile(value_or(a.parameters, "profile-level-id", kDefaultProfileLevelId));
  const auto profile_b = h264_profile(value_or(b.parameters, "profile-level-id", kDefaultProfileLevelId));
  return profile_a && profile_a == profile_b && same_value(a, b, "packetization-mode", "0");
}

// "key=value" of the offer in place of ours, or added.
void take_from_offer(std::string& ours, std::string_view offered, std::string_view key) {
  const auto value = parameter(offered, key);
  const auto mine = parameter(ours, key);
  if (!value || !mine || value->size() > 8) return;
  const auto position = static_cast<size_t>(mine->data() - ours.data());
  ours.replace(position, mine->size(), *value);
}

}  // namespace

CodecKind codec_kind(std::string_view encoding_name) {
  for (size_t i = 0; i < kCodecNames.size(); ++i) {
    if (equal_ignoring_case(encoding_name, kCodecNames[i])) return static_cast<CodecKind>(i);
  }
  return equal_ignoring_case(encoding_name, "rtx") ? CodecKind::Rtx : CodecKind::Other;
}

std::vector<Codec> default_codecs(MediaKind kind) {
  std::vector<Codec> codecs;
  codecs.reserve(11);
  // One by one, because from a list in braces they would be copied, and every connection has its own.
  const auto add = [&](Codec codec) { codecs.push_back(std::move(codec)); };
  if (kind == MediaKind::Audio) {
    add(audio(111, "opus", 48000, 2, "minptime=10;useinbandfec=1"));
    add(audio(9, "G722", 8000, 1, ""));
    add(audio(0, "PCMU", 8000, 1, ""));
    add(audio(8, "PCMA", 8000, 1, ""));
  } else if (kind == MediaKind::Video) {
    add(video(96, 97, "VP8", ""));
    add(video(98, 99, "VP9", "profile-id=0"));
    add(video(102, 103, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"));
    add(video(104, 105, "H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"));
    add(video(106, 107, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"));
    add(video(108, 109, "H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f"));
    add(video(112, 113, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f"));
    add(video(114, 115, "H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=4d001f"));
    add(video(116, 117, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f"));
    add(video(118, 119, "H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=64001f"));
    add(video(45, 46, "AV1", "level-idx=5;profile=0;tier=0"));
  }
  return codecs;
}

Codec h265_codec() { return video(49, 50, "H265", "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"); }

std::vector<Codec> codecs_of(packetizer::Codec codec) {
  if (codec == packetizer::Codec::H265) return {h265_codec()};
  auto codecs = default_codecs(packetizer::is_video(codec) ? MediaKind::Video : MediaKind::Audio);
  std::erase_if(codecs, [&](const Codec& known) {
    return !equal_ignoring_case(known.format.name, packetizer::encoding_name(codec));
  });
  return codecs;
}

std::optional<H264Profile> h264_profile(std::string_view profile_level_id) {
  if (profile_level_id.size() != 6) return std::nullopt;
  const auto number = parse_number<uint32_t>(profile_level_id, 16);
  if (!number) return std::nullopt;
  struct Pattern {
    uint8_t idc, mask, iop;
    H264Profile profile;
  };
  // RFC 6184 §8.1, table 5: of profile_iop only some bits count.
  constexpr Pattern kPatterns[] = {
      {0x42, 0x4F, 0x40, H264Profile::ConstrainedBaseline},
      {0x4D, 0x8F, 0x80, H264Profile::ConstrainedBaseline},
      {0x58, 0xCF, 0xC0, H264Profile::ConstrainedBaseline},
      {0x42, 0x4F, 0x00, H264Profile::Baseline},
      {0x58, 0xCF, 0x80, H264Profile::Baseline},
      {0x4D, 0xAF, 0x00, H264Profile::Main},
      {0x64, 0xFF, 0x00, H264Profile::High},
      {0x64, 0xFF, 0x0C, H264Profile::ConstrainedHigh},
      {0xF4, 0xFF, 0x00, H264Profile::High444Predictive},
  };
  const auto idc = static_cast<uint8_t>(*number >> 16);
  const auto iop = static_cast<uint8_t>(*number >> 8);
  for (const Pattern& p : kPatterns) {
    if (p.idc == idc && (iop & p.mask) == p.iop) return p.profile;
  }
  return std::nullopt;
}

bool same_format(const PayloadFormat& a, const PayloadFormat& b) {
  if (!equal_ignoring_case(a.name, b.name) || a.clock_rate != b.clock_rate || a.channels != b.channels) return false;
  switch (codec_kind(a.name)) {
    case CodecKind::Rtx: return false;
    case CodecKind::Other: return a.parameters == b.parameters;
    case CodecKind::H264: return same_h264(a, b);
    case CodecKind::Vp9: return same_value(a, b, "profile-id", "0");
    case CodecKind::Av1: return same_value(a, b, "profile", "0");
    // RFC 7798 §7.2.2: profile, tier and transmission mode are symmetric, the level may be lowered.
    case CodecKind::H265:
      return same_value(a, b, "profile-id", "1") && same_value(a, b, "tier-flag", "0") &&
             same_value(a, b, "tx-mode", "SRST");
    default: return true;
  }
}

bool answers_format(const PayloadFormat& offered, const PayloadFormat& answered) {
  if (same_format(offered, answered)) return true;
  return offered.payload_type == answered.payload_type && codec_kind(offered.name) == CodecKind::H264 &&
         codec_kind(answered.name) == CodecKind::H264 && !parameter(answered.parameters, "profile-level-id") &&
         same_value(offered, answered, "packetization-mode", "0");
}

// A forwarder and our depacketizers take any level, so the answer promises what the offer asks for and browsers need
// not scale down.
std::string answer_parameters(const PayloadFormat& ours, const PayloadFormat& offered) {
  std::string out = ours.parameters;
  switch (codec_kind(ours.name)) {
    case CodecKind::H264:
      take_from_offer(out, offered.parameters, "profile-level-id");
      // RFC 6184 §8.1: allowed only if both say so.
      if (value_or(offered.parameters, "level-asymmetry-allowed", "0") != "1") {
        if (const size_t at = out.find("level-asymmetry-allowed=1"); at != std::string::npos) out[at + 24] = '0';
      }
      break;
    case CodecKind::H265: take_from_offer(out, offered.parameters, "level-id"); break;
    case CodecKind::Av1:
      take_from_offer(out, offered.parameters, "level-idx");
      take_from_offer(out, offered.parameters, "tier");
      break;
    default: break;
  }
  return out;
}

std::vector<std::string> common_feedback(const PayloadFormat& ours, const PayloadFormat& offered) {
  std::vector<std::string> out;
  std::ranges::copy_if(ours.feedback, std::back_inserter(out),
                       [&](const std::string& value) { return offered.has_feedback(value); });
  return out;
}

std::optional<uint8_t> rtx_payload_type(const sdp::MediaDescription& section, uint8_t payload_type) {
  for (const PayloadFormat& format : section.payloads) {
    if (codec_kind(format.name) != CodecKind::Rtx) continue;
    if (parse_number<uint8_t>(value_or(format.parameters, "apt", "")) == payload_type) return format.payload_type;
  }
  return std::nullopt;
}

std::vector<SupportedExtension> default_extensions(MediaKind kind) {
  using enum ExtensionKind;
  if (kind == MediaKind::Audio) {
    return {{AudioLevel, 1}, {AbsSendTime, 2}, {TransportSequence, 3}, {Mid, 4}};
  }
  if (kind != MediaKind::Video) return {};
  return {{AbsSendTime, 2},          {TransportSequence, 3},     {Mid, 4},
          {PlayoutDelay, 5},         {VideoContentType, 6},      {RtpStreamId, 10},
          {RepairedRtpStreamId, 11}, {DependencyDescriptor, 12}, {VideoOrientation, 13}};
}

}  // namespace kaon::peer
