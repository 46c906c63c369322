#include "kaon/container/ivf.h"

#include <algorithm>
#include <cmath>

#include "kaon/base/assert.h"
#include "kaon/container/internal/little_endian.h"

namespace kaon::container {
namespace {

constexpr size_t kHeaderSize = 32;
constexpr size_t kFrameHeaderSize = 12;
constexpr int64_t kClockRate = 90000;

struct FourCc {
  Codec codec;
  std::string_view text;
};
constexpr std::array<FourCc, 3> kFourCcs = {{{Codec::Vp8, "VP80"}, {Codec::Vp9, "VP90"}, {Codec::Av1, "AV01"}}};

/// value * to / from, to the nearest; saturates. Exact for all times that occur: products below 2^53.
int64_t rescale(int64_t value, uint64_t to, uint64_t from) {
  const long double result =
      std::round(static_cast<long double>(value) * static_cast<long double>(to) / static_cast<long double>(from));
  if (result >= 0x1p63L) return INT64_MAX;
  if (result < -0x1p63L) return INT64_MIN;
  return static_cast<int64_t>(result);
}

}  // namespace

// All fields little-endian:
//
//    0  "DKIF"
//    4  version (2), header size (2)
//    8  FourCC: VP80, VP90, AV01
//   12  width (2), height (2)
//   16  time base denominator (4), numerator (4)
//   24  number of frames (4), unused (4)
Result<void, ReadError> IvfReader::parse_header(ByteView bytes) {
  const uint64_t at = input_.offset();
  if (as_text(bytes.first(4)) != "DKIF") return fail(ReadError{at, "expected the signature DKIF of an IVF file"});
  const uint16_t size = load_le16(&bytes[6]);
  if (size != kHeaderSize) return fail(ReadError{at + 6, cat("expected a header size of 32, found ", size)});
  const std::string_view four_cc = as_text(bytes.subspan(8, 4));
  const auto known = std::ranges::find(kFourCcs, four_cc, &FourCc::text);
  if (known == kFourCcs.end()) return fail(ReadError{at + 8, "expected the codec VP80, VP90 or AV01"});

  IvfHeader header;
  header.codec = known->codec;
  header.resolution = {load_le16(&bytes[12]), load_le16(&bytes[14])};
  header.timebase_denominator = load_le32(&bytes[16]);
  header.timebase_numerator = load_le32(&bytes[20]);
  header.frame_count = load_le32(&bytes[24]);
  if (header.timebase_denominator == 0 || header.timebase_numerator == 0) {
    return fail(ReadError{
        at + 16, cat("expected a time base, found ", header.timebase_numerator, "/", header.timebase_denominator)});
  }
  header_ = header;
  return {};
}

std::optional<Result<Frame, ReadError>> IvfReader::next() {
  const auto stop = [&](ReadError error) { return Result<Frame, ReadError>(fail(*(error_ = std::move(error)))); };
  if (error_) return fail(*error_);
  if (!header_) {
    const ByteView bytes = input_.view();
    if (bytes.size() < kHeaderSize) {
      if (!input_.finished()) return std::nullopt;
      return stop({input_.offset(), cat("expected an IVF header of 32 bytes, found ", bytes.size())});
    }
    if (auto parsed = parse_header(bytes.first(kHeaderSize)); !parsed) return stop(parsed.error());
    input_.consume(kHeaderSize);
  }
  // Frame header: size (4), time stamp (8).
  const ByteView bytes = input_.view();
  if (bytes.empty()) return std::nullopt;
  if (bytes.size() < kFrameHeaderSize) {
    if (!input_.finished()) return std::nullopt;
    return stop({input_.offset(), cat("expected a frame header of 12 bytes, found ", bytes.size())});
  }
  const size_t size = load_le32(bytes.data());
  if (size > kMaxFrameSize) {
    return stop({input_.offset(), cat("expected a frame of at most ", kMaxFrameSize, " bytes, found ", size)});
  }
  if (bytes.size() - kFrameHeaderSize < size) {
    if (!input_.finished()) return std::nullopt;
    return stop({input_.offset() + kFrameHeaderSize,
                 cat("expected a frame of ", size, " bytes, the file ends after ", bytes.size() - kFrameHeaderSize)});
  }
  const uint64_t ticks = load_le32(&bytes[4]) | (uint64_t{load_le32(&bytes[8])} << 32);
  Frame frame;
  frame.data = bytes.subspan(kFrameHeaderSize, size);
  frame.timestamp = rescale(static_cast<int64_t>(ticks), uint64_t{kClockRate} * header_->timebase_numerator,
                            header_->timebase_denominator);
  frame.keyframe = packetizer::inspect_frame(header_->codec, frame.data).keyframe;
  input_.consume(kFrameHeaderSize + size);
  return frame;
}

IvfWriter::IvfWriter(const IvfHeader& header) : header_(header) {
  KAON_ASSERT(std::ranges::find(kFourCcs, header.codec, &FourCc::codec) != kFourCcs.end());
  KAON_ASSERT(header.timebase_denominator != 0 && header.timebase_numerator != 0);
  header_.frame_count = 0;
}

void IvfWriter::append_header(std::vector<uint8_t>& out) const {
  const std::string_view four_cc = std::ranges::find(kFourCcs, header_.codec, &FourCc::codec)->text;
  for (std::string_view text : {std::string_view("DKIF"), std::string_view("\0\0\x20\0", 4), four_cc}) {
    out.insert(out.end(), text.begin(), text.end());
  }
  append_le(out, header_.resolution.width, 2);
  append_le(out, header_.resolution.height, 2);
  append_le(out, header_.timebase_denominator, 4);
  append_le(out, header_.timebase_numerator, 4);
  append_le(out, header_.frame_count, 4);
  append_le(out, 0, 4);
}

void IvfWriter::write(const Frame& frame, std::vector<uint8_t>& out) {
  if (!started_) {
    if (header_.resolution == Resolution{}) {
      const auto info = packetizer::inspect_frame(header_.codec, frame.data);
      header_.resolution = info.resolution.value_or(Resolution{});
    }
    append_header(out);
    started_ = true;
  }
  append_le(out, frame.data.size(), 4);
  const int64_t ticks =
      rescale(frame.timestamp, header_.timebase_denominator, uint64_t{kClockRate} * header_.timebase_numerator);
  append_le(out, static_cast<uint64_t>(ticks), 8);
  out.insert(out.end(), frame.data.begin(), frame.data.end());
  ++header_.frame_count;
}

Patch IvfWriter::finish() const {
  Patch patch;
  append_header(patch.bytes);
  return patch;
}

}  // namespace kaon::container
