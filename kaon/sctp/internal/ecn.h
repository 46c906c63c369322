// Explicit Congestion Notification: RFC 4960 Appendix A and draft-stewart-tsvwg-sctpecn, with the numbers that RFC 9260
// keeps for it; the bits of IP are those of RFC 3168.
#pragma once

#include <optional>

#include "kaon/sctp/internal/packet.h"

namespace kaon::sctp {

//  |                       Lowest TSN Number                       |
//  |            Packets marked since the last CWR (ECNE)           |  draft-stewart-tsvwg-sctpecn
/// Value of ECNE and CWR. The RFC's ECNE ends after the TSN; usrsctp reads no further in a packet with that form.
struct EcnChunk {
  static constexpr size_t kSize = 4;
  static constexpr size_t kEchoSize = 8;
  static std::optional<Tsn> parse(ByteView value) {
    if (value.size() < kSize) return std::nullopt;
    return Tsn(load_be32(value.data()));
  }
};

/// What each side still has to tell the other.
class Ecn {
 public:
  /// A packet with new data, of which this is the first TSN, was marked on its way to us.
  void marked(Tsn tsn) {
    if (!echo_ || tsn.newer_than(*echo_)) echo_ = tsn;
    ++packets_;
  }
  /// To be told with every SACK, until the peer says that it has reduced its window.
  bool has_echo() const { return echo_.has_value(); }
  void write_echo(Bytes out) const {
    store_be32(out.data(), echo_->value());
    store_be32(out.data() + 4, packets_);
  }
  void handle_reduced(Tsn tsn) {
    if (!echo_ || echo_->newer_than(tsn)) return;
    echo_.reset();
    packets_ = 0;
  }

  /// What the peer told; also if it is not news, because our last CWR may be lost.
  void answer(Tsn tsn) { reduced_ = tsn; }
  bool has_answer() const { return reduced_.has_value(); }
  /// has_answer() is true.
  Tsn take_answer() { return *std::exchange(reduced_, std::nullopt); }

  /// Packets with data say that they can be marked.
  bool marks() const { return marks_; }
  void set_marks(bool marks) { marks_ = marks; }

 private:
  std::optional<Tsn> echo_;
  uint32_t packets_ = 0;
  std::optional<Tsn> reduced_;
  bool marks_ = false;
};

}  // namespace kaon::sctp
