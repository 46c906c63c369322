// Puts handshake messages together out of fragments (RFC 6347 §4.2.3).
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/reader.h"
#include "kaon/base/result.h"
#include "kaon/dtls/internal/protocol.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

/// A fragment with its header.
///
///   0      1        4            6                 9                 12
///   +------+--------+------------+-----------------+-----------------+------
///   | type | length | message_seq| fragment_offset | fragment_length | bytes
///   +------+--------+------------+-----------------+-----------------+------
struct Fragment {
  HandshakeType type{};
  uint32_t length = 0;
  uint16_t sequence = 0;
  uint32_t offset = 0;
  ByteView bytes;
  uint64_t epoch = 0;

  bool ends_message() const { return offset + bytes.size() == length; }
  /// Reads one of possibly several fragments of a record; nothing if it is malformed.
  static std::optional<Fragment> parse(Reader& reader, uint64_t epoch);
};

/// A whole message.
struct HandshakeMessage {
  HandshakeType type{};
  uint16_t sequence = 0;
  uint64_t epoch = 0;
  std::vector<uint8_t> body;
};

/// Collects the messages of the peer in their order. Fragments of epoch 0 come from anybody, so nothing they say
/// sticks: one that contradicts what is there starts its message anew, and a liar costs a retransmission at most.
/// Fragments of a higher epoch, which are authenticated, displace those of a lower one and not the other way round.
class Reassembler {
 public:
  /// Messages held at once, the next one included: more than the longest flight has.
  static constexpr size_t kMaxMessages = 8;
  /// Bytes held at once.
  static constexpr size_t kMaxBytes = 32 * 1024;

  /// `next` is the number of the first message.
  explicit Reassembler(uint16_t next = 0) : next_(next) {}

  Result<void, DropReason> add(const Fragment& fragment);
  /// The next message in order, if it is complete.
  std::optional<HandshakeMessage> take();
  /// Expect the message that take() gave once more: it was not the peer's.
  void expect_again() { --next_; }
  uint16_t next_sequence() const { return next_; }
  /// Whether it holds something of another epoch than the clear.
  bool holds_protected() const;
  size_t memory() const { return bytes_held_; }

 private:
  struct Partial {
    HandshakeType type{};
    uint64_t epoch = 0;
    bool used = false;
    size_t missing = 0;
    std::vector<uint8_t> body;
    std::vector<bool> have;
  };
  Partial& slot(uint16_t sequence) { return partials_[sequence % kMaxMessages]; }
  void clear(Partial& partial);
  bool make_room(const Fragment& fragment);
  Result<void, DropReason> begin(Partial& partial, const Fragment& fragment);
  static bool contradicts(const Partial& partial, const Fragment& fragment);

  std::array<Partial, kMaxMessages> partials_;
  size_t bytes_held_ = 0;
  uint16_t next_;
};

}  // namespace kaon::dtls
