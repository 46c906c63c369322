#include "kaon/rtcp/transport_feedback.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kaon/base/text.h"
#include "kaon/rtcp/internal/feedback_head.h"

namespace kaon::rtcp {
namespace {

constexpr int64_t kTicksPerReference = 256;  // 64 ms in steps of 250 us
constexpr std::chrono::nanoseconds kTick = std::chrono::microseconds(250);
constexpr size_t kFixedSize = kHeaderSize + 16;
constexpr size_t kMaxRun = 0x1fff;

enum Symbol : uint8_t { kNotReceived = 0, kSmallDelta = 1, kLargeDelta = 2 };

/// Gathers symbols into chunks, each of the kind that holds most of them.
class ChunkEncoder {
 public:
  /// Calls emit(uint16_t chunk) for each chunk that is complete.
  template <class Emit>
  void add(Symbol symbol, Emit emit) {
    while (!fits(symbol)) emit(take(false));
    if (count_ < symbols_.size()) symbols_[count_] = symbol;
    ++count_;
    all_same_ = all_same_ && symbols_[0] == symbol;
    has_large_ = has_large_ || symbol == kLargeDelta;
  }
  template <class Emit>
  void flush(Emit emit) {
    if (count_ != 0) emit(take(true));
  }
  bool empty() const { return count_ == 0; }

 private:
  static constexpr size_t kOneBit = 14;
  static constexpr size_t kTwoBit = 7;

  bool fits(Symbol symbol) const {
    if (count_ < kTwoBit) return true;
    if (count_ < kOneBit && !has_large_ && symbol != kLargeDelta) return true;
    return count_ < kMaxRun && all_same_ && symbols_[0] == symbol;
  }

  // draft §3.1.3 and §3.1.4
  //  run:     | 0 | S (2) | run length (13) |
  //  vector:  | 1 | 0 | 14 symbols of one bit |   | 1 | 1 | 7 symbols of two bits |
  uint16_t take(bool last) {
    if (all_same_) {
      const auto chunk = static_cast<uint16_t>((symbols_[0] << 13) | count_);
      *this = {};
      return chunk;
    }
    // Only the last vector may be shorter than its kind.
    const bool one_bit = !has_large_ && (last || count_ == kOneBit);
    const size_t taken = std::min(count_, one_bit ? kOneBit : kTwoBit);
    uint32_t chunk = one_bit ? 0x8000u : 0xc000u;
    for (size_t i = 0; i < taken; ++i) {
      chunk |= one_bit ? uint32_t{symbols_[i]} << (13 - i) : uint32_t{symbols_[i]} << (2 * (6 - i));
    }
    keep_from(taken);
    return static_cast<uint16_t>(chunk);
  }

  void keep_from(size_t taken) {
    const ChunkEncoder old = std::exchange(*this, {});
    for (size_t i = taken; i < old.count_; ++i) add(static_cast<Symbol>(old.symbols_[i]), [](uint16_t) {});
  }

  std::array<uint8_t, kOneBit> symbols_{};
  size_t count_ = 0;
  bool all_same_ = true;
  bool has_large_ = false;
};

int64_t ticks_of(Time time) { return time.time_since_epoch() / kTick; }

/// Gives a symbol for every packet from the first sequence number to each arrival, and the steps between arrivals.
class ReportPlan {
 public:
  ReportPlan(int64_t first_sequence, const PacketArrival& first)
      : next_(first_sequence), ticks_(ticks_of(first.time) / kTicksPerReference * kTicksPerReference) {}

  /// False, and nothing emitted, if this arrival cannot be in the same report.
  template <class Emit>
  bool add(const PacketArrival& arrival, Emit emit) {
    delta_ = ticks_of(arrival.time) - ticks_;
    if (delta_ < INT16_MIN || delta_ > INT16_MAX || arrival.sequence < next_) return false;
    for (; next_ < arrival.sequence; ++next_) encoder_.add(kNotReceived, emit);
    encoder_.add(delta_is_small() ? kSmallDelta : kLargeDelta, emit);
    ++next_;
    ticks_ += delta_;
    return true;
  }
  ChunkEncoder& encoder() { return encoder_; }
  int64_t delta() const { return delta_; }
  bool delta_is_small() const { return delta_ >= 0 && delta_ <= UINT8_MAX; }
  int64_t next_sequence() const { return next_; }

 private:
  ChunkEncoder encoder_;
  int64_t next_;
  int64_t ticks_;
  int64_t delta_ = 0;
};

struct Extent {
  size_t arrivals = 0;
  size_t statuses = 0;
  size_t chunks = 0;
  size_t delta_bytes = 0;
  size_t size() const { return (kFixedSize + 2 * chunks + delta_bytes + 3) / 4 * 4; }
};

/// How many of the arrivals fit into `limit` bytes.
Extent measure(int64_t first_sequence, std::span<const PacketArrival> arrivals, size_t limit) {
  ReportPlan plan(first_sequence, arrivals.front());
  Extent fitting;
  size_t full_chunks = 0;
  for (const PacketArrival& arrival : arrivals) {
    if (arrival.sequence - first_sequence >= UINT16_MAX) break;
    if (!plan.add(arrival, [&](uint16_t) { ++full_chunks; })) break;
    Extent next;
    next.arrivals = fitting.arrivals + 1;
    next.statuses = static_cast<size_t>(plan.next_sequence() - first_sequence);
    next.chunks = full_chunks + (plan.encoder().empty() ? 0 : 1);
    next.delta_bytes = fitting.delta_bytes + (plan.delta_is_small() ? 1 : 2);
    if (next.size() > limit) break;
    fitting = next;
  }
  return fitting;
}

}  // namespace

// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1
//  |      base sequence number     |      packet status count      |
//  |                 reference time                | fb pkt. count |
//  |          packet chunk         |         packet chunk          |  …
//  |         packet chunk          |  recv delta   |  recv delta   |  …
std::optional<TransportFeedback> TransportFeedback::parse(const PacketView& packet) {
  if (!packet.is(PacketType::TransportLayerFeedback, static_cast<uint8_t>(TransportFormat::TransportWide))) {
    return std::nullopt;
  }
  Reader reader(packet.body);
  TransportFeedback feedback;
  feedback.head = internal::read_head(reader);
  feedback.base_sequence = SequenceNumber(reader.u16());
  feedback.status_count = reader.u16();
  feedback.reference_time = static_cast<int32_t>(reader.u24() << 8) >> 8;
  feedback.feedback_count = reader.u8();
  feedback.chunks_and_deltas = reader.rest();
  if (!reader.ok() || feedback.status_count == 0) return std::nullopt;
  Cursor cursor(feedback);
  while (cursor.next()) {
  }
  if (cursor.failed()) return std::nullopt;
  return feedback;
}

std::string TransportFeedback::to_string() const {
  return cat("TWCC media=", head.media.value(), " base=", base_sequence.value(), " count=", status_count,
             " reference=", reference_time, " fb=", int{feedback_count});
}

TransportFeedback::Cursor::Cursor(const TransportFeedback& feedback)
    : chunks_(feedback.chunks_and_deltas),
      sequence_(feedback.base_sequence),
      left_(feedback.status_count),
      ticks_(int64_t{feedback.reference_time} * kTicksPerReference) {
  failed_ = !find_deltas();
}

/// The deltas start behind the chunk that completes the count.
bool TransportFeedback::Cursor::find_deltas() {
  size_t covered = 0;
  size_t position = 0;
  while (covered < left_) {
    if (chunks_.size() - position < 2) return false;
    const uint16_t chunk = load_be16(&chunks_[position]);
    covered += (chunk & 0x8000) == 0 ? chunk & 0x1fffu : (chunk & 0x4000) == 0 ? 14u : 7u;
    position += 2;
  }
  deltas_ = chunks_.subspan(position);
  chunks_ = chunks_.first(position);
  return true;
}

uint8_t TransportFeedback::Cursor::next_symbol() {
  while (chunk_left_ == 0) {  // runs of length zero are legal and empty
    const uint16_t chunk = load_be16(chunks_.data());
    chunks_ = chunks_.subspan(2);
    if ((chunk & 0x8000) == 0) {
      chunk_bits_ = 0;
      chunk_ = (chunk >> 13) & 3;
      chunk_left_ = chunk & 0x1fff;
    } else {
      chunk_bits_ = (chunk & 0x4000) == 0 ? 1 : 2;
      chunk_ = chunk & 0x3fff;
      chunk_left_ = 14u / chunk_bits_;
    }
  }
  --chunk_left_;
  if (chunk_bits_ == 0) return static_cast<uint8_t>(chunk_);
  return static_cast<uint8_t>((chunk_ >> (chunk_left_ * chunk_bits_)) & ((1u << chunk_bits_) - 1));
}

std::optional<PacketStatus> TransportFeedback::Cursor::next() {
  if (failed_ || left_ == 0) return std::nullopt;
  PacketStatus status{.sequence = sequence_, .arrival = {}};
  const uint8_t symbol = next_symbol();
  if (symbol > kLargeDelta) return fail();
  if (symbol != kNotReceived) {
    const size_t bytes = symbol == kSmallDelta ? 1 : 2;
    if (deltas_.size() < bytes) return fail();
    ticks_ += bytes == 1 ? int64_t{deltas_[0]} : int64_t{static_cast<int16_t>(load_be16(deltas_.data()))};
    deltas_ = deltas_.subspan(bytes);
    status.arrival = ticks_ * kTick;
  }
  ++sequence_;
  --left_;
  return status;
}

WrittenFeedback write_transport_feedback(FeedbackHead head, uint8_t feedback_count,
                                         std::span<const PacketArrival> arrivals, Bytes out,
                                         std::optional<int64_t> first_sequence) {
  if (arrivals.empty()) return {};
  const int64_t base = std::min(first_sequence.value_or(arrivals.front().sequence), arrivals.front().sequence);
  const Extent extent = measure(base, arrivals, out.size());
  if (extent.arrivals == 0) return {};
  const auto reported = arrivals.first(extent.arrivals);

  Writer writer(out);
  internal::write_head(writer, PacketType::TransportLayerFeedback, static_cast<uint8_t>(TransportFormat::TransportWide),
                       extent.size(), head);
  writer.u16(static_cast<uint16_t>(base));
  writer.u16(static_cast<uint16_t>(extent.statuses));
  writer.u24(static_cast<uint32_t>(ticks_of(reported.front().time) / kTicksPerReference) & 0xffffff);
  writer.u8(feedback_count);
  Writer chunks(writer.reserve(2 * extent.chunks));
  const auto emit = [&](uint16_t chunk) { chunks.u16(chunk); };
  ReportPlan plan(base, reported.front());
  for (const PacketArrival& arrival : reported) {
    plan.add(arrival, emit);
    if (plan.delta_is_small()) {
      writer.u8(static_cast<uint8_t>(plan.delta()));
    } else {
      writer.u16(static_cast<uint16_t>(plan.delta()));
    }
  }
  plan.encoder().flush(emit);
  write_padding(writer, out, extent.size());
  return {.size = writer.size(), .arrivals = extent.arrivals};
}

}  // namespace kaon::rtcp
