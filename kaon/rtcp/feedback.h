// Feedback messages with fixed items: NACK, key frame requests, bandwidth limits. RFC 4585, RFC 5104, RFC 9627.
#pragma once

#include <optional>
#include <string>

#include "kaon/base/units.h"
#include "kaon/rtcp/list.h"
#include "kaon/rtcp/packet.h"
#include "kaon/rtcp/source.h"

namespace kaon::rtcp {

/// IANA "FMT Values for RTPFB Payload Types".
enum class TransportFormat : uint8_t {
  Nack = 1,
  Tmmbr = 3,
  Tmmbn = 4,
  RapidResync = 5,
  CongestionControl = 11,
  TransportWide = 15,
};
/// IANA "FMT Values for PSFB Payload Types".
enum class PayloadFormat : uint8_t {
  PictureLoss = 1,
  SliceLoss = 2,
  ReferencePicture = 3,
  FullIntra = 4,
  LayerRefresh = 10,
  Application = 15,
};

/// Sender of the feedback and the media source it is about.
struct FeedbackHead {
  Ssrc sender;
  Ssrc media;
  bool operator==(const FeedbackHead&) const = default;
};

/// A lost packet and a bitmask of the sixteen after it. RFC 4585 §6.2.1.
struct NackItem {
  static constexpr size_t kSize = 4;
  SequenceNumber first;
  uint16_t following = 0;  ///< bit i: first + 1 + i is lost too
  static NackItem read(const uint8_t* p) { return {SequenceNumber(load_be16(p)), load_be16(p + 2)}; }
  void write(Writer& writer) const;
  bool operator==(const NackItem&) const = default;
};

struct Nack {
  static constexpr PacketType kType = PacketType::TransportLayerFeedback;
  static constexpr auto kFormat = static_cast<uint8_t>(TransportFormat::Nack);
  FeedbackHead head;
  List<NackItem> items;

  static std::optional<Nack> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 8 + items.bytes(); }
  size_t write(Bytes out) const;
  std::string to_string() const;

  /// Calls f(SequenceNumber) for each lost packet.
  template <class F>
  void for_each(F f) const {
    for (const NackItem& item : items) {
      f(item.first);
      for (uint16_t i = 0; i < 16; ++i) {
        if ((item.following >> i & 1) != 0) f(item.first + static_cast<uint16_t>(i + 1));
      }
    }
  }
};

/// Packs lost packets, given in ascending order, into items; returns how many items it filled. Stops when `out` is
/// full.
size_t pack_nack_items(std::span<const SequenceNumber> lost, std::span<NackItem> out);

/// RFC 4585 §6.3.1.
struct PictureLossIndication {
  static constexpr PacketType kType = PacketType::PayloadSpecificFeedback;
  static constexpr auto kFormat = static_cast<uint8_t>(PayloadFormat::PictureLoss);
  FeedbackHead head;
  static std::optional<PictureLossIndication> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 8; }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

/// RFC 6051 §3.2: please send a sender report at once.
struct RapidResyncRequest {
  static constexpr PacketType kType = PacketType::TransportLayerFeedback;
  static constexpr auto kFormat = static_cast<uint8_t>(TransportFormat::RapidResync);
  FeedbackHead head;
  static std::optional<RapidResyncRequest> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 8; }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

/// RFC 4585 §6.3.2.
struct SliceLossItem {
  static constexpr size_t kSize = 4;
  uint16_t first = 0;      ///< macroblock, 13 bits
  uint16_t number = 0;     ///< of macroblocks, 13 bits
  uint8_t picture_id = 0;  ///< 6 bits
  static SliceLossItem read(const uint8_t* p);
  void write(Writer& writer) const;
  bool operator==(const SliceLossItem&) const = default;
};
struct SliceLossIndication {
  static constexpr PacketType kType = PacketType::PayloadSpecificFeedback;
  static constexpr auto kFormat = static_cast<uint8_t>(PayloadFormat::SliceLoss);
  FeedbackHead head;
  List<SliceLossItem> items;
  static std::optional<SliceLossIndication> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 8 + items.bytes(); }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

/// RFC 4585 §6.3.3. `bits` is codec-defined, padded on the wire to whole words.
struct ReferencePictureSelection {
  static constexpr PacketType kType = PacketType::PayloadSpecificFeedback;
  static constexpr auto kFormat = static_cast<uint8_t>(PayloadFormat::ReferencePicture);
  FeedbackHead head;
  uint8_t payload_type = 0;
  ByteView bits;  ///< whole bytes
  static std::optional<ReferencePictureSelection> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 8 + (2 + bits.size() + 3) / 4 * 4; }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

/// RFC 5104 §4.3.1. The media source stands in the items; the head's is zero.
struct FullIntraItem {
  static constexpr size_t kSize = 8;
  Ssrc media;
  uint8_t sequence = 0;  ///< counts commands; a repeat keeps it
  static FullIntraItem read(const uint8_t* p) { return {Ssrc(load_be32(p)), p[4]}; }
  void write(Writer& writer) const;
  bool operator==(const FullIntraItem&) const = default;
};
struct FullIntraRequest {
  static constexpr PacketType kType = PacketType::PayloadSpecificFeedback;
  static constexpr auto kFormat = static_cast<uint8_t>(PayloadFormat::FullIntra);
  FeedbackHead head;
  List<FullIntraItem> items;
  static std::optional<FullIntraRequest> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 8 + items.bytes(); }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

/// RFC 5104 §4.2.1: limit and measured overhead of a stream.
struct BitrateItem {
  static constexpr size_t kSize = 8;
  Ssrc media;
  DataRate limit;         ///< written rounded up to 17 bits of mantissa
  uint16_t overhead = 0;  ///< bytes per packet, 9 bits
  static BitrateItem read(const uint8_t* p);
  void write(Writer& writer) const;
  bool operator==(const BitrateItem&) const = default;
};
/// TMMBR, or TMMBN with `notification`.
struct MaxBitrateRequest {
  FeedbackHead head;
  bool notification = false;
  List<BitrateItem> items;
  static std::optional<MaxBitrateRequest> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 8 + items.bytes(); }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

/// RFC 9627 §3: refresh up to a target layer.
struct LayerRefreshItem {
  static constexpr size_t kSize = 12;
  Ssrc media;
  uint8_t sequence = 0;
  bool has_current = false;  ///< C: the current layer is filled in
  uint8_t payload_type = 0;
  uint8_t target_temporal = 0, target_layer = 0;
  uint8_t current_temporal = 0, current_layer = 0;
  static LayerRefreshItem read(const uint8_t* p);
  void write(Writer& writer) const;
  bool operator==(const LayerRefreshItem&) const = default;
};
struct LayerRefreshRequest {
  static constexpr PacketType kType = PacketType::PayloadSpecificFeedback;
  static constexpr auto kFormat = static_cast<uint8_t>(PayloadFormat::LayerRefresh);
  FeedbackHead head;
  List<LayerRefreshItem> items;
  static std::optional<LayerRefreshRequest> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 8 + items.bytes(); }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

/// Receiver estimated maximum bitrate, draft-alvestrand-rmcat-remb-03 §2.2.
struct ReceiverEstimatedMaxBitrate {
  Ssrc sender;
  DataRate bitrate;        ///< written rounded down to 18 bits of mantissa
  List<SsrcItem> sources;  ///< at most 255
  static std::optional<ReceiverEstimatedMaxBitrate> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 16 + sources.bytes(); }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

}  // namespace kaon::rtcp
