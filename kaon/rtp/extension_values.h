// The values of header extensions as types.
#pragma once

#include <compare>
#include <optional>
#include <string_view>

#include "kaon/base/bytes.h"
#include "kaon/base/time.h"
#include "kaon/rtp/extension.h"
#include "kaon/rtp/header.h"

namespace kaon::rtp {

/// Departure time in seconds, 6.18 fixed point; wraps every 64 s. 24 bits.
struct AbsSendTime {
  uint32_t value = 0;
  static AbsSendTime from(Time now);
  /// From `earlier` to this, the shorter way around the circle.
  Duration since(AbsSendTime earlier) const;
  bool operator==(const AbsSendTime&) const = default;
};

/// RFC 6464 §3.
struct AudioLevel {
  bool voice_activity = false;
  uint8_t minus_dbov = 127;  ///< 0 is loudest, 127 silence
  bool operator==(const AudioLevel&) const = default;
};

/// 3GPP TS 26.114 §7.4.5: how the receiver turns the picture.
struct VideoOrientation {
  uint16_t rotation = 0;  ///< clockwise degrees: 0, 90, 180 or 270
  bool flip = false;
  bool back_camera = false;
  bool operator==(const VideoOrientation&) const = default;
};

/// Bounds of the playout delay, in steps of 10 ms; 12 bits each.
struct PlayoutDelay {
  uint16_t min_10ms = 0;
  uint16_t max_10ms = 0;
  Duration min() const { return std::chrono::milliseconds(10 * min_10ms); }
  Duration max() const { return std::chrono::milliseconds(10 * max_10ms); }
  bool operator==(const PlayoutDelay&) const = default;
};

/// When the first sample was captured, by the capturer's wall clock.
struct AbsCaptureTime {
  NtpTime capture_time;
  /// Capturer's clock minus the sender's clock, signed 32.32 seconds.
  std::optional<int64_t> clock_offset;
  bool operator==(const AbsCaptureTime&) const = default;
};

enum class VideoContentType : uint8_t { Unspecified = 0, Screenshare = 1 };

/// Encoder and pacer times of a frame, milliseconds after capture.
struct VideoTiming {
  uint8_t flags = 0;
  uint16_t encode_start_ms = 0, encode_finish_ms = 0, packetization_finish_ms = 0;
  uint16_t pacer_exit_ms = 0, network1_ms = 0, network2_ms = 0;
  bool operator==(const VideoTiming&) const = default;
};

/// Colour description of ITU-T H.273; HDR metadata is carried as raw bytes.
struct ColorSpace {
  uint8_t primaries = 2, transfer = 2, matrix = 2;  // 2: unspecified
  uint8_t range_and_siting = 0;
  bool operator==(const ColorSpace&) const = default;
};

/// Small values that travel with a packet by value.
struct ExtensionValues {
  std::optional<uint16_t> transport_sequence;
  std::optional<AbsSendTime> abs_send_time;
  std::optional<int32_t> transmission_offset;  ///< 24 bits signed, media clock
  std::optional<AudioLevel> audio_level;
  std::optional<VideoOrientation> video_orientation;
  std::optional<PlayoutDelay> playout_delay;
  std::optional<VideoContentType> video_content_type;
  std::optional<AbsCaptureTime> abs_capture_time;
  bool operator==(const ExtensionValues&) const = default;
};

/// All values of one packet. Texts and raw values are borrowed and absent when empty.
struct Extensions : ExtensionValues {
  std::string_view mid;
  std::string_view rid;
  std::string_view repaired_rid;
  ByteView dependency_descriptor;
  ByteView video_layers_allocation;
  ByteView video_timing;
  ByteView color_space;
  ByteView mixer_audio_levels;
  ByteView corruption_detection;
};

/// Everything in the packet that `map` names. Elements with an illegal length are left out.
Extensions parse_extensions(const PacketView& packet, const ExtensionMap& map);

/// Codecs of single values; nothing if the size or content is illegal.
std::optional<VideoTiming> parse_video_timing(ByteView value);
std::optional<ColorSpace> parse_color_space(ByteView value);
inline constexpr size_t kVideoTimingSize = 13;
inline constexpr size_t kColorSpaceSize = 4;
void write(const VideoTiming& timing, std::span<uint8_t, kVideoTimingSize> out);
void write(const ColorSpace& color, std::span<uint8_t, kColorSpaceSize> out);

/// What a sender writes before the payload.
struct OutgoingHeader {
  Header header;
  Extensions extensions;
  /// Sets the padding flag; the padding itself, whose last byte is its size, stands after the payload.
  bool has_padding = false;
};

/// Bytes that write_header() will write; values without a negotiated id cost nothing.
size_t header_size(const OutgoingHeader& out, const ExtensionMap& map);
/// Writes header and extension block, one-byte form if all fits into it. `memory` must hold header_size() (asserted).
size_t write_header(const OutgoingHeader& out, const ExtensionMap& map, Bytes memory);

}  // namespace kaon::rtp
