// Acknowledgements of DTLS 1.3 (RFC 9147 §7).
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/dtls/internal/record_layer.h"

namespace kaon::dtls {

/// Records with handshake messages that came since our last ACK.
class ReceivedRecords {
 public:
  /// More than the longest flight takes at the smallest MTU we use; of more, the oldest are forgotten.
  static constexpr size_t kMax = 64;

  void add(RecordNumber number);
  void remove(RecordNumber number) { std::erase(numbers_, number); }
  bool empty() const { return numbers_.empty(); }
  /// Forgets them and gives the memory back.
  void clear() { numbers_ = {}; }
  /// The body of an ACK with as many of them as fit into `out`, newest preferred, in ascending order; its size.
  size_t write(Bytes out) const;

 private:
  std::vector<RecordNumber> numbers_;
};

/// The records that an ACK names; nothing if it is malformed.
std::optional<std::vector<RecordNumber>> parse_ack(ByteView body);

}  // namespace kaon::dtls
