// Trace events as JSON, one object per line: what docs/trace.md describes.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "kaon/trace/event.h"

namespace kaon::trace {

/// Changes when a reader of older files would no longer understand them.
inline constexpr std::string_view kSchema = "kaon-trace-1";

/// The first line of a file, with its line end: schema, program and version, and the wall-clock time that the times of
/// the events count from.
std::string json_header(std::string_view program, std::chrono::nanoseconds unix_time);

/// Appends {"time":MILLISECONDS,"connection":…,"name":…,"data":{…}} and a line end; the time counts from `start`.
void append_json(std::string& out, const Record& record, Time start);

}  // namespace kaon::trace
