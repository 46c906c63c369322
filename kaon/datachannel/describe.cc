#include "kaon/datachannel/describe.h"

#include "kaon/datachannel/internal/dcep.h"

namespace kaon::datachannel {
namespace {

void describe_dcep(ByteView payload, Outline& out) {
  if (!payload.empty() && payload[0] == static_cast<uint8_t>(DcepType::Ack)) return out.line("DCEP ACK");
  const auto open = DcepOpen::parse(payload);
  if (!open) return out.problem(payload, "a DCEP OPEN or ACK");
  std::string reliability = "reliable";
  if (open->type == ChannelType::PartialRetransmits)
    reliability = cat("at most ", open->reliability, " retransmissions");
  if (open->type == ChannelType::PartialLifetime) reliability = cat("at most ", open->reliability, " ms");
  out.line("DCEP OPEN label ", quoted(as_bytes(open->label)), ", protocol ", quoted(as_bytes(open->protocol)), ", ",
           open->unordered ? "unordered" : "ordered", ", ", reliability, ", priority ", open->priority);
}

}  // namespace

void describe(sctp::Ppid ppid, ByteView payload, bool whole, Outline& out) {
  switch (static_cast<PpidValue>(ppid.value())) {
    case PpidValue::Dcep:
      if (whole) return describe_dcep(payload, out);
      break;
    case PpidValue::String:
    case PpidValue::StringPartial: return out.line("text ", quoted(payload));
    case PpidValue::StringEmpty: return out.line("empty text");
    case PpidValue::BinaryEmpty: return out.line("empty bytes");
    default: break;
  }
  out.line("bytes ", short_hex(payload));
}

}  // namespace kaon::datachannel
