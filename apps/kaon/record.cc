// kaon record: records a stream of a WHEP server into a file.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "apps/kaon/commands.h"
#include "apps/kaon/console.h"
#include "apps/kaon/media_session.h"
#include "apps/kaon/signals.h"
#include "apps/kaon/trace_options.h"
#include "kaon/base/text.h"
#include "kaon/io/media_file.h"

namespace kaon::apps {
namespace {

struct RecordOptions {
  std::string url;
  std::string path;
  double seconds = 0;
  int wait = 10;
  std::string token;
  bool insecure = false;
  std::string log = "warning";
  io::TraceOptions trace;
};

constexpr int kPollMilliseconds = 50;
constexpr int kPollsPerLine = 10;

// Takes frames on the loop and writes them from the first key frame on.
class Recorder {
 public:
  explicit Recorder(std::unique_ptr<io::MediaWriter> file) : file_(std::move(file)) {}

  void write(const webrtc::ReceivedFrame& frame) {
    if (!error_.empty()) return;
    if (!started_ && !frame.keyframe) return;
    if (!std::exchange(started_, true)) first_ = frame.timestamp;
    clock_rate_ = packetizer::clock_rate(frame.codec);
    last_ = frame.timestamp;
    if (frame.after_loss && file_->frames() > 0) ++gaps_;
    const auto written = file_->write(frame.codec, {frame.data, frame.timestamp - first_, frame.keyframe});
    if (!written) error_ = written.error();
  }

  /// The file is complete afterwards.
  void finish() {
    const auto finished = file_->finish();
    if (!finished && error_.empty()) error_ = finished.error();
  }

  const std::string& error() const { return error_; }
  const io::MediaWriter& file() const { return *file_; }
  double seconds() const { return static_cast<double>(last_ - first_) / clock_rate_; }
  uint64_t gaps() const { return gaps_; }

 private:
  std::unique_ptr<io::MediaWriter> file_;
  bool started_ = false;
  int64_t first_ = 0;
  int64_t last_ = 0;
  double clock_rate_ = 90000;
  uint64_t gaps_ = 0;
  std::string error_;
};

class Record {
 public:
  Record(const RecordOptions& options, bool video, std::unique_ptr<io::MediaWriter> file, Logger& log,
         trace::Sink* trace)
      : options_(options),
        video_(video),
        recorder_(std::move(file)),
        session_(
            {.url = options.url, .token = options.token, .insecure = options.insecure, .wait_seconds = options.wait},
            log, trace) {}

  int run(StopSignal& stop) {
    const auto connected =
        session_.connect([this](webrtc::PeerConnection& connection) { return prepare(connection); }, stop);
    if (!connected) return fail_with(connected.error());
    const std::string error = *connected ? record(stop) : std::string();
    session_.close();  // no frame comes after this
    recorder_.finish();
    show();
    progress_.end();
    if (!error.empty()) return fail_with(error);
    if (!recorder_.error().empty()) return fail_with(recorder_.error());
    return recorder_.file().frames() > 0
               ? 0
               : fail_with(cat("Nothing was recorded: no ", video_ ? "key frame" : "sound", " came."));
  }

 private:
  Result<void, std::string> prepare(webrtc::PeerConnection& connection) {
    const auto kind = video_ ? webrtc::MediaKind::Video : webrtc::MediaKind::Audio;
    std::vector<peer::Codec> codecs = video_ ? peer::default_codecs(kind) : peer::codecs_of(packetizer::Codec::Opus);
    if (video_) codecs.push_back(peer::h265_codec());
    auto transceiver = connection.add_transceiver(
        kind, {.direction = webrtc::Direction::RecvOnly, .codec_preferences = std::move(codecs)},
        {.on_frame = [this](const webrtc::ReceivedFrame& frame) { recorder_.write(frame); }});
    if (!transceiver) return fail(cat("No offer: ", peer::to_string(transceiver.error()), "."));
    transceiver_ = std::move(*transceiver);
    return {};
  }

  // Until Ctrl-C, the end of the time or of the stream. Gives what went wrong.
  std::string record(StopSignal& stop) {
    if (video_) session_.loop().invoke([this] { transceiver_->receiver().request_keyframe(); });
    for (int polls = 0;; ++polls) {
      if (polls % kPollsPerLine == 0) session_.loop().invoke([this] { show(); });
      bool enough = false;
      session_.loop().invoke([&] {
        enough = !recorder_.error().empty() || (options_.seconds > 0 && recorder_.seconds() >= options_.seconds);
      });
      if (enough) return {};
      if (const auto end = session_.ended()) return end->by_peer ? std::string() : end->sentence;
      if (stop.wait(kPollMilliseconds)) return {};
    }
  }

  void show() {
    const double seconds = recorder_.seconds();
    const double kilobits = seconds > 0 ? static_cast<double>(recorder_.file().bytes()) * 8 / 1000 / seconds : 0;
    char line[160];
    std::snprintf(line, sizeof line, "%.1f s  %llu frames  %.0f kbit/s  %llu gaps", seconds,
                  static_cast<unsigned long long>(recorder_.file().frames()), kilobits,
                  static_cast<unsigned long long>(recorder_.gaps()));
    progress_.show(line);
  }

  const RecordOptions& options_;
  bool video_;
  Progress progress_;
  Recorder recorder_;
  std::shared_ptr<webrtc::RtpTransceiver> transceiver_;
  MediaSession session_;
};

int record(const RecordOptions& options) {
  StopSignal stop;
  const auto video = io::MediaWriter::holds_video(options.path);
  if (!video) return fail_with(cat(options.path, " must end in .ivf, .h264, .h265 or .ogg."));
  auto file = io::MediaWriter::create(options.path);
  if (!file) return fail_with(file.error());
  ConsoleLogger log(log_level(options.log));
  const auto trace = open_trace_files(options.trace, log);
  if (!trace) return fail_with(trace.error());
  return Record(options, *video, std::move(*file), log, trace->get()).run(stop);
}

}  // namespace

void add_record(CLI::App& app, int& status) {
  auto options = std::make_shared<RecordOptions>();
  CLI::App* command = app.add_subcommand("record", "Record a stream of a WHEP server as it is, until Ctrl-C.");
  command->add_option("URL", options->url, "The server's WHEP URL")->required();
  command->add_option("OUT", options->path, "File: .ivf (VP8, VP9, AV1), .h264, .h265 or .ogg (Opus)")->required();
  command->add_option("--seconds", options->seconds, "Stop after so long")->type_name("N");
  command->add_option("--wait", options->wait, "How many seconds to wait for the stream to begin")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--token", options->token, "Bearer token")->type_name("SECRET");
  command->add_flag("--insecure", options->insecure, "Accept any certificate of the HTTPS server");
  command->add_option("--log", options->log, "How much to log")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
  add_trace_options(*command, options->trace);
  command->callback([options, &status] { status = record(*options); });
}

}  // namespace kaon::apps
