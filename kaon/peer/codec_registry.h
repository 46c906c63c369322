// Which codecs and header extensions Kaon speaks, and how the formats of two descriptions are compared.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/packetizer/codec.h"
#include "kaon/rtp/extension.h"
#include "kaon/sdp/session_description.h"

namespace kaon::peer {

enum class CodecKind : uint8_t { Opus, G722, Pcmu, Pcma, Vp8, Vp9, H264, H265, Av1, Rtx, Other };

/// The codec an a=rtpmap names, in any letter case.
CodecKind codec_kind(std::string_view encoding_name);

/// A codec as we offer it.
struct Codec {
  sdp::PayloadFormat format;                ///< `payload_type` is the one we would like in offers.
  std::optional<uint8_t> rtx_payload_type;  ///< Retransmissions (RFC 4588), if we want them.
  bool operator==(const Codec&) const = default;
};

/// What we offer by default, in order of preference. Audio: Opus, G722, PCMU, PCMA. Video: VP8, VP9 profile 0, H264
/// (constrained baseline, baseline, main, high), AV1 main. RED and ULPFEC are missing on purpose: a browser that is
/// told of them sends its video wrapped in RED.
std::vector<Codec> default_codecs(sdp::MediaKind kind);
/// H265 main profile (RFC 7798), for those who want it in their preferences.
Codec h265_codec();
/// All formats of one codec that we know, in order of preference: for those who have media of this codec and no other.
std::vector<Codec> codecs_of(packetizer::Codec codec);

/// True if both mean the same format by the rules of its RTP payload format: RFC 6184 §8.2.2 (profile and packetization
/// mode, not level), RFC 7798 §7.2.2, RFC 9628 §6.2, AV1's and Opus's; for the others name, clock and channels. RTX
/// formats never match: they follow their codec.
bool same_format(const sdp::PayloadFormat& a, const sdp::PayloadFormat& b);

/// True if `answered` stands for `offered`: they are the same, or the answer keeps the number of an H264 format and
/// says no profile, by which GStreamer's webrtcbin means the offered one and not RFC 6184's default.
bool answers_format(const sdp::PayloadFormat& offered, const sdp::PayloadFormat& answered);

/// The a=fmtp of an answer: ours, with what is declared per stream (levels) taken from the offer.
std::string answer_parameters(const sdp::PayloadFormat& ours, const sdp::PayloadFormat& offered);

/// The feedback both name, in our order.
std::vector<std::string> common_feedback(const sdp::PayloadFormat& ours, const sdp::PayloadFormat& offered);

/// The payload type of `section` that retransmits `payload_type` (apt, RFC 4588 §8.1).
std::optional<uint8_t> rtx_payload_type(const sdp::MediaDescription& section, uint8_t payload_type);

/// H.264 profile out of profile-level-id (RFC 6184 §8.1, table 5).
enum class H264Profile : uint8_t { ConstrainedBaseline, Baseline, Main, ConstrainedHigh, High, High444Predictive };
std::optional<H264Profile> h264_profile(std::string_view profile_level_id);

using rtp::ExtensionKind;

/// Those we offer and accept for audio or video, with the id we would like in offers.
struct SupportedExtension {
  ExtensionKind kind;
  uint8_t id;
};
std::vector<SupportedExtension> default_extensions(sdp::MediaKind kind);

}  // namespace kaon::peer
