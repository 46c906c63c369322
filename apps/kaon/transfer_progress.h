// How far a transfer is, for the progress line of send and receive.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace kaon::apps {

/// Written on the loop, read by the main thread.
struct TransferState {
  std::atomic<uint64_t> size{0};
  std::atomic<uint64_t> position{0};
  /// Where this transfer began: not 0 when one is resumed.
  std::atomic<uint64_t> begin{0};
  std::atomic<bool> moving{false};
  std::atomic<bool> done{false};
};

/// "45.2 MB of 1.20 GB   38 %  112 MB/s  9 s left".
std::string progress_text(const TransferState& state, std::chrono::duration<double> elapsed);
/// "1.20 GB in 11.3 s, 106 MB/s".
std::string summary_text(const TransferState& state, std::chrono::duration<double> elapsed);

}  // namespace kaon::apps
