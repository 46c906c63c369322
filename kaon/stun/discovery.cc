#include "kaon/stun/discovery.h"

#include <utility>

#include "kaon/base/assert.h"
#include "kaon/stun/builder.h"

namespace kaon::stun {

namespace {

// CHANGE-REQUEST, RFC 5780 §7.2.
constexpr uint32_t kChangeAddress = 4;
constexpr uint32_t kChangePort = 2;
// Silence is an answer here, so that it must not take long: 2 s.
constexpr Timing kTiming{.rto = std::chrono::milliseconds(250), .requests = 3, .last_wait = 5};

}  // namespace

std::string_view to_text(NatBehavior behavior) {
  static constexpr std::array<std::string_view, 4> kTexts{"unknown", "endpoint-independent", "address-dependent",
                                                          "address-and-port-dependent"};
  return kTexts[static_cast<size_t>(behavior)];
}

Discovery::Discovery(Env env, const net::Endpoint& local, const net::Endpoint& server, Time now)
    : env_(env), local_(local), server_(server) {
  start(Step::First, server, 0, now);
}

void Discovery::start(Step step, const net::Endpoint& to, uint32_t change, Time now) {
  step_ = step;
  to_ = to;
  change_ = change;
  transaction_.emplace(TransactionId::random(env_.random), kTiming, now);
  send_ = transaction_->handle_timeout(now) == Transaction::Step::Send;
}

void Discovery::finish() {
  step_ = Step::Done;
  transaction_.reset();
  send_ = false;
}

void Discovery::handle_timeout(Time now) {
  if (!transaction_) return;
  switch (transaction_->handle_timeout(now)) {
    case Transaction::Step::Wait: return;
    case Transaction::Step::Send: send_ = true; return;
    case Transaction::Step::TimedOut: return unanswered(now);
  }
}

std::optional<net::Transmit> Discovery::poll_transmit(Bytes out) {
  if (!std::exchange(send_, false)) return std::nullopt;
  Builder builder(out, Method::Binding, Class::Request, transaction_->id());
  if (change_ != 0) builder.add_u32(Attribute::ChangeRequest, change_);
  net::Transmit transmit;
  transmit.local = local_;
  transmit.remote = to_;
  transmit.size = builder.finish().size();
  KAON_ASSERT(transmit.size != 0);
  return transmit;
}

std::optional<DiscoveryResult> Discovery::poll_event() {
  if (step_ != Step::Done || std::exchange(told_, true)) return std::nullopt;
  return result_;
}

void Discovery::handle_packet(const net::Datagram& packet, Time now) {
  const auto message = Message::parse(packet.bytes);
  if (!message || !transaction_ || message->transaction_id() != transaction_->id()) return;
  // From where we asked, unless we asked for something else.
  if (change_ == 0 && packet.remote != to_) return;
  if (change_ != 0 && packet.remote == server_) return;
  const auto mapped = message->xor_address(Attribute::XorMappedAddress);
  if (!message->is(Method::Binding, Class::Success) || !mapped) return unanswered(now);
  answered(*message, *mapped, now);
}

void Discovery::answered(const Message& message, const net::Endpoint& mapped, Time now) {
  switch (step_) {
    case Step::First:
      result_.mapped = mapped;
      result_.rtt = transaction_->sent() == 1 ? transaction_->age(now) : Duration::zero();
      result_.other = message.address(Attribute::OtherAddress);
      // A second address that is the first tells nothing.
      if (!result_.other || result_.other->ip == server_.ip || result_.other->port == server_.port ||
          result_.other->ip.family() != server_.ip.family()) {
        result_.other.reset();
        return finish();
      }
      return start(Step::FromOther, server_, kChangeAddress | kChangePort, now);
    case Step::FromOther: result_.filtering = NatBehavior::EndpointIndependent; break;
    case Step::FromPort: result_.filtering = NatBehavior::AddressDependent; break;
    case Step::ToOtherAddress:
      if (mapped == *result_.mapped) {
        result_.mapping = NatBehavior::EndpointIndependent;
        return finish();
      }
      mapped_to_other_ = mapped;
      return start(Step::ToOtherPort, *result_.other, 0, now);
    case Step::ToOtherPort:
      result_.mapping =
          mapped == mapped_to_other_ ? NatBehavior::AddressDependent : NatBehavior::AddressAndPortDependent;
      return finish();
    case Step::Done: return;
  }
  start(Step::ToOtherAddress, {result_.other->ip, server_.port}, 0, now);
}

void Discovery::unanswered(Time now) {
  switch (step_) {
    case Step::FromOther: return start(Step::FromPort, server_, kChangePort, now);
    case Step::FromPort:
      result_.filtering = NatBehavior::AddressAndPortDependent;
      return start(Step::ToOtherAddress, {result_.other->ip, server_.port}, 0, now);
    default: return finish();
  }
}

}  // namespace kaon::stun
