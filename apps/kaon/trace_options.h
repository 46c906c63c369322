// The options --capture, --capture-wire, --trace and --trace-limit of the commands that make connections.
#pragma once

#include <memory>
#include <string>

#include "kaon/io/trace_file.h"

namespace CLI {
class App;
}

namespace kaon::apps {

/// Adds the options; `options` must live as long as the command.
void add_trace_options(CLI::App& command, io::TraceOptions& options);

/// The files that were asked for, or null if none was. The error is a sentence.
Result<std::unique_ptr<trace::Sink>, std::string> open_trace_files(io::TraceOptions options, Logger& log);

}  // namespace kaon::apps
