#include "kaon/dtls/internal/connection_impl.h"

#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/base/text.h"

namespace kaon::dtls {

namespace {

constexpr std::string_view kModule = "dtls";
/// Protected records kept until there are keys: a Finished that overtook its flight, and little more.
constexpr size_t kMaxRecordsAhead = 8;
constexpr size_t kMaxRecordAhead = 1500;
/// RFC 6347 §4.2.4, RFC 9147 §5.8.1: twice the maximum segment lifetime.
constexpr Duration kFinalFlightLifetime = std::chrono::seconds(240);
constexpr uint8_t kFatal = 2;
constexpr uint8_t kWarning = 1;
constexpr size_t kAlertSize = 2;

}  // namespace

Connection::Impl::Handshake::Handshake(Config c) : config(std::move(c)), machine(config.role) {}

Connection::Impl::Impl(Env env, Config config)
    : env_(env),
      role_(config.role),
      key_log_(config.key_log),
      records_per_key_(config.records_per_key),
      mtu_(config.mtu),
      timeout_(config.initial_timeout, config.max_timeout),
      handshake_(std::make_unique<Handshake>(std::move(config))),
      remote_fingerprints_(std::move(handshake_->config.remote_fingerprints)),
      our_id_size_(handshake_->config.connection_id ? handshake_->config.connection_id->size() : 0) {
  KAON_ASSERT(our_id_size_ <= kMaxConnectionIdSize);
  for (const std::string& name : handshake_->config.alpn)
    KAON_ASSERT(!name.empty() && name.size() <= kMaxProtocolNameSize);
  deadlines_.fill(kNever);
}

void Connection::Impl::start(Time now) {
  if (state_ != State::New) return;
  state_ = State::Handshaking;
  deadlines_[kHandshake] = now + handshake_->config.handshake_timeout;
  HandshakeContext with = context();
  handshake_->machine.start(with);
  if (flight_.pending()) flight_ready(now);
}

void Connection::Impl::accept(const AdmittedHello& hello, Time now) {
  if (state_ != State::New || role_ != Role::Server) return;
  start(now);
  handshake_->reassembler = Reassembler(hello.message_sequence);
  flight_.number_from(hello.message_sequence);
  records_.number_clear_from(hello.record_sequence);
  if (hello.version == Version::Dtls13) {
    session_.version = Version::Dtls13;
    handshake_->machine.go_on_behind(hello);
  }
  const auto size = static_cast<uint32_t>(hello.body.size());
  handle_fragment({HandshakeType::ClientHello, size, hello.message_sequence, 0, hello.body, kEpochClear}, now);
}

void Connection::Impl::path_ready(bool flight_lost, Time now) {
  if (handshake_ && deadlines_[kHandshake] != kNever)
    deadlines_[kHandshake] = now + handshake_->config.handshake_timeout;
  timeout_.reset();
  if (deadlines_[kRetransmit] == kNever) return;
  if (flight_lost) flight_.rewind();
  flight_sent_again(now);
}

void Connection::Impl::flight_ready(Time now) {
  timeout_.reset();
  flight_sent_again(now);
  // What we send next tells the peer that all of its flight is here.
  to_acknowledge_.clear();
  deadlines_[kAck] = kNever;
}

void Connection::Impl::flight_sent_again(Time now) {
  last_sent_ = now;
  deadlines_[kRetransmit] = now + timeout_.current();
}

void Connection::Impl::flight_done() {
  flight_.release();
  deadlines_[kRetransmit] = kNever;
  deadlines_[kFinalFlight] = kNever;
}

void Connection::Impl::handle_packet(Bytes packet, Time now) {
  if (!received_.empty()) {
    dropped_.add(DropReason::NotPolled, received_.size());
    received_.clear();
  }
  if (state_ == State::New && role_ == Role::Server) start(now);
  if (state_ == State::New) return dropped_.add(DropReason::AfterClose);
  newest_has_id_ = false;
  peers_path_challenge_.reset();
  begin_post_handshake(now);
  bool with_id = false;
  while (!packet.empty()) {
    if (state_ == State::Closed) return dropped_.add(DropReason::AfterClose);
    auto record = next_record(packet, our_id_size_);
    if (!record) {
      dropped_.add(record.error());
      continue;
    }
    record->follows_connection_id = with_id;
    with_id = with_id || !record->connection_id.empty();
    if (!handle_record(*record, now)) return;
  }
}

bool Connection::Impl::handle_record(const Record& record, Time now) {
  if (record.unified || record.epoch != 0) return handle_protected(record, now);
  // In the clear only the handshake itself is looked at, whoever wants us to believe otherwise.
  if (record.type == ContentType::Handshake && handshake_) {
    handle_handshake(0, record.fragment, now);
    return true;
  }
  if (record.type == ContentType::Alert && handshake_) handle_hint(record.fragment);
  if (record.type != ContentType::ChangeCipherSpec) dropped_.add(DropReason::Unauthenticated);
  return true;
}

bool Connection::Impl::handle_protected(const Record& record, Time now) {
  if (handshake_ && !records_.can_open(record)) {
    keep_for_later(record);
    return true;
  }
  const auto opened = records_.open(record);
  if (opened) {
    newest_has_id_ = newest_has_id_ || (opened->newest && !record.connection_id.empty());
    handle_opened(*opened, now);
    return true;
  }
  dropped_.add(opened.error());
  if (records_.exhausted()) end(CloseReason::KeyLimit, "too many forged records");
  // RFC 9147 §4: with an id of another association, what follows is not ours either.
  return opened.error() != DropReason::WrongConnectionId || record.connection_id.empty();
}

void Connection::Impl::handle_opened(const RecordLayer::Opened& record, Time now) {
  if (record.plaintext.size() > kMaxRecordPlaintext)
    return fail({AlertDescription::RecordOverflow, "record with too much in it"});
  switch (record.type) {
    case ContentType::ApplicationData:
      if (record.number.epoch == kEpochHandshake13) break;
      return handle_application_data(record.plaintext);
    case ContentType::Handshake: return handle_protected_handshake(record, now);
    case ContentType::Alert: return handle_alert(record.plaintext);
    case ContentType::Ack:
      if (is13()) return handle_ack(record.plaintext, now);
      break;
    case ContentType::ReturnRoutability:
      if (session_.return_routability && connected()) return handle_path_message(record.plaintext);
      break;
    case ContentType::None:
    case ContentType::ChangeCipherSpec:
    case ContentType::Tls12Cid: break;
  }
  // RFC 8446 §5: nobody but the peer can have made it. In 1.2 the type may be one of a later extension.
  if (is13())
    return fail({AlertDescription::UnexpectedMessage,
                 cat("record of type ", static_cast<unsigned>(record.type), " out of turn")});
  dropped_.add(DropReason::UnknownContentType);
}

void Connection::Impl::handle_protected_handshake(const RecordLayer::Opened& record, Time now) {
  const auto discarded = [this] {
    return dropped_[DropReason::BadFragment] + dropped_[DropReason::MessageTooLarge] +
           dropped_[DropReason::ReassemblyFull];
  };
  const uint64_t before = discarded();
  if (is13()) to_acknowledge_.add(record.number);
  if (handshake_) {
    handle_handshake(record.number.epoch, record.plaintext, now);
  } else if (is13()) {
    handle_post_handshake(record, now);
  } else {
    resend_final_flight(record.plaintext);
  }
  // RFC 9147 §7: what was not kept must come again, so it must not be acknowledged.
  if (discarded() == before) return;
  to_acknowledge_.remove(record.number);
  if (to_acknowledge_.empty()) deadlines_[kAck] = kNever;
}

void Connection::Impl::keep_for_later(const Record& record) {
  const bool expected = record.unified || record.epoch == kEpochProtected12;
  if (!expected || handshake_->ahead.size() == kMaxRecordsAhead || record.fragment.size() > kMaxRecordAhead)
    return dropped_.add(DropReason::WrongEpoch);
  const uint8_t* begin = record.header.data();
  handshake_->ahead.emplace_back(begin, begin + record.header.size() + record.fragment.size());
}

void Connection::Impl::open_kept_records(std::vector<std::vector<uint8_t>> kept, Time now) {
  const bool newest_has_id = newest_has_id_;  // that of this packet: these came in others
  const bool within_another = std::exchange(opens_kept_, true);
  for (std::vector<uint8_t>& bytes : kept) {
    Bytes datagram = bytes;
    const auto record = next_record(datagram, our_id_size_);
    if (record && state_ != State::Closed) handle_protected(*record, now);
  }
  newest_has_id_ = newest_has_id;
  opens_kept_ = within_another;
}

void Connection::Impl::handle_handshake(uint64_t epoch, ByteView payload, Time now) {
  Reader reader(payload);
  while (handshake_ && !reader.at_end()) {
    const auto fragment = Fragment::parse(reader, epoch);
    if (!fragment) return dropped_.add(DropReason::BadFragment);
    handle_fragment(*fragment, now);
  }
  if (state_ != State::Closed && is13() && epoch != kEpochClear) refuse_excess(reader, epoch);
}

void Connection::Impl::refuse_excess(Reader& reader, uint64_t epoch) {
  while (!reader.at_end()) {
    const auto fragment = Fragment::parse(reader, epoch);
    if (!fragment) return dropped_.add(DropReason::BadFragment);
    if (fragment->sequence >= next_message_) return fail(out_of_turn(fragment->type).error());
  }
}

void Connection::Impl::handle_fragment(const Fragment& fragment, Time now) {
  if (!belongs_to_epoch(session_.version, fragment.type, fragment.epoch)) {
    // RFC 8446 §4: nobody but the peer can have made it, unless it came in the clear.
    if (fragment.epoch != kEpochClear && fragment.sequence == handshake_->reassembler.next_sequence())
      return fail(out_of_turn(fragment.type).error());
    return dropped_.add(DropReason::BadFragment);
  }
  const auto added = handshake_->reassembler.add(fragment);
  if (added) {
    // A server of 1.3 hears by it that all of its flight has arrived.
    if (role_ == Role::Server && fragment.epoch == kEpochHandshake13) deadlines_[kRetransmit] = kNever;
    handle_messages(now);
  } else {
    dropped_.add(added.error());
    if (added.error() == DropReason::Retransmission) resend_if_lost(fragment, now);
  }
  // RFC 9147 §7.1: if the rest of the flight does not come soon, the peer should know what did.
  if (handshake_ && !to_acknowledge_.empty() && deadlines_[kAck] == kNever)
    deadlines_[kAck] = now + timeout_.current() / 4;
}

void Connection::Impl::handle_messages(Time now) {
  while (handshake_) {
    const auto message = handshake_->reassembler.take();
    if (!message) return;
    const size_t readable = records_.readable_epochs();
    HandshakeContext with = context();
    auto step = handshake_->machine.on_message(with, *message);
    if (key_log_) log_keys();
    if (!handle_step(*message, std::move(step), now)) return;
    if (handshake_ && records_.readable_epochs() > readable)
      open_kept_records(std::exchange(handshake_->ahead, {}), now);
  }
}

void Connection::Impl::log_keys() {
  for (std::string& line : session_.take_key_log_lines()) events_.push_back(KeyLogLine{std::move(line)});
}

bool Connection::Impl::handle_step(const HandshakeMessage& message, Step step, Time now) {
  if (!step) {
    if (step.error().fatal) {
      fail(step.error());
      return false;
    }
    handshake_->reassembler.expect_again();
    handshake_->hint = std::move(step.error().detail);
    dropped_.add(DropReason::HelloRefused);
    return false;
  }
  if (*step == Outcome::Answered) {
    handshake_->answered = message.sequence;
    flight_ready(now);
  } else if (*step == Outcome::Completed) {
    finish(message, now);
  }
  return true;
}

void Connection::Impl::resend_if_lost(const Fragment& fragment, Time now) {
  // RFC 6347 §4.2.4: the peer sends its flight again, so ours did not arrive. Copies made by the network come at once
  // and are not answered.
  if (handshake_->answered != fragment.sequence || !fragment.ends_message() || flight_.pending()) return;
  if (now - last_sent_ < timeout_.current() / 2) return;
  flight_.rewind();
  flight_sent_again(now);
}

void Connection::Impl::resend_final_flight(ByteView payload) {
  Reader reader(payload);
  const auto fragment = Fragment::parse(reader, kEpochProtected12);
  const bool again = fragment && fragment->type == HandshakeType::Finished &&
                     fragment->sequence == peer_finished_sequence_ && fragment->ends_message();
  dropped_.add(again ? DropReason::Retransmission : DropReason::BadFragment);
  if (again) flight_.rewind();
}

void Connection::Impl::finish(const HandshakeMessage& last, Time now) {
  next_message_ = handshake_->reassembler.next_sequence();
  const bool excess = handshake_->reassembler.holds_protected();
  auto ahead = std::move(handshake_->ahead);
  handshake_.reset();
  state_ = State::Verifying;
  deadlines_[kFinalFlight] = now + kFinalFlightLifetime;
  if (excess) return fail({AlertDescription::UnexpectedMessage, "messages behind the end of the handshake"});
  is13() ? finish13(now) : finish12(last);
  open_kept_records(std::move(ahead), now);
  verify_fingerprint();
}

void Connection::Impl::finish12(const HandshakeMessage& last) {
  peer_finished_sequence_ = last.sequence;
  deadlines_[kRetransmit] = kNever;
  if (role_ == Role::Client) flight_done();
}

void Connection::Impl::verify_fingerprint() {
  if (state_ != State::Verifying) return;
  // With a pre-shared key the Finished was the proof.
  const bool by_certificate = !uses_psk(*session_.suite);
  if (by_certificate && remote_fingerprints_.empty()) return;
  if (by_certificate && !fingerprint_fits(remote_fingerprints_, session_.peer_certificate))
    return fail({AlertDescription::BadCertificate, "certificate does not fit the fingerprint",
                 CloseReason::FingerprintMismatch});
  state_ = State::Connected;
  deadlines_[kHandshake] = kNever;
  remote_fingerprints_ = {};
  env_.log.line(LogLevel::Debug, kModule, "connected, ", to_string(session_.suite->suite));
  events_.push_back(Connected{*session_.version, session_.suite->suite, session_.group, session_.srtp_profile,
                              std::exchange(session_.peer_certificate, {}), std::exchange(session_.psk_identity, {}),
                              std::exchange(session_.alpn, {})});
}

void Connection::Impl::handle_hint(ByteView payload) {
  if (payload.size() != kAlertSize) return;
  handshake_->hint =
      cat("unauthenticated alert: ", to_string(static_cast<AlertDescription>(payload[1])), " (", payload[1], ")");
}

void Connection::Impl::handle_alert(ByteView payload) {
  if (payload.size() != kAlertSize) return fail({AlertDescription::DecodeError, "malformed alert"});
  const auto description = static_cast<AlertDescription>(payload[1]);
  if (description == AlertDescription::CloseNotify) {
    alert_ = PendingAlert{false, AlertDescription::CloseNotify};  // RFC 5246 §7.2.1
    end(CloseReason::PeerClose, "close_notify");
  } else if (description != AlertDescription::UserCanceled && (is13() || payload[0] == kFatal)) {
    end(CloseReason::PeerAlert, cat(to_string(description), " (", payload[1], ")"));
  }
}

void Connection::Impl::handle_application_data(Bytes payload) {
  peer_has_keys_ = true;
  // The memory of a record that was kept goes with it: its data is copied like what comes before Connected.
  if (state_ == State::Connected && !opens_kept_) {
    // In 1.2 the client speaks in its new epoch only after our final flight.
    if (role_ == Role::Server && !is13() && !flight_.empty() && !flight_.pending()) flight_done();
    if (received_.size() == kMaxPendingRecords) return dropped_.add(DropReason::NotPolled);
    return received_.push_back(payload);
  }
  if (early_.size() == kMaxEarlyRecords || early_bytes_ + payload.size() > kMaxEarlyBytes)
    return dropped_.add(DropReason::EarlyDataFull);
  early_bytes_ += payload.size();
  early_.push_back({payload.begin(), payload.end()});
}

std::optional<Bytes> Connection::Impl::poll_application_data() {
  if (state_ != State::Connected) return std::nullopt;
  if (!early_.empty()) {
    early_taken_ = early_.pop_front();
    return early_taken_;
  }
  if (!early_taken_.empty()) {
    early_taken_ = {};
    early_.release();
  }
  if (received_.empty()) return std::nullopt;
  return received_.pop_front();
}

bool Connection::Impl::writable() const {
  if (connected()) return true;
  return state_ != State::Closed && role_ == Role::Server && session_.write_epoch == kEpochApplication13;
}

size_t Connection::Impl::overhead() const {
  if (writable()) return records_.overhead(session_.write_epoch);
  return kMaxOverhead + (handshake_ && handshake_->config.connection_id ? 1 + kMaxConnectionIdSize : 0);
}

size_t Connection::Impl::payload_offset() const {
  return writable() ? records_.payload_offset(session_.write_epoch) : kRecordHeaderSize + crypto::CbcHmac::kIvSize;
}

size_t Connection::Impl::protect(ByteView plaintext, Bytes out) {
  if (!writable() || plaintext.size() > kMaxPlaintext || out.size() < plaintext.size() + overhead()) return 0;
  const size_t size = records_.seal(session_.write_epoch, ContentType::ApplicationData, plaintext, out);
  if (size == 0) {
    end(CloseReason::KeyLimit, "sequence numbers, or a key that was never replaced, are used up");
    return 0;
  }
  if (is13() && records_.next_sequence(session_.write_epoch) >= records_per_key_) key_update_wanted_ = true;
  return size;
}

Result<void, Error> Connection::Impl::export_keying_material(std::string_view label, ByteView context,
                                                             Bytes out) const {
  if (!connected()) return kaon::fail(Error::NotConnected);
  if (is13()) {
    session_.keys13.export_keying_material(label, context, out);
  } else {
    session_.keys.export_keying_material(label, context, out);
  }
  return {};
}

void Connection::Impl::set_remote_fingerprints(std::vector<crypto::Fingerprint> fingerprints) {
  if (state_ == State::Connected || state_ == State::Closed) return;
  remote_fingerprints_ = std::move(fingerprints);
  verify_fingerprint();
}

void Connection::Impl::close() {
  if (state_ == State::Closed) return;
  if (session_.write_epoch != kEpochClear) alert_ = PendingAlert{false, AlertDescription::CloseNotify};
  end(CloseReason::LocalClose, {});
}

void Connection::Impl::fail(const Failure& failure) {
  if (state_ == State::Closed) return;  // the keys of another alert are gone
  alert_ = PendingAlert{true, failure.alert};
  end(failure.reason, failure.detail);
}

void Connection::Impl::end(CloseReason reason, std::string detail) {
  if (state_ == State::Closed) return;
  env_.log.line(LogLevel::Debug, kModule, "closed, ", to_string(reason), ": ", detail);
  state_ = State::Closed;
  // A server reads the epoch of the application only behind the final flight, which now never goes out.
  if (is13() && role_ == Role::Client && flight_.pending() && deadlines_[kFinalFlight] != kNever)
    session_.write_epoch = kEpochHandshake13;
  deadlines_.fill(kNever);
  handshake_.reset();
  reassembler_.reset();
  ids_.reset();
  flight_.release();
  to_acknowledge_.clear();
  ack_due_ = false;
  received_.release();
  early_.release();
  early_taken_ = {};
  // Nothing is read, exported or said any more, but for the alert.
  session_.keys.forget();
  session_.keys13.forget();
  records_.forget_all_but_writing(alert_ ? session_.write_epoch : kEpochClear);
  events_.push_back(Closed{reason, std::move(detail)});
}

void Connection::Impl::handle_timeout(Time now) {
  if (now >= deadlines_[kHandshake]) {
    const std::string hint = handshake_ ? handshake_->hint : "no fingerprint of the peer";
    return end(CloseReason::Timeout, hint);
  }
  if (now >= deadlines_[kRetransmit]) {
    flight_.rewind();
    timeout_.back_off();
    flight_sent_again(now);
  }
  if (now >= deadlines_[kAck]) {
    deadlines_[kAck] = kNever;
    ack_due_ = true;
  }
  if (now >= deadlines_[kPathCheck]) end_path_check(false);
  if (now >= deadlines_[kFinalFlight]) {
    if (is13()) {
      // A server that misses something waits for it, maybe without a timer of its own: nothing would ever come of it.
      if (!flight_.acknowledged_below(kEpochApplication13) && !peer_has_keys_)
        return end(CloseReason::Timeout, "the server never acknowledged our last flight");
      flight_.acknowledge_below(kEpochApplication13);
      forget_handshake_keys();
    }
    if (!key_update_sent_ && !(ids_ && ids_->sent)) flight_done();
  }
  begin_post_handshake(now);
}

Time Connection::Impl::next_timeout() const {
  // What update_keys() and the like asked for is due at once; they were not told the time.
  if (connected() && waits_to_be_said()) return last_sent_;
  return *std::min_element(deadlines_.begin(), deadlines_.end());
}

std::optional<net::Transmit> Connection::Impl::poll_transmit(Bytes out) {
  const Bytes datagram = out.first(std::min(out.size(), mtu()));
  size_t size = 0;
  if (flight_.pending()) {
    size = flight_.write_datagram(records_, datagram);
  } else if (ack_due_) {
    size = write_ack(datagram);
  } else if (alert_) {
    size = write_alert(datagram);
  }
  if (size == 0) return std::nullopt;
  net::Transmit transmit;
  transmit.size = size;
  return transmit;
}

size_t Connection::Impl::write_alert(Bytes out) {
  const PendingAlert alert = *std::exchange(alert_, std::nullopt);
  const std::array<uint8_t, kAlertSize> body = {alert.fatal ? kFatal : kWarning,
                                                static_cast<uint8_t>(alert.description)};
  const bool fits = out.size() >= kAlertSize + records_.overhead(session_.write_epoch);
  const size_t size = fits ? records_.seal(session_.write_epoch, ContentType::Alert, body, out) : 0;
  records_.forget_all_but_writing(kEpochClear);  // that was the last word
  return size;
}

std::optional<Event> Connection::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = events_.pop_front();
  if (std::holds_alternative<PathChecked>(event)) path_event_waits_ = false;
  if (events_.empty()) events_.release();
  return event;
}

}  // namespace kaon::dtls
