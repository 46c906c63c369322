#include "kaon/rtp/extension.h"

#include <algorithm>

namespace kaon::rtp {
namespace {

constexpr std::array<std::string_view, kExtensionKinds> kUris = {
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:ietf:params:rtp-hdrext:csrc-audio-level",
    "urn:ietf:params:rtp-hdrext:toffset",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "urn:3gpp:video-orientation",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
    "http://www.webrtc.org/experiments/rtp-hdrext/generic-frame-descriptor-00",
    "urn:ietf:params:rtp-hdrext:framemarking",
    "http://www.webrtc.org/experiments/rtp-hdrext/corruption-detection",
};

}  // namespace

std::string_view uri_of(ExtensionKind kind) { return kUris[static_cast<size_t>(kind)]; }

std::optional<ExtensionKind> extension_of(std::string_view uri) {
  const auto it = std::ranges::find(kUris, uri);
  if (it == kUris.end()) return std::nullopt;
  return static_cast<ExtensionKind>(it - kUris.begin());
}

Result<void, MapError> ExtensionMap::add(uint8_t id, ExtensionKind kind) {
  if (id == 0 || id == 15) return fail(MapError::IdOutOfRange);
  if (has(kind)) return fail(MapError::KindInUse);
  if (kind_of(id)) return fail(MapError::IdInUse);
  ids_[static_cast<size_t>(kind)] = id;
  return {};
}

std::optional<ExtensionKind> ExtensionMap::kind_of(uint8_t id) const {
  if (id == 0) return std::nullopt;
  const auto it = std::ranges::find(ids_, id);
  if (it == ids_.end()) return std::nullopt;
  return static_cast<ExtensionKind>(it - ids_.begin());
}

bool ExtensionMap::needs_two_byte() const {
  return std::ranges::any_of(ids_, [](uint8_t id) { return id > 14; });
}

// RFC 8285 §4.2 and §4.3
//   one byte:  | id (4) | length-1 (4) | value ...
//   two bytes: | id (8) | length (8)   | value ...
// Bytes of zero between elements are padding.
void ExtensionElements::Iterator::advance() {
  element_ = {};
  const size_t head = two_byte_ ? 2 : 1;
  while (!rest_.empty() && rest_[0] == 0) rest_ = rest_.subspan(1);
  if (rest_.size() < head) return;
  const uint8_t id = two_byte_ ? rest_[0] : rest_[0] >> 4;
  const size_t size = two_byte_ ? rest_[1] : (rest_[0] & 0x0f) + size_t{1};
  // One-byte form: 15 ends the processing, and so does a zero id with a length, both by §4.2.
  if (id == 0 || (!two_byte_ && id == 15) || rest_.size() - head < size) {
    rest_ = {};
    return;
  }
  element_ = {id, rest_.subspan(head, size)};
  rest_ = rest_.subspan(head + size);
}

std::optional<ByteView> ExtensionElements::find(uint8_t id) const {
  for (const ExtensionElement& element : *this) {
    if (element.id == id && id != 0) return element.value;
  }
  return std::nullopt;
}

}  // namespace kaon::rtp
