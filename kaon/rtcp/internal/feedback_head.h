// What all feedback messages start with. RFC 4585 §6.1.
#pragma once

#include "kaon/base/reader.h"
#include "kaon/rtcp/feedback.h"

namespace kaon::rtcp::internal {

inline FeedbackHead read_head(Reader& reader) {
  const Ssrc sender(reader.u32());
  return {.sender = sender, .media = Ssrc(reader.u32())};
}

inline void write_head(Writer& writer, PacketType type, uint8_t format, size_t size, const FeedbackHead& head) {
  write_header(writer, type, format, size);
  writer.u32(head.sender.value());
  writer.u32(head.media.value());
}

}  // namespace kaon::rtcp::internal
