// Opus in Ogg, RFC 7845 over RFC 3533.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/container/frame.h"
#include "kaon/container/input.h"

namespace kaon::container {

/// OpusHead, RFC 7845 §5.1, of channel mapping family 0 (mono and stereo).
struct OpusHead {
  uint8_t channels = 2;
  /// Samples of 48 kHz that a decoder drops at the start.
  uint16_t pre_skip = 312;
  uint32_t input_sample_rate = 48000;
  int16_t output_gain = 0;

  bool operator==(const OpusHead&) const = default;
};

/// Reads a file in chunks of any size. feed(), then next() until it gives nothing; finish() at the end of the file,
/// then next() until it gives nothing. After an error next() repeats it. Streams other than the first Opus one are
/// skipped; so is a page whose checksum is wrong (counted), with what it held.
class OggOpusReader {
 public:
  void feed(ByteView bytes) { input_.feed(bytes); }
  void finish() { input_.finish(); }
  /// Timestamps count the samples from the start, pre-skip included; gaps that the granule positions show are kept.
  std::optional<Result<Frame, ReadError>> next();
  /// Known once the first packet was returned.
  const std::optional<OpusHead>& head() const { return head_; }
  uint64_t pages_dropped() const { return pages_dropped_; }

 private:
  enum class Expect : uint8_t { Head, Tags, Audio };
  enum class Step : uint8_t { Done, NeedInput };

  Result<Step, ReadError> read_page();
  bool find_capture_pattern();
  bool select_stream(const uint8_t* header, ByteView body);
  void enter_page(const uint8_t* header, ByteView lacing, ByteView body);
  int64_t duration_of_page() const;
  bool take_packet();
  Result<bool, ReadError> accept_packet();

  Input input_;
  std::vector<uint8_t> packet_;  // being put together, possibly over pages
  std::vector<uint8_t> lacing_;  // segment table and body of the current page
  std::vector<uint8_t> body_;
  size_t segment_ = 0;
  size_t position_ = 0;
  uint64_t page_offset_ = 0;
  std::optional<uint32_t> serial_;
  uint32_t page_sequence_ = 0;
  bool open_ = false;  // packet_ goes on in the next page
  bool skip_ = false;  // the rest of a packet whose beginning was lost
  Expect expect_ = Expect::Head;
  std::optional<int64_t> granule_;  // at the end of the last page that had one
  int64_t timestamp_ = 0;           // of the next frame
  std::optional<OpusHead> head_;
  uint64_t pages_dropped_ = 0;
  bool synchronised_ = false;  // a page was read
  std::optional<ReadError> error_;
};

/// Writes a file page by page: about a second of sound each, so that a file that was cut off is playable to its last
/// page.
class OggOpusWriter {
 public:
  /// A gap in the timestamps is filled with empty packets (RFC 7845 §4.1) up to this; of longer ones the rest is cut
  /// out.
  static constexpr int64_t kMaxGap = int64_t{60} * 48000;

  struct Options {
    OpusHead head = {};
    /// Of the logical stream; take it at random.
    uint32_t serial = 1;
    std::string vendor = "kaon";
  };

  explicit OggOpusWriter(Options options) : options_(std::move(options)) {}
  /// Packets in order; malformed ones (no duration) are left out and come back as false.
  bool write(const Frame& frame, std::vector<uint8_t>& out);
  /// The last page, marked as the end of the stream.
  void finish(std::vector<uint8_t>& out);

 private:
  void start(std::vector<uint8_t>& out);
  void fill_gap(int64_t gap, std::vector<uint8_t>& out);
  void add_packet(ByteView packet, int64_t samples, std::vector<uint8_t>& out);
  void write_page(uint8_t flags, std::vector<uint8_t>& out);

  Options options_;
  std::vector<uint8_t> lacing_;  // of the page being filled
  std::vector<uint8_t> body_;
  uint32_t page_sequence_ = 0;
  int64_t granule_ = 0;  // samples so far
  int64_t page_start_ = 0;
  int64_t expected_ = 0;  // timestamp of the next packet if nothing is missing
  uint8_t toc_ = 0;
  bool started_ = false;
};

}  // namespace kaon::container
