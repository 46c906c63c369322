// ACKs, and what DTLS 1.3 sends after the handshake: KeyUpdate and NewSessionTicket (RFC 9147 §5.8, §7, §8).
#include <array>

#include "kaon/base/text.h"
#include "kaon/dtls/internal/connection_impl.h"

namespace kaon::dtls {

namespace {

/// The bound of an ACK's body: all of ReceivedRecords.
constexpr size_t kMaxAckBody = 2 + 16 * ReceivedRecords::kMax;

}  // namespace

void Connection::Impl::finish13(Time now) {
  deadlines_[kAck] = kNever;
  // A client goes on sending its final flight until the server has acknowledged it. A server has nothing to send again,
  // but keeps the keys to acknowledge that flight once more when its ACK was lost.
  if (role_ == Role::Client) {
    flight_ready(now);
  } else {
    flight_.release();
    deadlines_[kRetransmit] = kNever;
    records_.forget_write_below(kEpochApplication13);
    ack_due_ = true;
  }
}

size_t Connection::Impl::write_ack(Bytes out) {
  ack_due_ = false;
  const size_t overhead = records_.overhead(session_.write_epoch);
  if (session_.write_epoch == kEpochClear || to_acknowledge_.empty() || out.size() <= overhead) return 0;
  std::array<uint8_t, kMaxAckBody> memory;
  const size_t size = to_acknowledge_.write(Bytes(memory).first(std::min(memory.size(), out.size() - overhead)));
  to_acknowledge_.clear();
  if (size == 0) return 0;
  return records_.seal(session_.write_epoch, ContentType::Ack, ByteView(memory).first(size), out);
}

void Connection::Impl::handle_ack(ByteView payload, Time now) {
  const auto numbers = parse_ack(payload);
  if (!numbers) return dropped_.add(DropReason::Malformed);
  // Numbers of records that we did not send, or sent long ago, say nothing.
  for (const RecordNumber& number : *numbers) flight_.acknowledge(number);
  if (flight_.empty()) return;
  if (!flight_.all_acknowledged()) {
    // RFC 9147 §7.2: the peer misses the rest. It waited with the ACK for what was still on its way; but a KeyUpdate
    // behind the final flight gets an ACK of its own.
    if (flight_.pending() || (key_update_sent_ && flight_.acknowledged_below(kEpochApplication13))) return;
    flight_.rewind();
    return flight_sent_again(now);
  }
  deadlines_[kRetransmit] = kNever;  // RFC 9147 §5.8.1
  if (handshake_) return;            // The answer to it tells more, and more is to come.
  flight_.release();
  if (key_update_sent_) complete_key_update();
  if (ids_) ids_->sent.reset();
  forget_handshake_keys();  // the client's
  begin_post_handshake(now);
}

void Connection::Impl::forget_handshake_keys() {
  deadlines_[kFinalFlight] = kNever;
  records_.forget_read_below(kEpochApplication13);
  records_.forget_write_below(kEpochApplication13);
}

void Connection::Impl::handle_final_flight_again(Time now) {
  dropped_.add(DropReason::Retransmission);
  if (role_ == Role::Server) {  // only our ACK was lost
    ack_due_ = true;
    return;
  }
  to_acknowledge_.clear();
  if (flight_.empty() || flight_.pending() || now - last_sent_ < timeout_.current() / 2) return;
  flight_.rewind();
  flight_sent_again(now);
}

void Connection::Impl::handle_post_handshake(const RecordLayer::Opened& record, Time now) {
  if (record.number.epoch == kEpochHandshake13) {
    Reader again(record.plaintext);
    refuse_excess(again, record.number.epoch);
    if (state_ != State::Closed) handle_final_flight_again(now);
    return;
  }
  ack_due_ = true;
  if (!reassembler_) reassembler_ = std::make_unique<Reassembler>(next_message_);
  Reader reader(record.plaintext);
  while (!reader.at_end()) {
    const auto fragment = Fragment::parse(reader, record.number.epoch);
    if (!fragment) return dropped_.add(DropReason::BadFragment);
    if (const auto added = reassembler_->add(*fragment); !added) dropped_.add(added.error());
  }
  while (state_ != State::Closed) {
    const auto message = reassembler_->take();
    if (!message) break;
    handle_post_handshake_message(*message);
  }
  if (!reassembler_) return;
  next_message_ = reassembler_->next_sequence();
  if (reassembler_->memory() == 0) reassembler_.reset();
  begin_post_handshake(now);
}

void Connection::Impl::handle_post_handshake_message(const HandshakeMessage& message) {
  if (message.type == HandshakeType::KeyUpdate) return handle_key_update(message);
  if (message.type == HandshakeType::NewConnectionId) return handle_new_connection_id(message);
  if (message.type == HandshakeType::RequestConnectionId) return handle_request_connection_id(message);
  // A ticket is of no use to us: there is no resumption.
  if (message.type == HandshakeType::NewSessionTicket && role_ == Role::Client) return;
  fail({AlertDescription::UnexpectedMessage,
        cat("handshake message ", static_cast<unsigned>(message.type), " after the handshake")});
}

void Connection::Impl::handle_key_update(const HandshakeMessage& message) {
  const auto requested = parse_key_update(message.body);
  if (!requested) return fail({AlertDescription::DecodeError, "malformed KeyUpdate"});
  // RFC 9147 §8: the peer updates one epoch at a time, and not before we have acknowledged the last one.
  if (message.epoch != records_.newest_read_epoch()) return dropped_.add(DropReason::WrongEpoch);
  const Role peer = role_ == Role::Client ? Role::Server : Role::Client;
  session_.keys13.update(peer);
  // Records under way in the old epoch are still read.
  records_.forget_read_below(message.epoch);
  records_.install_read(message.epoch + 1, session_.keys13.application_cipher(peer));
  if (*requested) key_update_wanted_ = true;
}

Result<void, Error> Connection::Impl::update_keys() {
  if (!connected()) return kaon::fail(Error::NotConnected);
  if (is13()) key_update_wanted_ = true;
  return {};
}

void Connection::Impl::begin_key_update(Time now) {
  // A request that comes while ours waits for its ACK is answered by it.
  if (key_update_sent_) key_update_wanted_ = false;
  if (!key_update_wanted_ || !connected() || (ids_ && ids_->sent)) return;
  key_update_wanted_ = false;
  key_update_sent_ = true;
  constexpr uint8_t kNotRequested = 0;
  // It goes behind a client's final flight if that still waits for its ACK (RFC 9147 §5.8.4): without that ACK, which
  // the server sends once, an update would wait for the next timeout.
  flight_.add(HandshakeType::KeyUpdate, session_.write_epoch, std::array{kNotRequested});
  timeout_.reset();
  flight_sent_again(now);
}

void Connection::Impl::complete_key_update() {
  key_update_sent_ = false;
  session_.keys13.update(role_);
  const uint64_t epoch = session_.write_epoch + 1;
  records_.install_write(epoch, session_.keys13.application_cipher(role_));
  records_.forget_write_below(epoch);
  session_.write_epoch = epoch;
}

}  // namespace kaon::dtls
