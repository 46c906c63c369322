// The peer's checks. Nothing unauthenticated is answered or remembered.
#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/ice/agent.h"
#include "kaon/stun/builder.h"

namespace kaon::ice {

namespace {

using stun::Attribute;

constexpr std::array kKnownAttributes{Attribute::Username, Attribute::Priority, Attribute::UseCandidate};
// After a pair's first checks and their repetitions.
constexpr Duration kSpareRest = std::chrono::seconds(1);
constexpr Duration kErrorWindow = std::chrono::seconds(1);
// Header, ERROR-CODE, MESSAGE-INTEGRITY, FINGERPRINT.
constexpr size_t kErrorSize = stun::kHeaderSize + 8 + 24 + 8;

}  // namespace

// USERNAME is "ours:theirs" (RFC 8445 §7.2.2). Which of our ufrags is it?
const internal::Generation* Agent::addressed_generation(std::string_view username) const {
  const size_t colon = username.find(':');
  if (colon == std::string_view::npos) return nullptr;
  for (const internal::Generation& g : generations_) {
    if (g.number != 0 && username.substr(0, colon) == g.local.ufrag) return &g;
  }
  return nullptr;
}

void Agent::handle_request(const stun::Message& message, const net::Datagram& packet, Time now) {
  const auto username = message.text(Attribute::Username);
  if (!username) return drops_.add(Drop::NoUsername);
  const internal::Generation* g = addressed_generation(*username);
  if (g == nullptr) return drops_.add(Drop::UnknownUfrag);
  if (!message.verify_integrity(*g->local_key)) return drops_.add(Drop::BadIntegrity);
  if (find_base(packet.local, packet.protocol) == nullptr) return drops_.add(Drop::UnknownLocalAddress);

  if (const auto unknown = message.unknown_required(kKnownAttributes); !unknown.empty()) {
    drops_.add(Drop::UnknownAttribute);
    return respond_error(message, packet, g->number, stun::ErrorNumber::UnknownAttribute, unknown, now);
  }
  if (g->number != generation_) return refresh_previous(message, packet, now);
  if (!message.u32(Attribute::Priority)) {
    drops_.add(Drop::BadRequest);
    return respond_error(message, packet, g->number, stun::ErrorNumber::BadRequest, {}, now);
  }
  if (!resolve_role_conflict(message)) {
    drops_.add(Drop::RoleConflict);
    return respond_error(message, packet, g->number, stun::ErrorNumber::RoleConflict, {}, now);
  }
  accept_request(message, packet, now);
}

// RFC 8445 §7.3.1.1. False if the peer has to change sides.
bool Agent::resolve_role_conflict(const stun::Message& message) {
  const auto theirs = message.u64(role_ == Role::Controlling ? Attribute::IceControlling : Attribute::IceControlled);
  if (!theirs) return true;
  const bool we_stay = role_ == Role::Controlling ? tie_breaker_ >= *theirs : tie_breaker_ < *theirs;
  if (we_stay || config_.lite || remote_lite_) return false;
  switch_role(role_ == Role::Controlling ? Role::Controlled : Role::Controlling);
  push_event(RoleChanged{role_});
  return true;
}

// A check with the credentials from before a restart: the peer may not have heard of it yet and needs our consent until
// then. It changes nothing else.
void Agent::refresh_previous(const stun::Message& message, const net::Datagram& packet, Time now) {
  const uint32_t number = generations_[kPrevious].number;
  Pair* p = find_pair(packet.local, packet.remote, packet.protocol, number);
  if (p == nullptr) return drops_.add(Drop::UnknownUfrag);
  p->last_received = std::max(p->last_received, now);
  ++p->counters.requests_received;
  respond(message, packet, number, p->id, now);
  update(now);
}

// RFC 8445 §7.3.1.3: an address that was not signalled is a peer-reflexive candidate.
Agent::Pair* Agent::pair_for_request(const stun::Message& message, const net::Datagram& packet, Time now) {
  if (Pair* known = find_pair(packet.local, packet.remote, packet.protocol, generation_)) {
    // Its first check: perhaps a candidate of the network that the peer has changed to, signalled sooner than that
    // came.
    if (known->validated) {
      notice_spare(*known, now);
    } else if (config_.renomination) {
      notice_moved(*known, now);
    }
    return known;
  }
  Remote* remote = find_remote(packet.remote, packet.protocol, generation_);
  if (remote == nullptr) {
    if (!config_.remote_policy.permits(packet.remote)) {
      drops_.add(Drop::RefusedAddress);
      return nullptr;
    }
    remote = add_peer_reflexive(packet.remote, packet.protocol, *message.u32(Attribute::Priority), now);
    if (remote == nullptr) return nullptr;
  }
  if (const auto info = message.network_info()) {
    remote->candidate.network_id = info->id;
    remote->candidate.network_cost = info->cost;
  }
  Pair* added = add_pair(*find_base(packet.local, packet.protocol), *remote, true);
  if (added != nullptr) notice_moved(*added, now);
  // And no more patience for it: two translators that map by port can make up new addresses for ever.
  return added;
}

// A known peer under a new address: has its NAT forgotten the old one? Ask the old path at once.
void Agent::notice_moved(Pair& p, Time now) {
  Pair* current = pair(selected_);
  if (current == nullptr || current == &p || config_.lite) return;
  p.moved_at = now;
  if (current->unanswered_since == kNever) current->next_check = std::min(current->next_check, now);
}

// Nobody checks a good spare pair for nothing: has the peer lost its end of the selected one?
void Agent::notice_spare(Pair& p, Time now) {
  if (!config_.renomination || p.id == selected_ || p.state != PairState::Succeeded) return;
  if (now < p.last_response + kSpareRest || p.triggered) return;
  notice_moved(p, now);
  trigger(p, now);
}

void Agent::accept_request(const stun::Message& message, const net::Datagram& packet, Time now) {
  Pair* p = pair_for_request(message, packet, now);
  if (p == nullptr) return;
  take_embedded(message, packet);
  if (p->heard_since == kNever) {
    p->heard_since = now;
    p->early = 0;
  }
  respond(message, packet, generation_, p->id, now);
  ++p->counters.requests_received;
  p->last_received = std::max(p->last_received, now);
  p->sent_unheard_since = kNever;
  mark_validated(*p);
  if (config_.lite) {
    // A lite agent has no answers to count: the checks of the selected pair are the peer's consent.
    if (p->id == selected_ || !selected_path_) p->last_response = p->last_received;
  } else if (p->state != PairState::Succeeded) {
    trigger(*p, now);
  }
  if (role_ == Role::Controlled && message.has(Attribute::UseCandidate)) {
    consider_nomination(*p, message.u32(Attribute::Nomination), now);
  }
  update(now);
}

// Of an authenticated message only. The packet's memory is the caller's, who may decrypt in it.
void Agent::take_embedded(const stun::Message& message, const net::Datagram& packet) {
  const auto embedded = sped_.receive(message, drops_);
  if (!embedded) return;
  embedded_ = packet.bytes.subspan(static_cast<size_t>(embedded->data() - packet.bytes.data()), embedded->size());
}

void Agent::respond(const stun::Message& request, const net::Datagram& packet, uint32_t number, PairId id, Time now) {
  if (responses_.size() >= kMaxResponses) return drops_.add(Drop::QueueFull);
  Response response;
  response.id = request.transaction_id();
  response.path = {packet.local, packet.remote, packet.protocol};
  response.generation = number;
  if (Pair* p = pair(id)) {
    response.small = now - p->heard_since >= internal::kLargeFor && p->counters.responses_sent % 2 == 1;
    ++p->counters.responses_sent;
  }
  responses_.push_back(response);
}

// Never larger than the request, and few of them.
void Agent::respond_error(const stun::Message& request, const net::Datagram& packet, uint32_t number,
                          stun::ErrorNumber error, const stun::AttributeList& unknown, Time now) {
  const size_t list_size = unknown.empty() ? 0 : 4 + ((2 * unknown.size + 3) & ~size_t{3});
  if (kErrorSize + list_size > request.size() || responses_.size() >= kMaxResponses) return;
  if (now >= error_window_ + kErrorWindow) {
    error_window_ = now;
    errors_in_window_ = 0;
  }
  if (++errors_in_window_ > kMaxErrorsPerSecond) return;
  Response response;
  response.id = request.transaction_id();
  response.path = {packet.local, packet.remote, packet.protocol};
  response.generation = number;
  response.error = error;
  response.unknown = unknown;
  responses_.push_back(response);
}

// RFC 8445 §11.
size_t Agent::write_knock(Bytes out) {
  const auto id = stun::TransactionId::random(env_.random);
  return stun::Builder(out, stun::Method::Binding, stun::Class::Indication, id).add_fingerprint().finish().size();
}

size_t Agent::write_response(const Response& response, Bytes out) {
  const internal::Generation* g = generation(response.generation);
  if (g == nullptr) return 0;
  const auto message_class = response.error ? stun::Class::Error : stun::Class::Success;
  stun::Builder builder(out, stun::Method::Binding, message_class, response.id);
  if (response.error) {
    builder.add_error(*response.error);
    if (!response.unknown.empty()) builder.add_unknown_attributes(response.unknown.view());
  } else {
    builder.add_xor_address(Attribute::XorMappedAddress, response.path.remote);
    if (sped_.in_answers() && response.generation == generation_) sped_.write(builder, response.small);
  }
  builder.add_integrity(*g->local_key).add_fingerprint();
  return builder.finish().size();
}

}  // namespace kaon::ice
