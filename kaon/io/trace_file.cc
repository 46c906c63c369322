#include "kaon/io/trace_file.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "kaon/base/text.h"
#include "kaon/container/capture.h"
#include "kaon/io/loop.h"
#include "kaon/trace/json.h"

namespace kaon::io {
namespace {

constexpr Duration kFlushInterval = std::chrono::seconds(1);

/// A file with a bound. Not thread-safe.
class BoundedFile {
 public:
  BoundedFile(std::string name, uint64_t max_bytes, Logger* log)
      : name_(std::move(name)), left_(max_bytes), log_(log) {}
  ~BoundedFile() {
    if (file_ != nullptr) std::fclose(file_);
  }
  BoundedFile(const BoundedFile&) = delete;
  BoundedFile& operator=(const BoundedFile&) = delete;

  bool wanted() const { return !name_.empty(); }
  Result<void, std::string> open() {
    if (!wanted()) return {};
    // Nobody else needs to read a conversation.
    const int descriptor = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor >= 0) file_ = ::fdopen(descriptor, "wb");
    if (file_ == nullptr) return fail(cat("The trace file ", name_, " cannot be written: ", std::strerror(errno), "."));
    return {};
  }
  /// Whole or not at all.
  void write(ByteView bytes) {
    if (file_ == nullptr) return;
    if (bytes.size() > left_) return end("is full; the rest of the trace is left out");
    left_ -= bytes.size();
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) end("cannot be written any more");
  }
  void flush() {
    if (file_ != nullptr && std::fflush(file_) != 0) end("cannot be written any more");
  }

 private:
  void end(std::string_view why) {
    if (log_ != nullptr) log_->line(LogLevel::Warning, "trace", name_, " ", why);
    std::fclose(std::exchange(file_, nullptr));
  }

  std::string name_;
  uint64_t left_;
  Logger* log_;
  std::FILE* file_ = nullptr;
};

class TraceFiles final : public trace::Sink {
 public:
  explicit TraceFiles(const TraceOptions& options)
      : clear_(options.capture, options.max_bytes, options.log),
        wire_(options.wire_capture, options.max_bytes, options.log),
        events_(options.events, options.max_bytes, options.log),
        start_(Loop::now()),
        unix_start_(Loop::wall_clock()) {}

  Result<void, std::string> open(const std::string& program) {
    for (BoundedFile* file : {&clear_, &wire_, &events_}) {
      if (auto opened = file->open(); !opened) return opened;
    }
    container::PcapngWriter::begin(bytes_, program);
    clear_.write(bytes_);
    wire_.write(bytes_);
    events_.write(as_bytes(trace::json_header(program, unix_start_)));
    events_.flush();
    return {};
  }

  Wants wants() const override { return {wire_.wanted(), clear_.wanted(), events_.wanted()}; }

  void packet(const trace::Packet& packet) override {
    container::IpPacket ip{packet.local, packet.remote, container::IpProtocol::Udp, packet.bytes, packet.rest};
    if (packet.layer == trace::Layer::Sctp) ip.protocol = container::IpProtocol::Sctp;
    const bool outgoing = packet.direction == trace::Direction::Out;
    if (!outgoing) std::swap(ip.source, ip.destination);
    const std::lock_guard lock(mutex_);
    comment_.assign("connection ");
    comment_ += packet.connection;
    bytes_.clear();
    writer_.packet(bytes_, unix_start_ + (packet.time - start_), outgoing, ip, comment_);
    (packet.layer == trace::Layer::Wire ? wire_ : clear_).write(bytes_);
    if (packet.time < next_flush_) return;
    next_flush_ = packet.time + kFlushInterval;
    clear_.flush();
    wire_.flush();
  }

  void event(const trace::Record& record) override {
    const std::lock_guard lock(mutex_);
    line_.clear();
    trace::append_json(line_, record, start_);
    events_.write(as_bytes(line_));
    events_.flush();
  }

 private:
  std::mutex mutex_;
  BoundedFile clear_;
  BoundedFile wire_;
  BoundedFile events_;
  const Time start_;
  const std::chrono::nanoseconds unix_start_;
  container::PcapngWriter writer_;
  std::vector<uint8_t> bytes_;
  std::string comment_;
  std::string line_;
  Time next_flush_ = Time::min();
};

}  // namespace

Result<std::unique_ptr<trace::Sink>, std::string> open_trace(const TraceOptions& options) {
  auto files = std::make_unique<TraceFiles>(options);
  if (auto opened = files->open(options.program); !opened) return fail(opened.error());
  return files;
}

}  // namespace kaon::io
