// One bulk transfer over a long path in virtual time: how much of the bottleneck it uses and how long the queue gets,
// beside a model of TCP CUBIC on the same path.
//   sim_longpath [--controllers cubic,delay-cubic,new-reno,tcp-cubic] [--rate MBIT] [--rtt MS,...] [--loss PERCENT,...]
//                [--queue BDP,...] [--seconds N] [--seed N] [--timer-tick MS] [--arrival-tick MS] [--json]
// The bottleneck's queue holds so many times the path's product of rate and round trip. Figures are those from a
// quarter of the time to its end. The ticks are those of LongPath: a sender that is not woken at once.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kaon/sctp/test_tcp_cubic.h"

using namespace kaon;
using sctp::test::LongPath;

namespace {

constexpr const char* kUsage =
    "usage: sim_longpath [--controllers cubic,delay-cubic,new-reno,tcp-cubic] [--rate MBIT] [--rtt MS,...] "
    "[--loss PERCENT,...] [--queue BDP,...] [--seconds N] [--seed N] [--timer-tick MS] [--arrival-tick MS] [--json]\n";

struct Controller {
  const char* name;
  sctp::CongestionControlFactory make;  // null: the model of TCP
};
constexpr Controller kControllers[] = {{"cubic", sctp::make_cubic},
                                       {"delay-cubic", sctp::make_delay_cubic},
                                       {"new-reno", sctp::make_new_reno},
                                       {"tcp-cubic", nullptr}};

struct Options {
  LongPath path;
  std::string controllers = "cubic,delay-cubic,new-reno,tcp-cubic";
  std::vector<double> rtts = {20, 100, 300};
  std::vector<double> losses = {0, 0.1, 1};
  std::vector<double> queues = {1};
  bool json = false;
};

std::vector<double> numbers(const char* text) {
  std::vector<double> out;
  for (const char* p = text; *p != '\0';) {
    char* end = nullptr;
    out.push_back(std::strtod(p, &end));
    p = *end == ',' ? end + 1 : end;
    if (end == text) break;
  }
  return out;
}

Duration milliseconds(const char* text) { return Duration(static_cast<int64_t>(1e6 * std::strtod(text, nullptr))); }

bool take(Options& options, const std::string& name, const char* value) {
  if (name == "--controllers") {
    options.controllers = value;
  } else if (name == "--rate") {
    options.path.rate_mbit = std::strtod(value, nullptr);
  } else if (name == "--rtt") {
    options.rtts = numbers(value);
  } else if (name == "--loss") {
    options.losses = numbers(value);
  } else if (name == "--queue") {
    options.queues = numbers(value);
  } else if (name == "--seconds") {
    options.path.duration = 1000 * milliseconds(value);
  } else if (name == "--timer-tick") {
    options.path.timer_tick = milliseconds(value);
  } else if (name == "--arrival-tick") {
    options.path.arrival_tick = milliseconds(value);
  } else if (name == "--seed") {
    options.path.seed = std::strtoull(value, nullptr, 10);
  } else {
    return false;
  }
  return true;
}

bool read(Options& options, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--json") {
      options.json = true;
    } else if (++i >= argc || !take(options, name, argv[i])) {
      return false;
    }
  }
  return true;
}

class Printer {
 public:
  explicit Printer(bool json) : json_(json) {
    if (json_) return;
    std::printf("%6s %7s %6s  %-12s %12s %10s %10s\n", "rtt ms", "loss %", "queue", "", "utilisation", "queue ms",
                "most");
  }
  ~Printer() {
    if (json_) std::printf("]\n");
  }
  void print(const char* name, const LongPath& path, const sctp::test::Figures& figures) {
    const double rtt = std::chrono::duration<double, std::milli>(path.rtt).count();
    const double loss = path.loss * 100;
    if (json_) {
      std::printf(
          "%s{\"who\": \"%s\", \"rtt_ms\": %g, \"loss_percent\": %g, \"queue_bdp\": %g, \"utilisation\": %.6f, "
          "\"queue_ms\": %.2f, \"queue_ms_max\": %.2f}",
          separator_, name, rtt, loss, path.queue_bdp, figures.utilisation, figures.queue_ms_mean,
          figures.queue_ms_max);
      separator_ = ",\n ";
    } else {
      std::printf("%6g %7g %6g  %-12s %12.3f %10.1f %10.1f\n", rtt, loss, path.queue_bdp, name, figures.utilisation,
                  figures.queue_ms_mean, figures.queue_ms_max);
    }
    std::fflush(stdout);
  }

 private:
  bool json_;
  const char* separator_ = "[";
};

bool wanted(const Options& options, const char* name) {
  return ("," + options.controllers + ",").find("," + std::string(name) + ",") != std::string::npos;
}

sctp::test::Figures run(const Controller& controller, const LongPath& path) {
  if (controller.make == nullptr) {
    sctp::test::TcpCubicFlow flow(path);
    return run_alone(path, flow);
  }
  sctp::test::SctpFlow flow(path, controller.make);
  return run_alone(path, flow);
}

void run(const Options& options, const LongPath& path, Printer& printer) {
  for (const Controller& controller : kControllers) {
    if (wanted(options, controller.name)) printer.print(controller.name, path, run(controller, path));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!read(options, argc, argv)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  Printer printer(options.json);
  for (const double rtt : options.rtts) {
    for (const double loss : options.losses) {
      for (const double queue : options.queues) {
        LongPath path = options.path;
        path.rtt = std::chrono::microseconds(static_cast<int64_t>(rtt * 1e3));
        path.loss = loss / 100;
        path.queue_bdp = queue;
        run(options, path, printer);
      }
    }
  }
}
