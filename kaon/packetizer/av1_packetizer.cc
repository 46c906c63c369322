#include "kaon/packetizer/av1.h"
#include "kaon/packetizer/internal/leb128.h"
#include "kaon/packetizer/internal/split.h"

namespace kaon::packetizer {
namespace {

using internal::leb128_size;

/// One element of a packet: a part of an OBU and how many bytes its length takes (0: none).
struct Element {
  size_t obu;
  size_t offset;
  size_t size;
  size_t length_size;
};

/// Lays OBUs out into packets of at most `size` bytes; every packet but the last is exactly as large, if possible.
class Layout {
 public:
  // W counts up to three; more elements than that need a length each. Nobody aggregates that many in practice, and a
  // bound keeps this on the stack.
  static constexpr size_t kMaxElements = 16;

  Layout(const std::vector<Obu>& obus, size_t size, const Limits& limits) : obus_(obus), size_(size), limits_(limits) {
    for (const Obu& obu : obus) left_ += obu.size();
  }

  bool done() const { return left_ == 0; }

  /// The elements of the next packet.
  std::span<const Element> next() {
    count_ = 0;
    const size_t capacity = size_ - 1 - (first_ ? limits_.first_reduction : 0);
    first_ = false;
    if (!take_rest(capacity - limits_.last_reduction)) fill(capacity);
    return std::span(elements_).first(count_);
  }
  /// Of the packet next() gave.
  bool continues() const { return offset_ != 0; }

 private:
  /// Everything that is left, if it fits.
  bool take_rest(size_t capacity) {
    const size_t obus_left = obus_.size() - obu_;
    if (obus_left > kMaxElements || left_ > capacity) return false;
    size_t need = left_;
    for (size_t i = obu_; i < obus_.size(); ++i) {
      const bool without_length = i + 1 == obus_.size() && obus_left <= 3;
      if (!without_length) need += leb128_size(obus_[i].size() - (i == obu_ ? offset_ : 0));
    }
    if (need > capacity) return false;
    while (obu_ < obus_.size()) {
      const size_t size = obus_[obu_].size() - offset_;
      const bool without_length = obu_ + 1 == obus_.size() && obus_left <= 3;
      take(size, without_length ? 0 : leb128_size(size));
    }
    return true;
  }

  /// Fills the packet and leaves at least a byte of the OBU it ends in, so that the next packet starts with a
  /// continuation.
  void fill(size_t capacity) {
    while (true) {
      const size_t size = obus_[obu_].size() - offset_;
      const size_t length = leb128_size(size);
      const bool last_slot = count_ + 1 == kMaxElements;
      const bool more = obu_ + 1 < obus_.size();
      if (more && !last_slot && size + length + 3 <= capacity) {
        take(size, length);
        capacity -= size + length;
        continue;
      }
      end_packet(size, capacity);
      return;
    }
  }

  /// The last element of a packet that is not the last: a part of the OBU with `size` bytes left.
  void end_packet(size_t size, size_t capacity) {
    if (count_ < 3 && size > capacity) return take(capacity, 0);
    if (size == 1) return take(1, 1);  // cannot be cut: the next packet starts with a new OBU
    // All elements have a length now; that of this one is stretched to fill the packet.
    size_t part = std::min(size - 1, capacity - 1);
    while (part + leb128_size(part) > capacity) --part;
    take(part, std::min(capacity - part, internal::kMaxLeb128Size));
  }

  void take(size_t size, size_t length_size) {
    elements_[count_++] = {obu_, offset_, size, length_size};
    offset_ += size;
    left_ -= size;
    if (offset_ == obus_[obu_].size()) {
      offset_ = 0;
      ++obu_;
    }
  }

  const std::vector<Obu>& obus_;
  size_t size_;
  const Limits& limits_;
  size_t left_ = 0;
  size_t obu_ = 0;
  size_t offset_ = 0;
  bool first_ = true;
  std::array<Element, kMaxElements> elements_;
  size_t count_ = 0;
};

size_t count_packets(const std::vector<Obu>& obus, size_t size, const Limits& limits) {
  size_t count = 0;
  for (Layout layout(obus, size, limits); !layout.done(); ++count) layout.next();
  return count;
}

/// The smallest packets that do not make the frame take more packets than the largest would.
size_t even_size(const std::vector<Obu>& obus, const Limits& limits) {
  const size_t fewest = count_packets(obus, limits.max_payload, limits);
  if (fewest == 1) return limits.max_payload;
  size_t low = limits.first_reduction + limits.last_reduction + kMinPayload;
  size_t high = limits.max_payload;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (count_packets(obus, middle, limits) <= fewest) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return high;
}

/// The bytes [offset, offset + size) of an OBU as an element: up to two header bytes, then payload.
void put_element(Piece& piece, const Obu& obu, const Element& element) {
  internal::put_leb128(element.size, element.length_size, [&](uint8_t byte) { piece.put(byte); });
  const size_t header_size = obu.extension ? 2 : 1;
  const size_t end = element.offset + element.size;
  if (element.offset == 0) piece.put(obu.header);
  if (obu.extension && element.offset <= 1 && end > 1) piece.put(*obu.extension);
  if (end > header_size) {
    const size_t begin = std::max(element.offset, header_size) - header_size;
    piece.body = obu.payload.subspan(begin, end - header_size - begin);
  }
}

}  // namespace

Result<void, PacketizeError> Av1Packetizer::packetize(ByteView temporal_unit, const Limits& limits, PayloadList& out) {
  if (!internal::limits_fit(limits)) return fail(PacketizeError::LimitsTooSmall);
  obus_.clear();
  ObuReader reader(temporal_unit);
  bool new_sequence = false;
  while (const auto obu = reader.next()) {
    // §5: temporal delimiters and tile lists are not sent.
    if (obu->type == ObuType::TemporalDelimiter || obu->type == ObuType::TileList) continue;
    new_sequence |= obu->type == ObuType::SequenceHeader;
    obus_.push_back(*obu);
  }
  if (!reader.ok()) return fail(PacketizeError::Malformed);
  if (obus_.empty()) return fail(PacketizeError::EmptyFrame);

  Layout layout(obus_, even_size(obus_, limits), limits);
  bool continues = false;
  for (bool first = true; !layout.done(); first = false) {
    const std::span<const Element> elements = layout.next();
    const bool without_length = elements.back().length_size == 0;
    Piece* piece = &out.add_piece({});
    piece->put(static_cast<uint8_t>((continues ? 0x80 : 0) | (layout.continues() ? 0x40 : 0) |
                                    (without_length ? elements.size() << 4 : 0) | (first && new_sequence ? 0x08 : 0)));
    for (const Element& element : elements) {
      if (&element != &elements.front()) piece = &out.add_piece({});
      put_element(*piece, obus_[element.obu], element);
    }
    out.end_payload();
    continues = layout.continues();
  }
  return {};
}

}  // namespace kaon::packetizer
