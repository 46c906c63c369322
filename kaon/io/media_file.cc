#include "kaon/io/media_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/packetizer/h26x.h"
#include "kaon/packetizer/opus.h"

namespace kaon::io {
namespace {

using packetizer::Codec;

constexpr size_t kChunk = 64 * 1024;

bool starts_with(ByteView bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

// The first NAL unit of a byte stream tells H.265 from H.264: parameter sets, delimiters and SEI of H.265 have first
// bytes that no H.264 stream begins with.
std::optional<Codec> byte_stream_codec(ByteView bytes) {
  const bool long_code = starts_with(bytes, std::string_view("\0\0\0\1", 4));
  if (!long_code && !starts_with(bytes, std::string_view("\0\0\1", 3))) return std::nullopt;
  packetizer::NalReader nals(bytes);
  const auto nal = nals.next();
  if (!nal || nal->size() < 2) return std::nullopt;
  const uint8_t type = packetizer::h265::nal_type(*nal);
  const bool is_h265 = ((*nal)[0] & 0x81) == 0 && ((type >= packetizer::h265::kVps && type <= packetizer::h265::kAud) ||
                                                   type == packetizer::h265::kPrefixSei);
  return is_h265 ? Codec::H265 : Codec::H264;
}

struct Ending {
  std::string_view text;
  bool video;
};
constexpr std::array kEndings = {Ending{".ivf", true},  Ending{".h264", true}, Ending{".264", true},
                                 Ending{".h265", true}, Ending{".265", true},  Ending{".ogg", false},
                                 Ending{".opus", false}};

std::string_view first_ending(Codec codec) {
  switch (codec) {
    case Codec::H264: return ".h264";
    case Codec::H265: return ".h265";
    case Codec::Opus: return ".ogg";
    default: return ".ivf";
  }
}

bool fits(Codec codec, std::string_view path) {
  switch (codec) {
    case Codec::H264: return path.ends_with(".h264") || path.ends_with(".264");
    case Codec::H265: return path.ends_with(".h265") || path.ends_with(".265");
    case Codec::Opus: return path.ends_with(".ogg") || path.ends_with(".opus");
    case Codec::Vp8:
    case Codec::Vp9:
    case Codec::Av1: return path.ends_with(".ivf");
    default: return false;
  }
}

}  // namespace

// -- MediaReader -----------------------------------------------------------------------------------------------------

MediaReader::MediaReader(std::string path, int descriptor, container::FrameRate rate)
    : path_(std::move(path)), descriptor_(descriptor), rate_(rate) {}

MediaReader::~MediaReader() { close(descriptor_); }

Result<std::unique_ptr<MediaReader>, std::string> MediaReader::open(const std::string& path,
                                                                    container::FrameRate rate) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return fail(cat(path, " cannot be opened: ", std::strerror(errno), "."));
  std::unique_ptr<MediaReader> reader(new MediaReader(path, descriptor, rate));
  if (auto detected = reader->detect(); !detected) return fail(detected.error());
  return reader;
}

Result<size_t, std::string> MediaReader::read(Bytes out) {
  const ssize_t size = ::read(descriptor_, out.data(), out.size());
  if (size < 0) return fail(cat(path_, " cannot be read: ", std::strerror(errno), "."));
  return static_cast<size_t>(size);
}

Result<void, std::string> MediaReader::detect() {
  std::vector<uint8_t> head(kChunk);
  KAON_TRY(const size_t size, read(head));
  head.resize(size);
  if (starts_with(head, "DKIF")) {
    // The header says which codec.
    container::IvfReader probe;
    probe.feed(head);
    if (auto first = probe.next(); first && !*first) return fail(cat(path_, ": ", first->error(), "."));
    if (!probe.header()) return fail(cat(path_, " is too short for an IVF file."));
    codec_ = probe.header()->codec;
  } else if (starts_with(head, "OggS")) {
    codec_ = Codec::Opus;
  } else if (const auto codec = byte_stream_codec(head)) {
    codec_ = *codec;
  } else {
    return fail(cat(path_, " is neither IVF, Ogg Opus nor an H.264 or H.265 byte stream."));
  }
  return rewind();
}

Result<void, std::string> MediaReader::rewind() {
  if (lseek(descriptor_, 0, SEEK_SET) != 0)
    return fail(cat(path_, " cannot be read again: ", std::strerror(errno), "."));
  finished_ = false;
  if (codec_ == Codec::Opus) {
    reader_.emplace(container::OggOpusReader());
  } else if (codec_ == Codec::H264 || codec_ == Codec::H265) {
    reader_.emplace(container::AnnexBReader(codec_, rate_));
  } else {
    reader_.emplace(container::IvfReader());
  }
  return {};
}

Result<std::optional<StoredFrame>, std::string> MediaReader::next() {
  std::vector<uint8_t> chunk;
  while (true) {
    const auto frame = std::visit([](auto& reader) { return reader.next(); }, *reader_);
    if (frame && !*frame) return fail(cat(path_, ": ", frame->error(), "."));
    if (frame) {
      const ByteView data = (*frame)->data;
      return StoredFrame{{data.begin(), data.end()}, (*frame)->timestamp, (*frame)->keyframe};
    }
    if (finished_) return std::optional<StoredFrame>();
    chunk.resize(kChunk);
    KAON_TRY(const size_t size, read(chunk));
    finished_ = size == 0;
    std::visit(
        [&](auto& reader) {
          if (finished_) return reader.finish();
          reader.feed(ByteView(chunk).first(size));
        },
        *reader_);
  }
}

// -- MediaWriter -----------------------------------------------------------------------------------------------------

std::optional<bool> MediaWriter::holds_video(const std::string& path) {
  for (const Ending& ending : kEndings) {
    if (path.ends_with(ending.text)) return ending.video;
  }
  return std::nullopt;
}

Result<std::unique_ptr<MediaWriter>, std::string> MediaWriter::create(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return fail(cat(path, " cannot be written: ", std::strerror(errno), "."));
  return std::unique_ptr<MediaWriter>(new MediaWriter(path, descriptor));
}

MediaWriter::~MediaWriter() {
  static_cast<void>(finish());
  close(descriptor_);
  if (size_ == 0) unlink(path_.c_str());
}

Result<void, std::string> MediaWriter::choose(Codec codec, const container::Frame& first) {
  if (!fits(codec, path_)) {
    return fail(cat("The stream is ", packetizer::encoding_name(codec), ", which goes into a file ending in ",
                    first_ending(codec), ", not into ", path_, "."));
  }
  codec_ = codec;
  if (codec == Codec::H264 || codec == Codec::H265) {
    writer_ = container::AnnexBWriter();
  } else if (codec == Codec::Opus) {
    container::OggOpusWriter::Options options;
    options.head.channels = static_cast<uint8_t>(packetizer::opus_channels(first.data).value_or(2));
    options.serial = crypto::SystemRandom().u32();
    writer_ = container::OggOpusWriter(std::move(options));
  } else {
    writer_ = container::IvfWriter({.codec = codec});
  }
  return {};
}

Result<void, std::string> MediaWriter::write(Codec codec, const container::Frame& frame) {
  if (std::holds_alternative<std::monostate>(writer_)) {
    if (auto chosen = choose(codec, frame); !chosen) return chosen;
  }
  if (codec != codec_) {
    return fail(cat("The stream changed from ", packetizer::encoding_name(codec_), " to ",
                    packetizer::encoding_name(codec), "; the recording ends here."));
  }
  if (auto* annex_b = std::get_if<container::AnnexBWriter>(&writer_)) annex_b->write(frame, pending_);
  if (auto* ivf = std::get_if<container::IvfWriter>(&writer_)) ivf->write(frame, pending_);
  if (auto* ogg = std::get_if<container::OggOpusWriter>(&writer_)) ogg->write(frame, pending_);
  ++frames_;
  return append();
}

// Whole or not at all: what does not fit any more is cut off again.
Result<void, std::string> MediaWriter::append() {
  size_t written = 0;
  while (written < pending_.size()) {
    const ssize_t size = ::write(descriptor_, pending_.data() + written, pending_.size() - written);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      const int error = errno;
      broken_ = true;
      if (ftruncate(descriptor_, static_cast<off_t>(size_)) != 0) return fail(cat(path_, " is damaged at its end."));
      return fail(cat(path_, " cannot be written any further: ", std::strerror(error), ". What was recorded is kept."));
    }
    written += static_cast<size_t>(size);
  }
  size_ += pending_.size();
  pending_.clear();
  return {};
}

Result<void, std::string> MediaWriter::finish() {
  if (std::holds_alternative<std::monostate>(writer_)) return {};
  const Writer writer = std::exchange(writer_, std::monostate());
  Result<void, std::string> result;
  if (const auto* ivf = std::get_if<container::IvfWriter>(&writer); ivf != nullptr && size_ > 0) {
    const container::Patch patch = ivf->finish();
    const ssize_t size = pwrite(descriptor_, patch.bytes.data(), patch.bytes.size(), static_cast<off_t>(patch.offset));
    if (size != static_cast<ssize_t>(patch.bytes.size()))
      result = fail(cat(path_, ": the header cannot be completed."));
  }
  if (std::holds_alternative<container::OggOpusWriter>(writer) && !broken_) {
    auto ogg = std::get<container::OggOpusWriter>(writer);
    ogg.finish(pending_);
    result = append();
  }
  return result;
}

}  // namespace kaon::io
