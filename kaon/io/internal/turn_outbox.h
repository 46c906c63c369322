// Packets on their way out of a TURN server, put together to runs.
#pragma once

#include <array>
#include <vector>

#include "kaon/io/sender.h"

namespace kaon::io {

/// Collects packets in memory that it is given, and hands them to their sockets in order of arrival per socket. Packets
/// of one size that follow each other to one destination become a run.
class TurnOutbox {
 public:
  /// Packets of one run, as UDP_SEGMENT has it, and bytes.
  static constexpr size_t kMaxSegments = 64;
  static constexpr size_t kMaxRun = 65000;
  /// Runs that are collected before they are sent.
  static constexpr size_t kMaxRuns = 64;

  explicit TurnOutbox(Bytes memory) : memory_(memory) {}

  /// Where the next packet may be written.
  Bytes room() const { return memory_.subspan(used_); }
  bool full(size_t size) const { return room().size() < size || runs_.size() == kMaxRuns; }
  /// The packet stands at the front of room().
  void add(Sender& sender, const net::Transmit& transmit) {
    const Bytes bytes = room().first(transmit.size);
    used_ += transmit.size;
    if (!runs_.empty() && extend(runs_.back(), sender, transmit)) return;
    runs_.push_back({&sender, {transmit, bytes}});
  }
  /// Returns how many packets did not fit into their sockets.
  size_t flush();

 private:
  struct Run {
    Sender* sender;
    Outgoing outgoing;
  };

  static bool extend(Run& run, const Sender& sender, const net::Transmit& next);

  Bytes memory_;
  size_t used_ = 0;
  std::vector<Run> runs_;
  std::vector<Outgoing> batch_;
};

}  // namespace kaon::io
