// Compound RTCP packets: every message read, printed, written again, read again.
#include "fuzz/fuzz.h"
#include "kaon/rtcp/message.h"

namespace kaon::rtcp {
namespace {

// The same message as a writer gives it: what was received in blocks is written from a list of them.
template <class M>
std::vector<uint8_t> write(const M& message) {
  std::vector<uint8_t> memory(message.size());
  KAON_ASSERT(message.write(memory) == memory.size());
  return memory;
}
template <>
std::vector<uint8_t> write(const ExtendedReport& message) {
  std::vector<XrBlock> blocks;
  ExtendedReport::Cursor cursor(message);
  while (const auto block = cursor.next()) blocks.push_back(*block);
  const ExtendedReport outgoing{.sender = message.sender, .blocks = {}, .outgoing = blocks};
  std::vector<uint8_t> memory(outgoing.size());
  KAON_ASSERT(outgoing.write(memory) == memory.size());
  return memory;
}
template <>
std::vector<uint8_t> write(const CongestionFeedback& message) {
  std::vector<StreamMetrics> streams;
  CongestionFeedback::Cursor cursor(message);
  while (const auto stream = cursor.next()) streams.push_back(*stream);
  KAON_ASSERT(!cursor.failed());
  CongestionFeedback outgoing{.sender = message.sender, .report_time = message.report_time};
  outgoing.streams = streams;
  std::vector<uint8_t> memory(outgoing.size());
  KAON_ASSERT(outgoing.write(memory) == memory.size());
  return memory;
}

template <class M>
void write_and_read(const M& message) {
  if constexpr (requires(Bytes out) { message.write(out); }) {
    const std::vector<uint8_t> memory = write(message);
    const auto compound = Compound::parse(memory);
    KAON_ASSERT(compound.has_value());
    const auto again = parse_message(*compound->begin());
    KAON_ASSERT(again.has_value());
    KAON_ASSERT(std::holds_alternative<M>(*again));
    KAON_ASSERT(write(std::get<M>(*again)) == memory);
  }
}

void look_at(const TransportFeedback& feedback) {
  TransportFeedback::Cursor cursor(feedback);
  size_t count = 0;
  while (cursor.next()) ++count;
  KAON_ASSERT(!cursor.failed());
  KAON_ASSERT(count == feedback.status_count);
}
template <class M>
void look_at(const M&) {}

}  // namespace

KAON_FUZZ_TARGET(rtcp_compound) {
  const std::vector<uint8_t> bytes = fuzz::copy(input);
  const auto compound = Compound::parse(bytes);
  if (!compound) return;
  for (const PacketView& packet : *compound) {
    const auto message = parse_message(packet);
    if (!message) continue;
    std::visit(
        [](const auto& m) {
          KAON_ASSERT(!m.to_string().empty());
          look_at(m);
          write_and_read(m);
        },
        *message);
  }
}

}  // namespace kaon::rtcp
