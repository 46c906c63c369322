// Header extensions: their URIs, the negotiated ids, and the elements in a packet. RFC 8285.
#pragma once

#include <array>
#include <iterator>
#include <optional>
#include <string_view>

#include "kaon/base/bytes.h"
#include "kaon/base/result.h"

namespace kaon::rtp {

/// Every extension we know. The order is ours; the ids in packets are negotiated.
enum class ExtensionKind : uint8_t {
  Mid,                  ///< RFC 9143 §14
  RtpStreamId,          ///< RFC 8852 §4.1
  RepairedRtpStreamId,  ///< RFC 8852 §4.2
  AudioLevel,           ///< RFC 6464
  MixerAudioLevels,     ///< RFC 6465
  TransmissionOffset,   ///< RFC 5450
  AbsSendTime,          ///< draft-alvestrand-rmcat-remb-03 §2.1 names it; 24 bits of seconds, 6.18
  TransportSequence,    ///< draft-holmer-rmcat-transport-wide-cc-extensions-01
  TransportSequenceV2,  ///< the same with an optional request for feedback
  AbsCaptureTime,
  PlayoutDelay,
  VideoOrientation,  ///< 3GPP TS 26.114 §7.4.5
  VideoContentType,
  VideoTiming,
  ColorSpace,
  DependencyDescriptor,  ///< AV1 RTP payload specification, appendix A
  VideoLayersAllocation,
  GenericFrameDescriptor,
  FrameMarking,  ///< RFC 9626
  CorruptionDetection,
  Count,
};
inline constexpr size_t kExtensionKinds = static_cast<size_t>(ExtensionKind::Count);

std::string_view uri_of(ExtensionKind kind);
/// Nothing for an URI we do not know.
std::optional<ExtensionKind> extension_of(std::string_view uri);

enum class MapError : uint8_t { IdOutOfRange, IdInUse, KindInUse };

/// The negotiated ids of one direction of one session.
class ExtensionMap {
 public:
  /// Ids are 1 to 255, 15 excluded: it stops the one-byte form. An id or kind may be set once.
  Result<void, MapError> add(uint8_t id, ExtensionKind kind);
  void remove(ExtensionKind kind) { ids_[static_cast<size_t>(kind)] = 0; }

  /// Zero if not negotiated.
  uint8_t id_of(ExtensionKind kind) const { return ids_[static_cast<size_t>(kind)]; }
  bool has(ExtensionKind kind) const { return id_of(kind) != 0; }
  std::optional<ExtensionKind> kind_of(uint8_t id) const;
  /// True if an id above 14 is in use, which only the two-byte form can write.
  bool needs_two_byte() const;

  /// a=extmap-allow-mixed: each packet takes the form it needs. Without it all packets of a stream have one form, and
  /// values that do not fit into it are left out.
  bool allow_mixed = true;

  bool operator==(const ExtensionMap&) const = default;

 private:
  std::array<uint8_t, kExtensionKinds> ids_{};
};

/// One element of an extension block.
struct ExtensionElement {
  uint8_t id = 0;
  ByteView value;
};

inline constexpr uint16_t kOneByteProfile = 0xbede;
inline constexpr uint16_t kTwoByteProfile = 0x1000;  ///< the low four bits are "appbits"
inline bool is_one_byte_profile(uint16_t profile) { return profile == kOneByteProfile; }
inline bool is_two_byte_profile(uint16_t profile) { return (profile & 0xfff0) == kTwoByteProfile; }

/// The elements of a block, in order; stops at the first illegal one. Blocks of other profiles have none.
class ExtensionElements {
 public:
  class Iterator {
   public:
    using value_type = ExtensionElement;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Iterator(ByteView rest, bool two_byte) : rest_(rest), two_byte_(two_byte) { advance(); }
    const ExtensionElement& operator*() const { return element_; }
    const ExtensionElement* operator->() const { return &element_; }
    Iterator& operator++() { return advance(), *this; }
    void operator++(int) { advance(); }
    bool operator==(std::default_sentinel_t) const { return element_.id == 0; }

   private:
    void advance();
    ExtensionElement element_;
    ByteView rest_;
    bool two_byte_ = false;
  };

  ExtensionElements(uint16_t profile, ByteView block)
      : block_(is_one_byte_profile(profile) || is_two_byte_profile(profile) ? block : ByteView{}),
        two_byte_(is_two_byte_profile(profile)) {}
  Iterator begin() const { return Iterator(block_, two_byte_); }
  std::default_sentinel_t end() const { return {}; }
  /// The value of the first element with this id.
  std::optional<ByteView> find(uint8_t id) const;

 private:
  ByteView block_;
  bool two_byte_;
};

}  // namespace kaon::rtp
