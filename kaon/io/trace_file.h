// Traces of connections as files: captures for Wireshark, events as JSON lines.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kaon/base/log.h"
#include "kaon/base/result.h"
#include "kaon/trace/sink.h"

namespace kaon::io {

struct TraceOptions {
  /// pcapng of everything without its encryption: RTP and RTCP over UDP, SCTP over IP, STUN and DTLS as they were. Who
  /// has it has the conversation. Empty for none.
  std::string capture = {};
  /// pcapng of the datagrams as they were; with a TLS key log it can be decrypted too. Empty for none.
  std::string wire_capture = {};
  /// JSON lines, docs/trace.md. Empty for none.
  std::string events = {};
  /// Each file ends before it would become larger; what comes then is left out.
  uint64_t max_bytes = 1'000'000'000;
  /// Name and version of the program, for the files.
  std::string program = "kaon";
  /// Told once per file that has become full or could not be written; null for silence. Must outlive the sink.
  Logger* log = nullptr;
};

/// Writes the files of `options`. Any thread; it waits for the disk, so a slow one slows the loops. Files are complete
/// when the sink is destroyed, and new ones are readable by their owner alone; until then up to a second of packets may
/// be missing. The error is a sentence.
Result<std::unique_ptr<trace::Sink>, std::string> open_trace(const TraceOptions& options);

}  // namespace kaon::io
