// Records: headers, epochs, sequence numbers, replay, protection (RFC 6347 §4.1).
#pragma once

#include <optional>

#include "kaon/base/bytes.h"
#include "kaon/base/result.h"
#include "kaon/dtls/internal/protocol.h"
#include "kaon/dtls/internal/record_cipher.h"
#include "kaon/dtls/internal/replay_window.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

/// One record of a datagram, not yet decrypted.
///
///   0        1        3       5             11       13
///   +--------+--------+-------+-------------+--------+----------
///   | type   | version| epoch | sequence    | length | fragment
///   +--------+--------+-------+-------------+--------+----------
struct Record {
  ContentType type{};
  uint16_t version = 0;
  uint16_t epoch = 0;
  uint64_t sequence = 0;
  Bytes fragment;

  uint64_t number() const { return (uint64_t{epoch} << 48) | sequence; }
};

/// The next record of `datagram`, which is shortened by it. After DropReason::Malformed nothing is left of the
/// datagram.
Result<Record, DropReason> next_record(Bytes& datagram);

class RecordLayer {
 public:
  static constexpr uint16_t kProtectedEpoch = 1;
  static constexpr uint64_t kMaxSequence = (uint64_t{1} << 48) - 1;
  /// RFC 9147 §4.5.3 for AES-GCM and ChaCha20-Poly1305.
  static constexpr uint64_t kMaxForgeries = uint64_t{1} << 36;

  explicit RecordLayer(uint64_t max_forgeries = kMaxForgeries) : max_forgeries_(max_forgeries) {}

  /// Keys of epoch 1. Reading begins at once, writing in epoch 1 for who asks for it.
  void install(RecordCipher read, RecordCipher write) {
    read_.emplace(std::move(read));
    write_.emplace(std::move(write));
  }
  bool has_keys() const { return read_.has_value(); }

  /// Bytes that a record adds to its plaintext, and how many of them stand before it.
  size_t overhead(uint16_t epoch) const { return kRecordHeaderSize + (epoch == 0 ? 0 : write_->overhead()); }
  size_t payload_offset(uint16_t epoch) const {
    return kRecordHeaderSize + (epoch == 0 ? 0 : write_->explicit_nonce_size());
  }

  /// Writes a record with the next sequence number of `epoch`: plaintext.size() + overhead(epoch) bytes of `out`.
  /// `plaintext` stands at out + payload_offset(epoch) or apart. Zero if the sequence numbers are used up.
  size_t seal(uint16_t epoch, ContentType type, ByteView plaintext, Bytes out);
  /// The plaintext, in place. Epoch 0 is not checked in any way.
  Result<Bytes, DropReason> open(const Record& record);

  uint64_t forgeries() const { return forgeries_; }
  bool exhausted() const { return next_sequence_[kProtectedEpoch] > kMaxSequence || forgeries_ >= max_forgeries_; }
  /// For tests of the end of the number space, which nobody lives to see.
  void skip_to(uint64_t sequence) { next_sequence_[kProtectedEpoch] = sequence; }

 private:
  uint64_t next_sequence_[2] = {0, 0};
  uint64_t forgeries_ = 0;
  uint64_t max_forgeries_;
  ReplayWindow window_;
  std::optional<RecordCipher> read_;
  std::optional<RecordCipher> write_;
};

}  // namespace kaon::dtls
