// The messages we sent last, kept until the peer shows that it has them (RFC 6347 §4.2.4, RFC 9147 §5.7).
#pragma once

#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/time.h"
#include "kaon/base/writer.h"
#include "kaon/dtls/internal/protocol.h"
#include "kaon/dtls/internal/record_layer.h"

namespace kaon::dtls {

/// The plaintext of one flight; each transmission makes new records of it, as record numbers are never used twice.
class Flight {
 public:
  /// So many times messages share records; from then on in turns with each having one of its own.
  static constexpr size_t kTogether = 3;
  /// Fragments that are remembered to understand ACKs; of more, the oldest are forgotten and sent again at worst.
  static constexpr size_t kMaxSentFragments = 128;

  /// The next message has this number.
  void number_from(uint16_t sequence) { next_sequence_ = sequence; }
  /// Forgets the messages; message numbers go on.
  void begin() {
    messages_.clear();
    sent_.clear();
    times_ = 0;
    rewind();
  }
  /// Adds a message and returns it in the form that goes into the transcript: whole, with its header.
  std::vector<uint8_t> add(HandshakeType type, uint64_t epoch, ByteView body);
  void add_change_cipher_spec();

  bool empty() const { return messages_.empty(); }
  bool pending() const { return next_ < messages_.size(); }
  /// Send all again that is not acknowledged.
  void rewind() {
    next_ = offset_ = 0;
    if (times_++ == 1) several_ = took_several_records();
    apart_ = times_ > kTogether && times_ % 2 == 0 && several_;
    skip_acknowledged();
  }
  /// Forgets the messages and gives the memory back; message numbers go on.
  void release() {
    const uint16_t next_sequence = next_sequence_;
    *this = Flight();
    next_sequence_ = next_sequence;
  }
  /// The peer has this record of the flight (1.3).
  void acknowledge(RecordNumber number);
  /// The peer has all messages of lower epochs, however it showed that (1.3).
  void acknowledge_below(uint64_t epoch);
  bool acknowledged_below(uint64_t epoch) const;
  bool all_acknowledged() const { return acknowledged_below(UINT64_MAX); }
  /// Packs what is pending into one datagram of at most out.size() bytes (at least kMinMtu): as many messages as fit,
  /// split where they do not, and in 1.3 those of an epoch in one record, but for kTogether. Zero if the sequence
  /// numbers are used up.
  size_t write_datagram(RecordLayer& records, Bytes out);

 private:
  struct Message {
    ContentType content{};
    HandshakeType type{};
    uint64_t epoch = 0;
    uint16_t sequence = 0;
    std::vector<uint8_t> body;
    /// Byte by byte; made with the first ACK.
    std::vector<bool> acknowledged = {};
  };
  /// A part of a message, and the record that it went out in; there may be others in the same.
  struct SentFragment {
    RecordNumber number;
    size_t message;
    size_t offset;
    size_t size;
  };
  void skip_acknowledged();
  bool took_several_records() const;
  size_t write_record(RecordLayer& records, Bytes out, bool first);
  bool write_fragment(RecordNumber number, Writer& payload, size_t room, bool however_small);

  std::vector<Message> messages_;
  std::vector<SentFragment> sent_;
  size_t next_ = 0;       // message to send next
  size_t offset_ = 0;     // where in its body
  size_t times_ = 0;      // sent
  bool several_ = false;  // records, the first time
  bool apart_ = false;    // each message in a record of its own
  uint16_t next_sequence_ = 0;
};

/// The doubling timeout of retransmissions.
class RetransmitTimeout {
 public:
  /// Below this nobody retransmits, whatever the round-trip time: a scheduler's hiccup is longer.
  static constexpr Duration kMin = std::chrono::milliseconds(50);

  RetransmitTimeout(Duration initial, Duration max) : initial_(std::min(initial, max)), current_(initial_), max_(max) {}
  void set_rtt(Duration rtt) { initial_ = std::clamp(rtt + rtt / 2, std::min(kMin, max_), max_); }
  void reset() { current_ = initial_; }
  void back_off() { current_ = std::min(current_ * 2, max_); }
  Duration current() const { return current_; }

 private:
  Duration initial_;
  Duration current_;
  Duration max_;
};

}  // namespace kaon::dtls
