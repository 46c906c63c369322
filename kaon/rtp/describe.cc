#include "kaon/rtp/describe.h"

#include "kaon/rtp/extension.h"
#include "kaon/rtp/header.h"

namespace kaon::rtp {
namespace {

void describe_error(ParseError error, ByteView packet, Outline& out) {
  const ByteView end = packet.subspan(packet.size());
  switch (error) {
    case ParseError::Version: return out.problem(packet, cat("RTP version 2, found ", packet[0] >> 6));
    case ParseError::CsrcsPastEnd: return out.problem(end, cat(packet[0] & 15, " contributing sources before the end"));
    case ParseError::ExtensionPastEnd: {
      const size_t at = kFixedHeaderSize + size_t{4} * (packet[0] & 15);
      if (packet.size() < at + 4) return out.problem(end, "an extension header of 4 bytes");
      return out.problem(packet.subspan(at + 2), cat("extensions of at most ", (packet.size() - at - 4) / 4,
                                                     " words, found ", load_be16(&packet[at + 2])));
    }
    case ParseError::Padding: return out.problem(packet.last(1), "a padding count that fits");
    default: return out.problem(end, cat("an RTP header of ", kFixedHeaderSize, " bytes"));
  }
}

}  // namespace

void describe(ByteView packet, Outline& out) {
  const auto view = PacketView::parse_encrypted(packet);
  if (!view) {
    out.line("RTP");
    const auto deeper = out.deeper();
    return describe_error(view.error(), packet, out);
  }
  out.line("RTP ", view->header, ", payload ", view->payload.size(), " bytes",
           (packet[0] & 0x20) != 0 ? " with padding" : "");
  const auto deeper = out.deeper();
  for (const Ssrc csrc : view->header.csrcs) out.line("csrc ", csrc.value());
  for (const ExtensionElement& element : ExtensionElements(view->extension_profile, view->extension))
    out.line("extension ", static_cast<int>(element.id), " ", short_hex(element.value));
}

}  // namespace kaon::rtp
