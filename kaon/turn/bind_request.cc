#include "kaon/turn/bind_request.h"

namespace kaon::turn {

using stun::Attribute;

size_t BindRequest::write(Bytes out, Random& random) {
  transaction_ = stun::TransactionId::random(random);
  stun::Builder builder(out, stun::Method::ConnectionBind, stun::Class::Request, transaction_);
  builder.add_u32(Attribute::ConnectionId, id_.value());
  if (credential_) credential_->sign(builder);
  return builder.finish().size();
}

BindRequest::Step BindRequest::handle(ByteView answer) {
  const auto message = stun::Message::parse(answer);
  if (!message || message->method() != stun::Method::ConnectionBind || message->transaction_id() != transaction_) {
    return Step::Failed;
  }
  if (message->message_class() == stun::Class::Success) {
    return !credential_ || credential_->verify(*message) ? Step::Bound : Step::Failed;
  }
  const auto error = message->error_code();
  number_ = error ? error->number : 0;
  // Some servers give each connection a nonce of its own.
  const bool stale = number_ == static_cast<uint16_t>(stun::ErrorNumber::StaleNonce) ||
                     number_ == static_cast<uint16_t>(stun::ErrorNumber::Unauthenticated);
  if (!stale || !credential_ || ++nonces_ > kMaxNonces) return Step::Failed;
  const std::string before = credential_->nonce;
  credential_ = internal::ClientCredential::of(*message, credential_->user, credential_->password);
  // The same nonce once more: it is the password that is wrong.
  return credential_ && credential_->nonce != before ? Step::Again : Step::Failed;
}

}  // namespace kaon::turn
