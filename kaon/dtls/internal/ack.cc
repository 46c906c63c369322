#include "kaon/dtls/internal/ack.h"

#include <algorithm>
#include <tuple>

#include "kaon/base/reader.h"
#include "kaon/base/writer.h"

namespace kaon::dtls {

namespace {

// A list of epoch and sequence number, 8 bytes each, behind a length of 2 bytes.
constexpr size_t kLengthSize = 2;
constexpr size_t kEntrySize = 16;

}  // namespace

void ReceivedRecords::add(RecordNumber number) {
  if (std::ranges::find(numbers_, number) != numbers_.end()) return;
  if (numbers_.size() == kMax) numbers_.erase(numbers_.begin());
  numbers_.push_back(number);
}

size_t ReceivedRecords::write(Bytes out) const {
  if (out.size() < kLengthSize + kEntrySize) return 0;
  const size_t count = std::min(numbers_.size(), (out.size() - kLengthSize) / kEntrySize);
  std::vector<RecordNumber> newest(numbers_.end() - static_cast<ptrdiff_t>(count), numbers_.end());
  std::ranges::sort(newest, {}, [](const RecordNumber& n) { return std::tuple(n.epoch, n.sequence); });
  Writer writer(out);
  writer.u16(static_cast<uint16_t>(count * kEntrySize));
  for (const RecordNumber& number : newest) {
    writer.u64(number.epoch);
    writer.u64(number.sequence);
  }
  return writer.size();
}

std::optional<std::vector<RecordNumber>> parse_ack(ByteView body) {
  Reader reader(body);
  const ByteView list = reader.vector16();
  if (!reader.ok() || !reader.at_end() || list.size() % kEntrySize != 0) return std::nullopt;
  std::vector<RecordNumber> numbers;
  Reader entries(list);
  while (!entries.at_end()) {
    const uint64_t epoch = entries.u64();
    numbers.push_back({epoch, entries.u64()});
  }
  return numbers;
}

}  // namespace kaon::dtls
