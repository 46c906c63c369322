#include <cstring>

#include "kaon/container/internal/little_endian.h"
#include "kaon/container/internal/ogg.h"
#include "kaon/container/ogg_opus.h"
#include "kaon/packetizer/opus.h"

namespace kaon::container {
namespace {

constexpr int64_t kPageSamples = 48000;

void append(std::vector<uint8_t>& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }

}  // namespace

void OggOpusWriter::write_page(uint8_t flags, std::vector<uint8_t>& out) {
  const size_t begin = out.size();
  append(out, "OggS");
  append_le(out, 0, 1);
  append_le(out, flags, 1);
  append_le(out, static_cast<uint64_t>(granule_), 8);
  append_le(out, options_.serial, 4);
  append_le(out, page_sequence_++, 4);
  append_le(out, 0, 4);
  append_le(out, lacing_.size(), 1);
  out.insert(out.end(), lacing_.begin(), lacing_.end());
  out.insert(out.end(), body_.begin(), body_.end());
  store_le32(&out[begin + 22], ogg::crc(ByteView(out).subspan(begin)));
  lacing_.clear();
  body_.clear();
  page_start_ = granule_;
}

// RFC 7845 §5.1 and §5.2: each header has a page of its own, the first alone on the first page.
void OggOpusWriter::start(std::vector<uint8_t>& out) {
  started_ = true;
  const OpusHead& head = options_.head;
  append(body_, "OpusHead");
  append_le(body_, 1, 1);
  append_le(body_, head.channels, 1);
  append_le(body_, head.pre_skip, 2);
  append_le(body_, head.input_sample_rate, 4);
  append_le(body_, static_cast<uint16_t>(head.output_gain), 2);
  append_le(body_, 0, 1);
  lacing_.push_back(static_cast<uint8_t>(body_.size()));
  write_page(ogg::kFirstPage, out);

  append(body_, "OpusTags");
  const std::string_view vendor = std::string_view(options_.vendor).substr(0, 200);  // one segment
  append_le(body_, vendor.size(), 4);
  append(body_, vendor);
  append_le(body_, 0, 4);
  lacing_.push_back(static_cast<uint8_t>(body_.size()));
  write_page(0, out);
}

void OggOpusWriter::add_packet(ByteView packet, int64_t samples, std::vector<uint8_t>& out) {
  const size_t segments = packet.size() / 255 + 1;
  // Not before the next packet is here: the last page is marked as such.
  if (lacing_.size() + segments > ogg::kMaxSegments || granule_ - page_start_ >= kPageSamples) write_page(0, out);
  lacing_.insert(lacing_.end(), segments - 1, 255);
  lacing_.push_back(static_cast<uint8_t>(packet.size() % 255));
  body_.insert(body_.end(), packet.begin(), packet.end());
  granule_ += samples;
  expected_ += samples;
}

// RFC 7845 §4.1: a packet of the stream's configuration with an empty frame stands for what is missing; the decoder
// conceals.
void OggOpusWriter::fill_gap(int64_t gap, std::vector<uint8_t>& out) {
  const uint8_t packet[] = {static_cast<uint8_t>(toc_ & 0xfc)};
  const int64_t samples = packetizer::opus_duration(packet).value_or(960);
  for (int64_t filled = 0; filled + samples <= std::min(gap, kMaxGap); filled += samples) {
    add_packet(packet, samples, out);
  }
}

bool OggOpusWriter::write(const Frame& frame, std::vector<uint8_t>& out) {
  const auto duration = packetizer::opus_duration(frame.data);
  // RFC 7845 §6: 61,440 bytes are enough for every packet of one stream.
  if (!duration || frame.data.size() > 61440) return false;
  if (!started_) {
    start(out);
    expected_ = frame.timestamp;
  }
  const int64_t gap = frame.timestamp - expected_;
  if (gap > 0) fill_gap(gap, out);
  // Time that went back, or further than we fill, is a new beginning.
  if (gap < 0 || gap > kMaxGap) expected_ = frame.timestamp;
  toc_ = frame.data[0];
  add_packet(frame.data, *duration, out);
  return true;
}

void OggOpusWriter::finish(std::vector<uint8_t>& out) {
  if (!started_) start(out);
  write_page(ogg::kLastPage, out);
}

}  // namespace kaon::container
