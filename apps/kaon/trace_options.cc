#include "apps/kaon/trace_options.h"

#include <CLI/CLI.hpp>

#include "apps/kaon/version.h"

namespace kaon::apps {
namespace {

constexpr uint64_t kMegabyte = 1'000'000;

}  // namespace

void add_trace_options(CLI::App& command, io::TraceOptions& options) {
  command
      .add_option("--capture", options.capture,
                  "Write decrypted packets to a pcapng file for Wireshark; who has it has the conversation")
      ->type_name("FILE")
      ->group("Debugging");
  command.add_option("--capture-wire", options.wire_capture, "The same as it was on the wire")
      ->type_name("FILE")
      ->group("Debugging");
  command.add_option("--trace", options.events, "Write what happens to the connections as JSON lines (docs/trace.md)")
      ->type_name("FILE")
      ->group("Debugging");
  command
      .add_option_function<uint64_t>(
          "--trace-limit", [&options](uint64_t megabytes) { options.max_bytes = megabytes * kMegabyte; },
          "Largest size of each of these files, in MB; 1000 unless given")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000}).description(""))
      ->type_name("MB")
      ->group("Debugging");
}

Result<std::unique_ptr<trace::Sink>, std::string> open_trace_files(io::TraceOptions options, Logger& log) {
  if (options.capture.empty() && options.wire_capture.empty() && options.events.empty()) return nullptr;
  options.program = cat_version();
  options.log = &log;
  return io::open_trace(options);
}

}  // namespace kaon::apps
