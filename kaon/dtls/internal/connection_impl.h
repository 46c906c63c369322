// The connection: routes records, drives flights and timers, and is the one gate to "connected".
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "kaon/base/reader.h"
#include "kaon/base/ring.h"
#include "kaon/dtls/connection.h"
#include "kaon/dtls/internal/ack.h"
#include "kaon/dtls/internal/flight.h"
#include "kaon/dtls/internal/machine.h"
#include "kaon/dtls/internal/reassembler.h"
#include "kaon/dtls/internal/record_layer.h"

namespace kaon::dtls {

class Connection::Impl {
 public:
  Impl(Env env, Config config);

  void start(Time now);
  void accept(const AdmittedHello& hello, Time now);
  void handle_packet(Bytes packet, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const;
  std::optional<net::Transmit> poll_transmit(Bytes out);
  std::optional<Event> poll_event();
  std::optional<Bytes> poll_application_data();
  size_t overhead() const;
  size_t payload_offset() const;
  size_t protect(ByteView plaintext, Bytes out);
  Result<void, Error> export_keying_material(std::string_view label, ByteView context, Bytes out) const;
  void set_remote_fingerprints(std::vector<crypto::Fingerprint> fingerprints);
  void set_rtt(Duration rtt) { timeout_.set_rtt(rtt); }
  void path_ready(bool flight_lost, Time now);
  void peer_has_keys() { peer_has_keys_ = true; }
  Result<void, Error> update_keys();
  void set_mtu(size_t mtu) { mtu_ = mtu; }
  bool peer_may_have_moved() const { return connected() && newest_has_id_; }
  ByteView remote_connection_id() const { return records_.peer_connection_id(); }
  Result<size_t, Error> check_path(Bytes out, Time now);
  size_t answer_path_check(Bytes out);
  Result<void, Error> send_new_connection_ids(const std::vector<std::vector<uint8_t>>& ids, ConnectionIdUsage usage);
  Result<void, Error> request_connection_ids(uint8_t count);
  bool use_spare_connection_id();
  void forget_connection_id(ByteView id) { records_.forget_connection_id(id); }
  void close();
  bool connected() const { return state_ == State::Connected; }
  bool writable() const;
  const Counters<DropReason>& dropped() const { return dropped_; }

 private:
  /// New: not started. Verifying: handshake finished, fingerprints not known yet.
  enum class State : uint8_t { New, Handshaking, Verifying, Connected, Closed };
  enum Timer : size_t { kRetransmit, kHandshake, kFinalFlight, kAck, kPathCheck, kTimers };

  /// What is needed until the handshake is finished; freed then.
  struct Handshake {
    explicit Handshake(Config c);
    Config config;
    HandshakeMachine machine;
    Reassembler reassembler;
    /// Message number that completes the flight which ours answers: seen again, ours was lost.
    std::optional<uint16_t> answered;
    /// Protected records that came before their keys, with headers.
    std::vector<std::vector<uint8_t>> ahead;
    /// What a timeout would best be explained by.
    std::string hint;
  };
  struct PendingAlert {
    bool fatal;
    AlertDescription description;
  };

  /// False if what follows in the datagram is not ours.
  bool handle_record(const Record& record, Time now);
  bool handle_protected(const Record& record, Time now);
  void handle_opened(const RecordLayer::Opened& record, Time now);
  void handle_protected_handshake(const RecordLayer::Opened& record, Time now);
  void keep_for_later(const Record& record);
  /// Records that came before their keys.
  void open_kept_records(std::vector<std::vector<uint8_t>> kept, Time now);
  void handle_handshake(uint64_t epoch, ByteView payload, Time now);
  /// The peer has nothing more to say in the epoch of the handshake (1.3).
  void refuse_excess(Reader& reader, uint64_t epoch);
  void handle_fragment(const Fragment& fragment, Time now);
  void handle_messages(Time now);
  bool handle_step(const HandshakeMessage& message, Step step, Time now);
  void handle_alert(ByteView payload);
  void handle_hint(ByteView payload);
  void handle_application_data(Bytes payload);
  void resend_if_lost(const Fragment& fragment, Time now);
  void resend_final_flight(ByteView payload);
  void flight_ready(Time now);
  void flight_sent_again(Time now);
  void flight_done();
  void finish(const HandshakeMessage& last, Time now);
  void finish12(const HandshakeMessage& last);
  void finish13(Time now);

  // After the handshake of 1.3 (post_handshake13.cc).
  bool is13() const { return session_.version == Version::Dtls13; }
  void handle_ack(ByteView payload, Time now);
  void handle_final_flight_again(Time now);
  void handle_post_handshake(const RecordLayer::Opened& record, Time now);
  void handle_post_handshake_message(const HandshakeMessage& message);
  void handle_key_update(const HandshakeMessage& message);
  void forget_handshake_keys();
  void begin_key_update(Time now);
  void complete_key_update();
  // Connection ids of 1.3 (connection_ids13.cc).
  void handle_new_connection_id(const HandshakeMessage& message);
  void handle_request_connection_id(const HandshakeMessage& message);
  bool fits(ByteView id) const { return id.size() + kMinMtu <= mtu_; }
  bool waits_to_be_said() const;
  void begin_post_handshake(Time now);
  size_t write_ack(Bytes out);

  // Return routability checks (path_checks.cc).
  using PathCookie = std::array<uint8_t, Connection::kPathMessageSize - 1>;
  void handle_path_message(ByteView payload);
  void end_path_check(bool answered);

  void log_keys();
  void verify_fingerprint();
  void fail(const Failure& failure);
  void end(CloseReason reason, std::string detail);
  HandshakeContext context() {
    return {env_, handshake_->config, remote_fingerprints_, records_, flight_, session_, mtu()};
  }
  size_t mtu() const { return std::max(mtu_, kMinMtu + records_.peer_connection_id().size()); }
  size_t write_alert(Bytes out);

  Env env_;
  Role role_;
  State state_ = State::New;
  bool key_log_;
  uint64_t records_per_key_;
  size_t mtu_;
  std::array<Time, kTimers> deadlines_;
  RecordLayer records_;
  Flight flight_;
  RetransmitTimeout timeout_;
  Time last_sent_{};
  Session session_;
  std::unique_ptr<Handshake> handshake_;
  std::vector<crypto::Fingerprint> remote_fingerprints_;
  /// The peer's Finished, to know it again when our answer to it was lost (1.2).
  uint16_t peer_finished_sequence_ = 0;
  /// The peer's next message after the handshake, and its fragments if it comes in several (1.3).
  uint16_t next_message_ = 0;
  std::unique_ptr<Reassembler> reassembler_;
  /// Of 1.3: what the next ACK names, and whether it is to be sent now.
  ReceivedRecords to_acknowledge_;
  bool ack_due_ = false;
  /// KeyUpdate: wanted as soon as nothing else waits for an ACK, and waiting for its own.
  bool key_update_wanted_ = false;
  bool key_update_sent_ = false;
  /// RFC 9147 §9, made when first used.
  struct ConnectionIds {
    /// The peer's, not used yet, in its order.
    std::vector<std::vector<uint8_t>> spare;
    /// Bodies of messages of ours that wait until nothing else does.
    std::optional<std::vector<uint8_t>> new_ids;
    std::optional<uint8_t> request;
    /// One of them is in the flight. It never is there together with a KeyUpdate, which would take its keys away.
    std::optional<HandshakeType> sent;
    /// Ours that the peer has not answered, and the peer's that we have not.
    bool asked = false;
    bool asked_by_peer = false;
  };
  std::unique_ptr<ConnectionIds> ids_;
  ConnectionIds& ids() {
    if (!ids_) ids_ = std::make_unique<ConnectionIds>();
    return *ids_;
  }
  /// What records of ours that carry an id carry; known before it is negotiated.
  size_t our_id_size_;
  bool newest_has_id_ = false;
  /// Of our check that runs, and of the peer's in the last packet.
  std::optional<PathCookie> path_challenge_;
  std::optional<PathCookie> peers_path_challenge_;
  bool path_event_waits_ = false;
  std::optional<PendingAlert> alert_;
  Ring<Event> events_;
  /// Application data has come, or SRTP.
  bool peer_has_keys_ = false;
  bool opens_kept_ = false;  // open_kept_records() is at work
  Ring<Bytes> received_;
  Ring<std::vector<uint8_t>> early_;
  size_t early_bytes_ = 0;
  std::vector<uint8_t> early_taken_;
  Counters<DropReason> dropped_;
};

}  // namespace kaon::dtls
