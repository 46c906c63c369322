#include "kaon/container/annex_b.h"

#include "kaon/base/assert.h"
#include "kaon/packetizer/h26x.h"

namespace kaon::container {
namespace {

constexpr int64_t kClockRate = 90000;
// What decides whether a NAL unit begins an access unit: its header and the first byte of a slice header.
constexpr size_t kNalHead = 3;

}  // namespace

AnnexBReader::AnnexBReader(Codec codec, FrameRate rate) : codec_(codec), rate_(rate) {
  KAON_ASSERT(codec == Codec::H264 || codec == Codec::H265);
  KAON_ASSERT(rate.numerator != 0 && rate.denominator != 0);
}

/// The next start code of which also the head of the NAL unit behind it is there (or the file has ended).
std::optional<AnnexBReader::StartCode> AnnexBReader::find_start_code() {
  const ByteView bytes = input_.view();
  for (size_t i = scanned_; i + 3 <= bytes.size(); ++i) {
    if (bytes[i + 2] > 1) {
      i += 2;
      continue;
    }
    if (bytes[i] != 0 || bytes[i + 1] != 0 || bytes[i + 2] != 1) continue;
    if (i + 3 + kNalHead > bytes.size() && !input_.finished()) {
      scanned_ = i;
      return std::nullopt;
    }
    scanned_ = i + 3;
    // The zero_byte, and zeros that trail the NAL unit before, stay with the start code: the unit is then complete
    // without.
    size_t begin = i;
    if (begin > 0 && bytes[begin - 1] == 0) --begin;
    return StartCode{begin, i + 3};
  }
  scanned_ = std::max(scanned_, bytes.size() < 2 ? 0 : bytes.size() - 2);
  return std::nullopt;
}

/// H.264 §7.4.1.2.3, H.265 §7.4.2.4.4: whether an access unit ends before this NAL unit; takes note of it if not.
bool AnnexBReader::ends_before(ByteView nal) {
  if (packetizer::starts_picture(codec_, nal) || packetizer::precedes_slices(codec_, nal)) {
    if (has_slice_) return true;
  }
  if (packetizer::is_slice(codec_, nal)) {
    has_slice_ = true;
    keyframe_ = keyframe_ || packetizer::is_keyframe_slice(codec_, nal);
  }
  return false;
}

/// Where the access unit at the front ends; nothing if that is not known yet.
std::optional<size_t> AnnexBReader::find_end() {
  while (const auto code = find_start_code()) {
    if (ends_before(input_.view().subspan(code->nal))) {
      scanned_ = code->begin;
      return code->begin;
    }
  }
  if (!input_.finished() || input_.view().empty()) return std::nullopt;
  return input_.view().size();
}

/// A byte stream begins with zeros and a start code; anything else is another kind of file.
Result<void, ReadError> AnnexBReader::check_start() {
  const ByteView bytes = input_.view();
  size_t zeros = 0;
  while (zeros < bytes.size() && bytes[zeros] == 0) ++zeros;
  if (zeros == bytes.size() ? input_.finished() : bytes[zeros] != 1 || zeros < 2) {
    return fail(
        ReadError{input_.offset() + zeros, "expected a start code (00 00 01) of an H.264 or H.265 byte stream"});
  }
  started_ = zeros < bytes.size();
  return {};
}

std::optional<Result<Frame, ReadError>> AnnexBReader::next() {
  if (error_) return fail(*error_);
  if (!started_) {
    if (auto checked = check_start(); !checked) return fail(*(error_ = checked.error()));
    if (!started_) return std::nullopt;
  }
  const auto end = find_end();
  if (end.value_or(input_.view().size()) > kMaxFrameSize) {
    error_ = ReadError{input_.offset(), cat("expected an access unit of at most ", kMaxFrameSize, " bytes")};
    return fail(*error_);
  }
  if (!end) return std::nullopt;

  Frame frame;
  frame.data = input_.view().first(*end);
  frame.timestamp = count_ * kClockRate * rate_.denominator / rate_.numerator;
  frame.keyframe = keyframe_;
  ++count_;
  input_.consume(*end);
  scanned_ = 0;
  has_slice_ = keyframe_ = false;
  return frame;
}

}  // namespace kaon::container
