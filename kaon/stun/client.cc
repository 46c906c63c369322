#include "kaon/stun/client.h"

#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/stun/builder.h"

namespace kaon::stun {

Client::Client(Env env, const Config& config, Time now) : env_(env), config_(config) { start(now); }

void Client::start(Time now) {
  TransactionId id = TransactionId::random(env_.random);
  if (config_.tag) store_be32(id.bytes.data(), *config_.tag);
  transaction_.emplace(id, config_.timing, now);
  refresh_at_ = kNever;
}

void Client::finish(ClientEvent event, Time now) {
  event_ = event;
  answered_ = true;
  send_ = false;
  transaction_.reset();
  refresh_at_ = config_.refresh == Duration::zero() ? kNever : now + config_.refresh;
}

bool Client::is_from_server(const net::Datagram& packet) const {
  return packet.remote == config_.server && packet.local == config_.local;
}

void Client::handle_packet(const net::Datagram& packet, Time now) {
  if (!is_from_server(packet)) return drops_.add(ClientDrop::WrongAddress);
  const auto message = Message::parse(packet.bytes);
  if (!message) return drops_.add(ClientDrop::NotStun);
  const bool answer = message->is(Method::Binding, Class::Success) || message->is(Method::Binding, Class::Error);
  if (!answer || !transaction_ || transaction_->sent() == 0 || message->transaction_id() != transaction_->id()) {
    return drops_.add(ClientDrop::UnknownTransaction);
  }
  if (message->message_class() == Class::Error) {
    const auto error = message->error_code();
    return finish(Unreachable{Unreachable::Reason::ErrorResponse, error ? error->number : uint16_t{0}}, now);
  }
  // Servers of RFC 3489 know MAPPED-ADDRESS only.
  auto mapped = message->xor_address(Attribute::XorMappedAddress);
  if (!mapped) mapped = message->address(Attribute::MappedAddress);
  if (!mapped || mapped->port == 0) return finish(Unreachable{Unreachable::Reason::BadResponse}, now);
  const Duration rtt = transaction_->sent() == 1 ? transaction_->age(now) : Duration::zero();
  finish(Mapped{*mapped, rtt}, now);
}

bool Client::handle_unreachable(ByteView quoted, Time now) {
  if (!is_stun(quoted) || !transaction_ || transaction_->sent() == 0) return false;
  if (!std::ranges::equal(transaction_->id().bytes, quoted.subspan(8, transaction_->id().bytes.size()))) return false;
  if (pending()) finish(Unreachable{Unreachable::Reason::Timeout}, now);
  return true;
}

void Client::handle_timeout(Time now) {
  if (now >= refresh_at_) start(now);
  if (!transaction_) return;
  switch (transaction_->handle_timeout(now)) {
    case Transaction::Step::Wait: break;
    case Transaction::Step::Send: send_ = true; break;
    case Transaction::Step::TimedOut: finish(Unreachable{Unreachable::Reason::Timeout}, now); break;
  }
}

Time Client::next_timeout() const { return transaction_ ? transaction_->next_timeout() : refresh_at_; }

std::optional<net::Transmit> Client::poll_transmit(Bytes out) {
  if (!send_) return std::nullopt;
  send_ = false;
  const ByteView message = Builder(out, Method::Binding, Class::Request, transaction_->id()).add_fingerprint().finish();
  KAON_ASSERT(!message.empty());
  net::Transmit transmit;
  transmit.local = config_.local;
  transmit.remote = config_.server;
  transmit.size = message.size();
  return transmit;
}

std::optional<ClientEvent> Client::poll_event() { return std::exchange(event_, std::nullopt); }

}  // namespace kaon::stun
