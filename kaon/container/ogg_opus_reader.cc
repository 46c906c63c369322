#include <cstring>

#include "kaon/container/internal/ogg.h"
#include "kaon/container/ogg_opus.h"
#include "kaon/packetizer/opus.h"

namespace kaon::container {
namespace {

// A gap that a granule position claims beyond this (a day) is taken for damage.
constexpr int64_t kMaxGap = int64_t{24} * 3600 * 48000;
// OpusTags may carry pictures; audio packets are far smaller (RFC 7845 §6).
constexpr size_t kMaxPacket = kMaxFrameSize;

int64_t load_granule(const uint8_t* page) {
  return static_cast<int64_t>(load_le32(page + 6) | (uint64_t{load_le32(page + 10)} << 32));
}

bool checksum_fits(ByteView page) {
  constexpr uint8_t kZeros[4] = {};
  uint32_t crc = ogg::crc(page.first(22));
  crc = ogg::crc(kZeros, crc);
  return ogg::crc(page.subspan(26), crc) == load_le32(&page[22]);
}

/// RFC 7845 §5.1.
std::optional<OpusHead> parse_head(ByteView packet) {
  if (packet.size() < 19 || as_text(packet.first(8)) != "OpusHead" || (packet[8] & 0xf0) != 0) return std::nullopt;
  OpusHead head;
  head.channels = packet[9];
  head.pre_skip = static_cast<uint16_t>(packet[10] | (packet[11] << 8));
  head.input_sample_rate = load_le32(&packet[12]);
  head.output_gain = static_cast<int16_t>(packet[16] | (packet[17] << 8));
  if (packet[18] != 0 || head.channels < 1 || head.channels > 2) return std::nullopt;
  return head;
}

}  // namespace

/// Moves to the next "OggS"; false if more input is needed.
bool OggOpusReader::find_capture_pattern() {
  const ByteView bytes = input_.view();
  const size_t found = as_text(bytes).find("OggS");
  if (found == 0) return true;
  if (found != std::string_view::npos) {
    input_.consume(found);
    return true;
  }
  if (bytes.size() > 3) input_.consume(bytes.size() - 3);  // may be the beginning of one
  return false;
}

/// Whether the page belongs to the stream we read; a first page with an OpusHead selects it.
bool OggOpusReader::select_stream(const uint8_t* header, ByteView body) {
  const uint32_t serial = load_le32(header + 14);
  const bool first_page = (header[5] & ogg::kFirstPage) != 0;
  if (first_page && as_text(body).starts_with("OpusHead") && (!serial_ || expect_ == Expect::Audio)) {
    // The first Opus stream, or the next one of a chained file.
    serial_ = serial;
    expect_ = Expect::Head;
    granule_.reset();
    open_ = false;
    page_sequence_ = load_le32(header + 18);
  }
  return serial_ == serial;
}

Result<OggOpusReader::Step, ReadError> OggOpusReader::read_page() {
  while (true) {
    if (!synchronised_ && input_.view().size() >= 4 && as_text(input_.view().first(4)) != "OggS") {
      return fail(ReadError{input_.offset(), "expected the signature OggS of an Ogg file"});
    }
    const bool found = find_capture_pattern();
    const ByteView bytes = input_.view();
    const size_t segments = bytes.size() < ogg::kHeaderSize ? 0 : bytes[26];
    const size_t header_size = ogg::kHeaderSize + segments;
    size_t size = header_size;
    if (found && bytes.size() >= header_size) {
      for (uint8_t lacing : bytes.subspan(ogg::kHeaderSize, segments)) size += lacing;
    }
    if (!found || bytes.size() < size) {
      // A page that was cut off is what a recording that was killed ends with: no error, if there was a page before.
      if (input_.finished() && !synchronised_) {
        return fail(ReadError{input_.offset(), cat("expected an Ogg page, found ", bytes.size(), " bytes")});
      }
      return Step::NeedInput;
    }
    const ByteView page = bytes.first(size);
    if (page[4] != 0 || !checksum_fits(page)) {
      ++pages_dropped_;
      input_.consume(4);
      synchronised_ = true;
      continue;
    }
    synchronised_ = true;
    page_offset_ = input_.offset();
    const ByteView body = page.subspan(header_size);
    const bool ours = select_stream(page.data(), body);
    if (!ours && !serial_ && (page[5] & ogg::kFirstPage) == 0) {
      return fail(ReadError{page_offset_, "expected an Opus stream (OpusHead) in the Ogg file, found none"});
    }
    if (ours) enter_page(page.data(), page.subspan(ogg::kHeaderSize, segments), body);
    input_.consume(size);
    if (ours) return Step::Done;
  }
}

void OggOpusReader::enter_page(const uint8_t* header, ByteView lacing, ByteView body) {
  const uint32_t sequence = load_le32(header + 18);
  const bool continued = (header[5] & ogg::kContinued) != 0;
  const bool follows = sequence == page_sequence_;
  page_sequence_ = sequence + 1;
  skip_ = continued && !(open_ && follows);
  if (!continued || !follows) packet_.clear();
  open_ = false;
  lacing_.assign(lacing.begin(), lacing.end());
  body_.assign(body.begin(), body.end());
  segment_ = position_ = 0;

  // The granule position is that of the end of the last packet that ends here (§4): what is beyond our count is a gap.
  // The last page may stop earlier than its packets (§4.4), so it never goes back.
  const int64_t granule = load_granule(header);
  if (expect_ != Expect::Audio || granule < 0) return;
  const int64_t page_start = granule - duration_of_page();
  if (granule_ && page_start > *granule_ && page_start - *granule_ <= kMaxGap) timestamp_ += page_start - *granule_;
  granule_ = granule;
}

/// Samples of the packets that end in the current page.
int64_t OggOpusReader::duration_of_page() const {
  int64_t samples = 0;
  size_t begin = 0;
  size_t end = 0;
  bool first = true;
  for (uint8_t lacing : lacing_) {
    end += lacing;
    if (lacing == 255) continue;
    // Of a packet that began earlier its first bytes are in packet_.
    const ByteView packet = first && !packet_.empty() ? ByteView(packet_) : ByteView(body_).subspan(begin, end - begin);
    if (!(first && skip_)) samples += packetizer::opus_duration(packet).value_or(0);
    first = false;
    begin = end;
  }
  return samples;
}

/// Puts the next packet of the page into packet_; false if it goes on in the next page or there is none.
bool OggOpusReader::take_packet() {
  if (segment_ == lacing_.size()) return false;
  if (position_ == 0 && !skip_ && segment_ == 0) {
    // packet_ holds the beginning, if there is one
  } else {
    packet_.clear();
  }
  uint8_t lacing = 255;
  while (lacing == 255 && segment_ < lacing_.size()) {
    lacing = lacing_[segment_++];
    const ByteView part = ByteView(body_).subspan(position_, lacing);
    if (packet_.size() <= kMaxPacket) packet_.insert(packet_.end(), part.begin(), part.end());
    position_ += lacing;
  }
  if (lacing == 255) {
    open_ = !skip_;
    if (skip_) packet_.clear();
    return false;
  }
  if (std::exchange(skip_, false)) {
    packet_.clear();
    return take_packet();
  }
  return true;
}

/// True if packet_ is a frame of sound.
Result<bool, ReadError> OggOpusReader::accept_packet() {
  if (packet_.size() > kMaxPacket) {
    return fail(ReadError{page_offset_, cat("expected a packet of at most ", kMaxPacket, " bytes")});
  }
  switch (expect_) {
    case Expect::Head:
      head_ = parse_head(packet_);
      if (!head_) {
        return fail(ReadError{page_offset_, "expected an OpusHead of version 0 or 1 with one or two channels"});
      }
      expect_ = Expect::Tags;
      return false;
    case Expect::Tags:
      if (!as_text(packet_).starts_with("OpusTags")) return fail(ReadError{page_offset_, "expected OpusTags"});
      expect_ = Expect::Audio;
      return false;
    case Expect::Audio: break;
  }
  return packetizer::opus_duration(packet_).has_value();  // others are damaged: left out
}

std::optional<Result<Frame, ReadError>> OggOpusReader::next() {
  if (error_) return fail(*error_);
  while (true) {
    while (take_packet()) {
      const auto accepted = accept_packet();
      if (!accepted) return fail(*(error_ = accepted.error()));
      if (!*accepted) continue;
      Frame frame{packet_, timestamp_, true};
      timestamp_ += *packetizer::opus_duration(packet_);
      return frame;
    }
    const auto step = read_page();
    if (!step) return fail(*(error_ = step.error()));
    if (*step == Step::NeedInput) return std::nullopt;
  }
}

}  // namespace kaon::container
