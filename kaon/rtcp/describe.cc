#include "kaon/rtcp/describe.h"

#include "kaon/rtcp/message.h"

namespace kaon::rtcp {
namespace {

const List<ReportBlock>* reports_of(const Message& message) {
  if (const auto* sender = std::get_if<SenderReport>(&message)) return &sender->reports;
  if (const auto* receiver = std::get_if<ReceiverReport>(&message)) return &receiver->reports;
  return nullptr;
}

}  // namespace

void describe(ByteView compound, Outline& out) {
  out.line("RTCP");
  const auto deeper = out.deeper();
  for (ByteView rest = compound; !rest.empty();) {
    if (rest.size() < kHeaderSize) return out.problem(rest.last(0), cat("an RTCP header of ", kHeaderSize, " bytes"));
    if (rest[0] >> 6 != 2) return out.problem(rest, cat("RTCP version 2, found ", rest[0] >> 6));
    const size_t size = kHeaderSize + size_t{4} * load_be16(&rest[2]);
    if (size > rest.size())
      return out.problem(rest.subspan(2),
                         cat("a length of at most ", rest.size() / 4 - 1, " words, found ", size / 4 - 1));
    const ByteView packet = rest.first(size);
    const auto one = Compound::parse(packet);
    if (!one) return out.problem(packet.last(1), "a padding count that fits");
    const auto message = parse_message(*one->begin());
    if (!message) {
      out.problem(packet.subspan(kHeaderSize), cat("fields of packet type ", static_cast<int>(packet[1])));
    } else {
      std::visit([&](const auto& typed) { out.line(typed); }, *message);
      const auto below = out.deeper();
      if (const auto* reports = reports_of(*message)) {
        for (const ReportBlock& block : *reports) out.line("about ", block);
      }
    }
    rest = rest.subspan(size);
  }
}

}  // namespace kaon::rtcp
