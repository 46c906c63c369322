// Records: headers, epochs, sequence numbers, replay, protection (RFC 6347 §4.1, RFC 9147 §4).
#pragma once

#include <array>
#include <optional>
#include <variant>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/result.h"
#include "kaon/dtls/internal/protocol.h"
#include "kaon/dtls/internal/record_cipher12.h"
#include "kaon/dtls/internal/record_cipher13.h"
#include "kaon/dtls/internal/replay_window.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

/// One record of a datagram, not yet decrypted. In the clear and in DTLS 1.2:
///
///   0        1        3       5             11       13
///   +--------+--------+-------+-------------+--------+----------
///   | type   | version| epoch | sequence    | length | fragment
///   +--------+--------+-------+-------------+--------+----------
///
/// With a connection id of 1.2 (RFC 9146 §4) the type is 25 and the id stands before the length. Protected in 1.3 the
/// unified header, with C for a connection id, S for a sequence number of 16 bits instead of 8, L for a length, and the
/// two lowest bits of the epoch:
///
///   0 1 2 3 4 5 6 7
///   +-+-+-+-+-+-+-+-+---------------+------------------------+-----------------+----------
///   |0|0|1|C|S|L|E E| connection id | encrypted sequence 1/2 | length 0/2      | fragment
///   +-+-+-+-+-+-+-+-+---------------+------------------------+-----------------+----------
struct Record {
  bool unified = false;
  /// Not known before open() if unified.
  ContentType type{};
  uint16_t version = 0;
  /// Its two lowest bits if unified.
  uint16_t epoch = 0;
  /// Not known before open() if unified.
  uint64_t sequence = 0;
  /// Empty if the record has none.
  ByteView connection_id;
  /// A record before it in its datagram had one.
  bool follows_connection_id = false;
  Bytes header;
  Bytes fragment;

  uint64_t number() const { return (uint64_t{epoch} << 48) | sequence; }
};

/// The next record of `datagram`, which is shortened by it. After DropReason::Malformed nothing is left of the
/// datagram. `id_size` is that of the connection ids in it, which no record tells; with none, a record that has one is
/// of an unknown type in 1.2 and malformed in 1.3.
Result<Record, DropReason> next_record(Bytes& datagram, size_t id_size = 0);

/// Names a record in an ACK (RFC 9147 §7).
struct RecordNumber {
  uint64_t epoch = 0;
  uint64_t sequence = 0;
  bool operator==(const RecordNumber&) const = default;
};

class RecordLayer {
 public:
  static constexpr uint64_t kMaxSequence = (uint64_t{1} << 48) - 1;
  /// Records under one key of 1.3 (RFC 8446 §5.5: 2^24.5 of full size). New keys come long before, unless the peer
  /// never acknowledges them.
  static constexpr uint64_t kMaxRecordsPerKey13 = 23'726'566;
  /// RFC 9147 §4.5.3 for AES-GCM and ChaCha20-Poly1305.
  static constexpr uint64_t kMaxForgeries = uint64_t{1} << 36;

  explicit RecordLayer(uint64_t max_forgeries = kMaxForgeries) : max_forgeries_(max_forgeries) {
    write_.push_back({kEpochClear, {}});
  }

  /// Keys of DTLS 1.2. Reading begins at once, writing in epoch 1 for who asks for it.
  void install(RecordCipher12 read, RecordCipher12 write) {
    read_.push_back({kEpochProtected12, std::move(read)});
    write_.push_back({kEpochProtected12, std::move(write)});
  }
  /// Keys of one direction and epoch of DTLS 1.3. Epochs are installed in ascending order.
  void install_read(uint64_t epoch, RecordCipher13 cipher) { read_.push_back({epoch, std::move(cipher)}); }
  void install_write(uint64_t epoch, RecordCipher13 cipher) { write_.push_back({epoch, std::move(cipher)}); }
  /// Forgets the keys of epochs below `epoch`; the clear always stays.
  void forget_read_below(uint64_t epoch);
  void forget_write_below(uint64_t epoch);
  /// Forgets all keys but those that `epoch` is written with. With kEpochClear there are none any more.
  void forget_all_but_writing(uint64_t epoch);

  /// Connection ids from here on, in protected records only: `ours` of those that are read, one of which each has to
  /// carry, `peers` of those that are written. Empty: none in that direction.
  void use_connection_ids(std::vector<uint8_t> ours, std::vector<uint8_t> peers);
  void accept_connection_id(std::vector<uint8_t> ours) { our_ids_.push_back(std::move(ours)); }
  void forget_connection_id(ByteView ours);
  void write_connection_id(std::vector<uint8_t> peers) { peer_id_ = std::move(peers); }
  const std::vector<std::vector<uint8_t>>& our_connection_ids() const { return our_ids_; }
  ByteView peer_connection_id() const { return peer_id_; }

  /// Whether there are keys for this protected record.
  bool can_open(const Record& record) const { return find_read(record) < read_.size(); }
  /// How many epochs can be read: grows when keys are installed.
  size_t readable_epochs() const { return read_.size(); }
  /// Highest epoch that can be read.
  uint64_t newest_read_epoch() const { return read_.empty() ? kEpochClear : read_.back().epoch; }

  /// The most bytes that a record adds to its plaintext, and how many of them stand before it. Only CBC may add less.
  size_t overhead(uint64_t epoch) const;
  size_t payload_offset(uint64_t epoch) const;

  /// Writes a record with the next sequence number of `epoch` into `out` of at least plaintext.size() + overhead(epoch)
  /// bytes. `plaintext` stands at out + payload_offset(epoch) or apart. Returns the record's size; zero if the sequence
  /// numbers or the key are used up.
  size_t seal(uint64_t epoch, ContentType type, ByteView plaintext, Bytes out);
  /// Whether seal() in `epoch` gives nothing any more.
  bool used_up(uint64_t epoch) const;
  /// The sequence number that the next seal() in `epoch` uses.
  uint64_t next_sequence(uint64_t epoch) const { return write_[find_write(epoch)].next_sequence; }

  struct Opened {
    ContentType type{};
    RecordNumber number;
    Bytes plaintext;
    /// It comes after all records that were opened before, by epoch and number.
    bool newest = false;
  };
  /// Decrypts a protected record in place.
  Result<Opened, DropReason> open(const Record& record);

  /// Forged records under all keys that are in use.
  uint64_t forgeries() const;
  /// The epoch that is written last is used up, or one key was attacked too often.
  bool exhausted() const;
  /// The next record in the clear has this number (RFC 6347 §4.2.1: behind a cookie, that of the ClientHello).
  void number_clear_from(uint64_t sequence) { write_.front().next_sequence = sequence; }
  /// For tests of the end of the number space, which nobody lives to see.
  void skip_to(uint64_t sequence) { write_.back().next_sequence = sequence; }

 private:
  using Cipher = std::variant<std::monostate, RecordCipher12, RecordCipher13>;
  struct ReadEpoch {
    uint64_t epoch;
    Cipher cipher;
    ReplayWindow window = {};
    uint64_t forgeries = 0;
  };
  struct WriteEpoch {
    uint64_t epoch;
    Cipher cipher;
    uint64_t next_sequence = 0;
  };

  static uint64_t last_sequence(const WriteEpoch& write);
  /// Index into read_; its size if there are no keys.
  size_t find_read(const Record& record) const;
  /// Index into write_; asserts that there are keys.
  size_t find_write(uint64_t epoch) const;
  bool carries_our_id(const Record& record) const;
  size_t seal12(WriteEpoch& write, RecordCipher12& cipher, ContentType type, uint64_t sequence, ByteView plaintext,
                Bytes out);
  static void write_record(const WriteEpoch& epoch, ContentType type, uint64_t sequence, ByteView id, Bytes out);
  void write_unified_record(WriteEpoch& epoch, ContentType type, uint64_t sequence, size_t size, Bytes out) const;
  static Result<Opened, DropReason> open12(ReadEpoch& epoch, RecordCipher12& cipher, const Record& record);
  static Result<Opened, DropReason> open13(ReadEpoch& epoch, RecordCipher13& cipher, const Record& record);

  uint64_t max_forgeries_;
  // In ascending order of epochs, seldom more than two.
  std::vector<ReadEpoch> read_;
  std::vector<WriteEpoch> write_;
  std::vector<std::vector<uint8_t>> our_ids_;
  std::vector<uint8_t> peer_id_;
  RecordNumber newest_;
};

}  // namespace kaon::dtls
