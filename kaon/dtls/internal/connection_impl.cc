#include "kaon/dtls/internal/connection_impl.h"

#include <algorithm>

#include "kaon/base/text.h"

namespace kaon::dtls {

namespace {

constexpr std::string_view kModule = "dtls";
/// Protected records kept until there are keys: a Finished that overtook its flight, and little more.
constexpr size_t kMaxRecordsAhead = 4;
constexpr size_t kMaxRecordAhead = 1500;
/// RFC 6347 §4.2.4: twice the maximum segment lifetime.
constexpr Duration kFinalFlightLifetime = std::chrono::seconds(240);
constexpr uint8_t kFatal = 2;
constexpr uint8_t kWarning = 1;
constexpr size_t kAlertSize = 2;

}  // namespace

Connection::Impl::Handshake::Handshake(Config c)
    : config(std::move(c)), timeout(config.initial_timeout, config.max_timeout) {
  if (config.role == Role::Server) machine.emplace<ServerHandshake12>();
}

Connection::Impl::Impl(Env env, Config config)
    : env_(env),
      role_(config.role),
      key_log_(config.key_log),
      mtu_(std::max(config.mtu, kMinMtu)),
      handshake_(std::make_unique<Handshake>(std::move(config))),
      remote_fingerprints_(std::move(handshake_->config.remote_fingerprints)) {
  deadlines_.fill(kNever);
}

void Connection::Impl::start(Time now) {
  if (state_ != State::New) return;
  state_ = State::Handshaking;
  deadlines_[kHandshake] = now + handshake_->config.handshake_timeout;
  if (auto* client = std::get_if<ClientHandshake12>(&handshake_->machine)) {
    HandshakeContext with = context();
    client->start(with);
    flight_ready(now);
  }
}

void Connection::Impl::flight_ready(Time now) {
  handshake_->timeout.reset();
  handshake_->last_sent = now;
  deadlines_[kRetransmit] = now + handshake_->timeout.current();
}

void Connection::Impl::handle_packet(Bytes packet, Time now) {
  if (!received_.empty()) {
    dropped_.add(DropReason::NotPolled, received_.size());
    received_.clear();
  }
  if (state_ == State::New && role_ == Role::Server) start(now);
  if (state_ == State::New) return dropped_.add(DropReason::AfterClose);
  while (!packet.empty()) {
    if (state_ == State::Closed) return dropped_.add(DropReason::AfterClose);
    if (const auto record = next_record(packet)) {
      handle_record(*record, now);
    } else {
      dropped_.add(record.error());
    }
  }
}

void Connection::Impl::handle_record(const Record& record, Time now) {
  if (record.epoch != 0) return handle_protected(record, now);
  // In the clear only the handshake itself is looked at, whoever wants us to believe otherwise.
  if (record.type == ContentType::Handshake && handshake_) return handle_handshake(0, record.fragment, now);
  if (record.type == ContentType::Alert && handshake_) handle_hint(record.fragment);
  if (record.type != ContentType::ChangeCipherSpec) dropped_.add(DropReason::Unauthenticated);
}

void Connection::Impl::handle_protected(const Record& record, Time now) {
  if (handshake_ && !records_.has_keys()) return keep_for_later(record);
  const auto plaintext = records_.open(record);
  if (!plaintext) {
    dropped_.add(plaintext.error());
    if (records_.exhausted()) end(CloseReason::KeyLimit, "too many forged records");
    return;
  }
  switch (record.type) {
    case ContentType::ApplicationData: return handle_application_data(*plaintext);
    case ContentType::Handshake:
      return handshake_ ? handle_handshake(record.epoch, *plaintext, now) : resend_final_flight(*plaintext);
    case ContentType::Alert: return handle_alert(*plaintext);
    case ContentType::ChangeCipherSpec: return;
  }
}

void Connection::Impl::keep_for_later(const Record& record) {
  if (record.epoch != RecordLayer::kProtectedEpoch || handshake_->ahead.size() == kMaxRecordsAhead ||
      record.fragment.size() > kMaxRecordAhead)
    return dropped_.add(DropReason::WrongEpoch);
  const uint8_t* begin = record.fragment.data() - kRecordHeaderSize;
  handshake_->ahead.emplace_back(begin, begin + kRecordHeaderSize + record.fragment.size());
}

void Connection::Impl::open_kept_records(Time now) {
  const auto kept = std::exchange(handshake_->ahead, {});
  for (std::vector<uint8_t> bytes : kept) {
    Bytes datagram = bytes;
    if (const auto record = next_record(datagram); record && handshake_) handle_protected(*record, now);
  }
}

void Connection::Impl::handle_handshake(uint16_t epoch, ByteView payload, Time now) {
  Reader reader(payload);
  while (handshake_ && !reader.at_end()) {
    const auto fragment = Fragment::parse(reader, epoch);
    if (!fragment) return dropped_.add(DropReason::BadFragment);
    handle_fragment(*fragment, now);
  }
}

void Connection::Impl::handle_fragment(const Fragment& fragment, Time now) {
  if (!belongs_to_epoch12(fragment.type, fragment.epoch)) return dropped_.add(DropReason::BadFragment);
  const auto added = handshake_->reassembler.add(fragment);
  if (added) return handle_messages(now);
  dropped_.add(added.error());
  if (added.error() == DropReason::Retransmission) resend_if_lost(fragment, now);
}

void Connection::Impl::handle_messages(Time now) {
  while (handshake_) {
    const auto message = handshake_->reassembler.take();
    if (!message) return;
    const bool had_keys = records_.has_keys();
    HandshakeContext with = context();
    auto step = std::visit([&](auto& machine) { return machine.on_message(with, *message); }, handshake_->machine);
    if (!handle_step(*message, std::move(step), now)) return;
    if (handshake_ && !had_keys && records_.has_keys()) {
      if (key_log_) events_.push_back(KeyLogLine{session_.keys.key_log_line()});
      open_kept_records(now);
    }
  }
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
  if (now - handshake_->last_sent < handshake_->timeout.current() / 2) return;
  flight_.rewind();
  handshake_->last_sent = now;
  deadlines_[kRetransmit] = now + handshake_->timeout.current();
}

void Connection::Impl::resend_final_flight(ByteView payload) {
  Reader reader(payload);
  const auto fragment = Fragment::parse(reader, RecordLayer::kProtectedEpoch);
  const bool again = fragment && fragment->type == HandshakeType::Finished &&
                     fragment->sequence == peer_finished_sequence_ && fragment->ends_message();
  dropped_.add(again ? DropReason::Retransmission : DropReason::BadFragment);
  if (again) flight_.rewind();
}

void Connection::Impl::finish(const HandshakeMessage& last, Time now) {
  peer_finished_sequence_ = last.sequence;
  deadlines_[kRetransmit] = kNever;
  if (role_ == Role::Client) {
    flight_.release();
  } else {
    deadlines_[kFinalFlight] = now + kFinalFlightLifetime;
  }
  handshake_.reset();
  state_ = State::Verifying;
  verify_fingerprint();
}

void Connection::Impl::verify_fingerprint() {
  if (state_ != State::Verifying || remote_fingerprints_.empty()) return;
  if (!fingerprint_fits(remote_fingerprints_, session_.peer_certificate))
    return fail({AlertDescription::BadCertificate, "certificate does not fit the fingerprint",
                 CloseReason::FingerprintMismatch});
  state_ = State::Connected;
  deadlines_[kHandshake] = kNever;
  remote_fingerprints_ = {};
  env_.log.line(LogLevel::Debug, kModule, "connected, ", to_string(session_.suite->suite));
  events_.push_back(Connected{session_.version, session_.suite->suite, session_.group, session_.srtp_profile,
                              std::exchange(session_.peer_certificate, {})});
}

void Connection::Impl::handle_hint(ByteView payload) {
  if (payload.size() != kAlertSize) return;
  handshake_->hint =
      cat("unauthenticated alert: ", to_string(static_cast<AlertDescription>(payload[1])), " (", payload[1], ")");
}

void Connection::Impl::handle_alert(ByteView payload) {
  if (payload.size() != kAlertSize) return dropped_.add(DropReason::Malformed);
  const auto description = static_cast<AlertDescription>(payload[1]);
  if (description == AlertDescription::CloseNotify) {
    alert_ = PendingAlert{false, AlertDescription::CloseNotify};  // RFC 5246 §7.2.1
    end(CloseReason::PeerClose, "close_notify");
  } else if (payload[0] == kFatal) {
    end(CloseReason::PeerAlert, cat(to_string(description), " (", payload[1], ")"));
  }
}

void Connection::Impl::handle_application_data(Bytes payload) {
  if (state_ == State::Connected) {
    // The client speaks in its new epoch only after our final flight.
    if (role_ == Role::Server && !flight_.empty() && !flight_.pending()) {
      flight_.release();
      deadlines_[kFinalFlight] = kNever;
    }
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

size_t Connection::Impl::overhead() const {
  return connected() ? records_.overhead(RecordLayer::kProtectedEpoch) : kMaxOverhead;
}

size_t Connection::Impl::payload_offset() const {
  return connected() ? records_.payload_offset(RecordLayer::kProtectedEpoch) : kMaxOverhead - crypto::kAeadTagSize;
}

size_t Connection::Impl::protect(ByteView plaintext, Bytes out) {
  if (!connected() || plaintext.size() > kMaxPlaintext || out.size() < plaintext.size() + overhead()) return 0;
  const size_t size = records_.seal(RecordLayer::kProtectedEpoch, ContentType::ApplicationData, plaintext, out);
  if (size == 0) end(CloseReason::KeyLimit, "sequence numbers are used up");
  return size;
}

Result<void, Error> Connection::Impl::export_keying_material(std::string_view label, ByteView context,
                                                             Bytes out) const {
  if (!connected()) return kaon::fail(Error::NotConnected);
  session_.keys.export_keying_material(label, context, out);
  return {};
}

void Connection::Impl::set_remote_fingerprints(std::vector<crypto::Fingerprint> fingerprints) {
  if (state_ == State::Connected || state_ == State::Closed) return;
  remote_fingerprints_ = std::move(fingerprints);
  verify_fingerprint();
}

void Connection::Impl::set_rtt(Duration rtt) {
  if (handshake_) handshake_->timeout.set_rtt(rtt);
}

void Connection::Impl::close() {
  if (state_ == State::Closed) return;
  if (session_.write_epoch != 0) alert_ = PendingAlert{false, AlertDescription::CloseNotify};
  end(CloseReason::LocalClose, {});
}

void Connection::Impl::fail(const Failure& failure) {
  alert_ = PendingAlert{true, failure.alert};
  end(failure.reason, failure.detail);
}

void Connection::Impl::end(CloseReason reason, std::string detail) {
  if (state_ == State::Closed) return;
  env_.log.line(LogLevel::Debug, kModule, "closed, ", to_string(reason), ": ", detail);
  state_ = State::Closed;
  deadlines_.fill(kNever);
  handshake_.reset();
  flight_.release();
  received_.release();
  early_.release();
  early_taken_ = {};
  events_.push_back(Closed{reason, std::move(detail)});
}

void Connection::Impl::handle_timeout(Time now) {
  if (now >= deadlines_[kHandshake]) {
    const std::string hint = handshake_ ? handshake_->hint : "no fingerprint of the peer";
    return end(CloseReason::Timeout, hint);
  }
  if (now >= deadlines_[kRetransmit]) {
    flight_.rewind();
    handshake_->timeout.back_off();
    handshake_->last_sent = now;
    deadlines_[kRetransmit] = now + handshake_->timeout.current();
  }
  if (now >= deadlines_[kFinalFlight]) {
    flight_.release();
    deadlines_[kFinalFlight] = kNever;
  }
}

Time Connection::Impl::next_timeout() const { return *std::min_element(deadlines_.begin(), deadlines_.end()); }

std::optional<net::Transmit> Connection::Impl::poll_transmit(Bytes out) {
  const Bytes datagram = out.first(std::min(out.size(), mtu_));
  size_t size = 0;
  if (flight_.pending()) {
    size = flight_.write_datagram(records_, datagram);
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
  if (out.size() < kAlertSize + records_.overhead(session_.write_epoch)) return 0;
  const std::array<uint8_t, kAlertSize> body = {alert.fatal ? kFatal : kWarning,
                                                static_cast<uint8_t>(alert.description)};
  return records_.seal(session_.write_epoch, ContentType::Alert, body, out);
}

std::optional<Event> Connection::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = events_.pop_front();
  if (events_.empty()) events_.release();
  return event;
}

}  // namespace kaon::dtls
