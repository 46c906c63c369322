// kaon whip: plays files to a WHIP server.

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>

#include "apps/kaon/commands.h"
#include "apps/kaon/console.h"
#include "apps/kaon/media_session.h"
#include "apps/kaon/signals.h"
#include "apps/kaon/trace_options.h"
#include "kaon/base/text.h"
#include "kaon/webrtc/player.h"

namespace kaon::apps {
namespace {

struct WhipOptions {
  std::vector<std::string> arguments;
  bool loop = false;
  double fps = 30;
  double delay = 0;
  std::string token;
  bool insecure = false;
  std::string log = "warning";
  io::TraceOptions trace;
};

constexpr int kPollMilliseconds = 50;
constexpr int kPollsPerLine = 10;
// After the last packet the receiver may still ask for lost ones.
constexpr auto kRepairTime = std::chrono::milliseconds(500);
constexpr auto kDrainLimit = std::chrono::seconds(10);

struct Sent {
  bool done = false;
  std::string error;
  uint64_t frames = 0;
  uint64_t bytes = 0;
  Duration position{};
};

class Whip {
 public:
  Whip(const WhipOptions& options, std::string url, Logger& log, trace::Sink* trace)
      : options_(options),
        session_({.url = std::move(url), .token = options.token, .insecure = options.insecure, .wait_seconds = 0}, log,
                 trace),
        player_(std::make_unique<webrtc::Player>(session_.loop(), webrtc::PlayerOptions{.repeat = options.loop})) {}

  ~Whip() {
    session_.loop().invoke([this] { player_.reset(); });
  }

  int run(std::vector<std::unique_ptr<io::MediaReader>> files, StopSignal& stop) {
    const auto connected = session_.connect(
        [&](webrtc::PeerConnection& connection) -> Result<void, std::string> {
          for (auto& file : files) {
            if (auto added = player_->add(std::move(file), connection); !added) return fail(added.error());
          }
          return {};
        },
        stop);
    if (!connected) return fail_with(connected.error());
    if (!*connected || stop.wait(static_cast<int>(options_.delay * 1000))) return 0;
    session_.loop().invoke([this] { player_->start(); });
    const std::string error = play(stop);
    progress_.end();
    if (error.empty()) drain(stop);
    session_.close();
    return error.empty() ? 0 : fail_with(error);
  }

 private:
  Sent sent() {
    Sent result;
    session_.loop().invoke([&] {
      result = {player_->done(), player_->error(), player_->frames(), player_->bytes(), player_->position()};
    });
    return result;
  }

  // Until the end of the files, of the connection, or Ctrl-C. Gives what went wrong.
  std::string play(StopSignal& stop) {
    for (int polls = 0;; ++polls) {
      const Sent state = sent();
      if (polls % kPollsPerLine == 0 || state.done) show(state);
      if (!state.error.empty()) return state.error;
      if (state.done) return {};
      if (const auto end = session_.ended()) return end->sentence;
      if (stop.wait(kPollMilliseconds)) return {};
    }
  }

  void show(const Sent& state) {
    const double seconds = std::chrono::duration<double>(state.position).count();
    const double kilobits = seconds > 0 ? static_cast<double>(state.bytes) * 8 / 1000 / seconds : 0;
    const peer::Stats stats = session_.stats();
    uint64_t packets = 0;
    int64_t lost = 0;
    for (const auto& stream : stats.outbound) {
      packets += stream.packets_sent;
      lost += stream.remote_packets_lost;
    }
    const double loss =
        packets > 0 ? 100.0 * static_cast<double>(std::max<int64_t>(lost, 0)) / static_cast<double>(packets) : 0;
    const double rtt =
        std::chrono::duration<double, std::milli>(stats.transport.round_trip_time.value_or(Duration())).count();
    char line[160];
    std::snprintf(line, sizeof line, "%.1f s  %llu frames  %.0f kbit/s  RTT %.1f ms  loss %.1f %%", seconds,
                  static_cast<unsigned long long>(state.frames), kilobits, rtt, loss);
    progress_.show(line);
  }

  // Everything that is queued goes out, and what was lost is repeated, before the session is deleted.
  void drain(StopSignal& stop) {
    const auto limit = std::chrono::steady_clock::now() + kDrainLimit;
    auto quiet_since = std::chrono::steady_clock::now();
    uint64_t packets = 0;
    while (std::chrono::steady_clock::now() < limit && !session_.ended()) {
      uint64_t now_sent = 0;
      for (const auto& stream : session_.stats().outbound) {
        now_sent += stream.packets_sent + stream.retransmitted_packets_sent;
      }
      if (std::exchange(packets, now_sent) != now_sent) quiet_since = std::chrono::steady_clock::now();
      if (std::chrono::steady_clock::now() - quiet_since > kRepairTime || stop.wait(kPollMilliseconds)) return;
    }
  }

  const WhipOptions& options_;
  MediaSession session_;
  std::unique_ptr<webrtc::Player> player_;
  Progress progress_;
};

int whip(const WhipOptions& options) {
  StopSignal stop;
  std::vector<std::string> paths = options.arguments;
  const std::string url = paths.back();
  paths.pop_back();
  // Three decimals of a frame rate are enough for 29.97 and 23.976.
  const container::FrameRate rate{static_cast<uint32_t>(std::lround(options.fps * 1000)), 1000};
  std::vector<std::unique_ptr<io::MediaReader>> files;
  for (const std::string& path : paths) {
    auto file = io::MediaReader::open(path, rate);
    if (!file) return fail_with(file.error());
    files.push_back(std::move(*file));
  }
  ConsoleLogger log(log_level(options.log));
  const auto trace = open_trace_files(options.trace, log);
  if (!trace) return fail_with(trace.error());
  return Whip(options, url, log, trace->get()).run(std::move(files), stop);
}

}  // namespace

void add_whip(CLI::App& app, int& status) {
  auto options = std::make_shared<WhipOptions>();
  CLI::App* command = app.add_subcommand(
      "whip", "Send files to a WHIP server in real time: IVF (VP8, VP9, AV1), H.264 or H.265 byte streams, Ogg Opus.");
  command
      ->add_option("FILE... URL", options->arguments, "One file or more (video and audio), then the server's WHIP URL")
      ->required()
      ->expected(2, 8);
  command->add_flag("--loop", options->loop, "Begin again at the end, without end");
  command->add_option("--fps", options->fps, "Pictures per second of H.264 and H.265 byte streams, which have no times")
      ->check(CLI::Range(1.0, 1000.0))
      ->capture_default_str();
  command
      ->add_option("--delay", options->delay, "Seconds between connecting and the first frame, for viewers to arrive")
      ->type_name("N")
      ->check(CLI::Range(0.0, 3600.0));
  command->add_option("--token", options->token, "Bearer token")->type_name("SECRET");
  command->add_flag("--insecure", options->insecure, "Accept any certificate of the HTTPS server");
  command->add_option("--log", options->log, "How much to log")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
  add_trace_options(*command, options->trace);
  command->callback([options, &status] { status = whip(*options); });
}

}  // namespace kaon::apps
