// Connectivity checks: when they are sent, how they look, what their answers mean.
#include <algorithm>
#include <tuple>

#include "kaon/base/assert.h"
#include "kaon/ice/agent.h"
#include "kaon/stun/builder.h"

namespace kaon::ice {

namespace {

using std::chrono::milliseconds;

// Distance to the next check of the same pair while none is answered. RFC 8445 §14.3 wants 500 ms before the same
// request is repeated; ours are new transactions, each of which counts in the pacing of all, as in browsers.
constexpr std::array<Duration, 7> kRetryDelays{milliseconds(200), milliseconds(300),  milliseconds(450),
                                               milliseconds(675), milliseconds(1000), milliseconds(1500),
                                               milliseconds(2000)};
// While there is no path a check is repeated sooner as well, because a loss shall not cost 200 ms: after this time, or
// one and a half round trips if the path before a restart tells how long they are, then after twice that. So many
// times, and so many again once the peer has been heard; only where the pace allows a check that no other pair wants.
constexpr Duration kEarlyDistance = milliseconds(50);
constexpr int kMaxEarly = 2;
// A pair that carries data is asked again less hastily: one lost answer means nothing.
constexpr Duration kMinConsentRetry = milliseconds(500);
constexpr Duration kMaxConsentRetry = milliseconds(1000);
// Silence on a pair that carried data until now, or three round trips.
constexpr Duration kMinQuiet = milliseconds(500);
// About 14 s without an answer.
constexpr int kMaxAttempts = 12;
// For addresses that only a check has named, once we are connected: a replayed check shall not buy many packets.
constexpr int kMaxReflexiveAttempts = 4;
// For pairs that could not replace the nominated one but may be needed when that breaks: about a second without an
// answer.
constexpr int kMaxSpareAttempts = 4;
// The peer's check makes us repeat ours, which was perhaps too early for the peer's translator; not sooner than this,
// in which the answer to ours comes on a short way.
constexpr Duration kTriggerHoldOff = milliseconds(10);
// First checks follow each other so much faster than repeated ones.
constexpr int kFirstPaceDivisor = 4;

// Every other one, of a pair that has been silent for long.
bool stays_small(const internal::Pair& p, Time now) {
  return p.state == PairState::InProgress && now - p.unanswered_since >= internal::kLargeFor && p.attempts % 2 == 1;
}

Duration retry_delay(int attempts, bool succeeded) {
  const size_t index = std::min(static_cast<size_t>(std::max(attempts, 1)) - 1, kRetryDelays.size() - 1);
  return succeeded ? std::clamp(kRetryDelays[index], kMinConsentRetry, kMaxConsentRetry) : kRetryDelays[index];
}

}  // namespace

bool Agent::can_check(const Pair& p) const {
  const internal::Generation* g = generation(p.generation);
  return g != nullptr && g->remote_key.has_value();
}

int Agent::max_attempts(const Pair& p) const {
  const bool guessed = remote_of(p).candidate.type == CandidateType::PeerReflexive;
  return guessed && selected_path_ ? kMaxReflexiveAttempts : kMaxAttempts;
}

// The selected pair carried data and went quiet: perhaps our address has changed in a translator, and the peer waits
// for a packet that shows it the new one. One check a pause, because only data after its answer makes it due again.
Time Agent::quiet_at(const Pair& p) const {
  if (p.unanswered_since != kNever) return kNever;
  const Duration wait = std::max(kMinQuiet, p.rtt * 3);
  const Time sent = p.sent_unheard_since == kNever ? kNever : p.sent_unheard_since + wait;
  return p.heard_data == internal::kSteady ? std::min(sent, p.last_received + wait) : sent;
}

bool Agent::worth_a_try(const Pair& spare) const {
  return config_.renomination && spare.path.protocol == net::Protocol::Udp && spare.attempts < kMaxSpareAttempts;
}

// When the pair wants its next ordinary check; triggered ones have a queue of their own.
Time Agent::due(const Pair& p) const {
  if (p.triggered || p.queued || !can_check(p)) return kNever;
  const Pair* current = pair(selected_);
  const bool is_current = current == &p;
  switch (p.state) {
    case PairState::Failed: return kNever;
    case PairState::Succeeded: {
      const bool carries = is_current && !config_.lite;
      const bool wanted = carries || p.nominating || p.nominate_on_success;
      return wanted ? std::min(p.next_check, carries ? quiet_at(p) : kNever) : kNever;
    }
    case PairState::Waiting:
      if (config_.lite) return kNever;
      [[fallthrough]];
    case PairState::InProgress: {
      // What could not replace the nominated pair is not tried while that works (RFC 8445 §8.1.1), or a few times only
      // if the peer would follow us there: that opens the translators in between.
      const bool spare = current != nullptr && current->nominated && current->generation == p.generation &&
                         p.priority < current->priority && !p.nominate_on_success && state_ != State::Disconnected;
      return spare && !worth_a_try(p) ? kNever : p.next_check;
    }
  }
  return kNever;
}

Duration Agent::early_distance() const {
  const auto known = rtt();
  return known ? std::max(*known * 3 / 2, kMinPace) : kEarlyDistance;
}

// With pacing.
Time Agent::early_at(const Pair& p) const {
  if (p.next_early == kNever || p.state != PairState::InProgress || p.triggered || p.queued || !can_check(p))
    return kNever;
  const Pair* current = pair(selected_);
  if (current != nullptr && current->generation == generation_) return kNever;
  return std::max({p.next_early, last_check_ + kMinPace, last_repeat_ + pace()});
}

// RFC 8445 §14.2: at most one check per Ta; Ta may be short where the round trip is.
Duration Agent::pace() const {
  const auto known = rtt();
  return known ? std::clamp(*known / 2, kMinPace, config_.pace) : config_.pace;
}

// Each pair's first check is in a hurry: the one that works may be among the last. There are kMaxPairs of them.
Duration Agent::first_pace() const { return std::max(kMinPace, config_.pace / kFirstPaceDivisor); }

Time Agent::paced(const Pair& p) const {
  return std::max(last_check_ + kMinPace, untried(p) ? last_first_ + first_pace() : last_repeat_ + pace());
}

Agent::Pair* Agent::next_triggered(Time now) {
  for (size_t i = triggered_.size(); i > 0; --i) {
    const PairId id = triggered_.pop_front();
    Pair* p = pair(id);
    if (p == nullptr || !p->triggered) continue;
    if (can_check(*p) && !p->queued && p->next_check <= now) {
      p->triggered = false;
      return p;
    }
    triggered_.push_back(id);  // its time or the peer's credentials are still to come
  }
  return nullptr;
}

// Longest overdue first, so that no number of candidates can keep one from its turn; then by priority.
Agent::Pair* Agent::next_repeat(Time now) {
  Pair* next = nullptr;
  Time next_at = kNever;
  for (Pair& p : pairs_) {
    const Time at = untried(p) ? kNever : due(p);
    if (at > now) continue;
    if (next == nullptr || at < next_at || (at == next_at && p.priority > next->priority)) {
      next = &p;
      next_at = at;
    }
  }
  return next;
}

// The kinds take turns, as RFC 8421 §4 has it for families: hundreds of host addresses that lead nowhere do not keep
// the reflexive ones and the relay waiting.
Agent::Pair* Agent::next_untried(Time now) {
  const auto rank = [this](const Pair& p) { return std::tuple(tried_[p.kind], p.spread, ~p.priority); };
  Pair* next = nullptr;
  for (Pair& p : pairs_) {
    if (untried(p) && due(p) <= now && (next == nullptr || rank(p) < rank(*next))) next = &p;
  }
  return next;
}

// Triggered checks go first (RFC 8445 §6.1.4.2), but by turns if ordinary ones wait too: two translators that map by
// port show each other a new address with every answer, and the relay's pairs would never be tried.
void Agent::run_checks(Time now) {
  if (now < last_check_ + kMinPace) return;
  if (last_was_triggered_ && run_ordinary(now)) return;
  if (!run_triggered(now) && !run_ordinary(now)) run_early(now);
}

bool Agent::run_triggered(Time now) {
  Pair* p = next_triggered(now);
  if (p == nullptr) return false;
  send_check(*p, now);
  last_was_triggered_ = true;
  return true;
}

bool Agent::run_ordinary(Time now) {
  Pair* p = nullptr;
  if (now >= last_repeat_ + pace()) {
    while ((p = next_repeat(now)) != nullptr && p->attempts >= max_attempts(*p) && p->id != selected_) give_up(*p, now);
    if (p != nullptr) last_repeat_ = now;
  }
  if (p == nullptr && now >= last_first_ + first_pace()) {
    p = next_untried(now);
    if (p != nullptr) last_first_ = now;
  }
  if (p == nullptr) return false;
  send_check(*p, now);
  last_was_triggered_ = false;
  return true;
}

void Agent::run_early(Time now) {
  Pair* p = nullptr;
  for (Pair& other : pairs_) {
    if (early_at(other) <= now && (p == nullptr || other.next_early < p->next_early)) p = &other;
  }
  if (p == nullptr) return;
  last_repeat_ = now;
  send_check(*p, now, true);
}

// Until the peer asks, or for a while.
void Agent::give_up(Pair& p, Time now) {
  const bool again = config_.recheck > Duration() && !selected_path_;
  p.state = again ? PairState::Waiting : PairState::Failed;
  if (again) p.attempts = 0;
  if (again) p.next_check = now + config_.recheck;
  p.nominating = p.nominate_on_success = p.triggered = false;
}

void Agent::begin_transaction(Pair& p, bool use_candidate, Time now) {
  internal::Sent& sent = p.sent[p.sent_count++ % Pair::kMaxSent];
  sent.id = stun::TransactionId::random(env_.random);
  store_be32(sent.id.bytes.data(), tag_);
  sent.at = now;
  sent.role = role_;
  sent.use_candidate = use_candidate;
  outgoing_checks_.push_back({p.id, sent.id});
  ++p.counters.requests_sent;
}

void Agent::send_check(Pair& p, Time now, bool early) {
  // RFC 8445 §7.2.5.3.4. A lite peer sends nothing before it is told, so the best pair is nominated with its first
  // check.
  const bool best = std::ranges::none_of(pairs_, [&](const Pair& other) {
    return other.generation == p.generation && other.priority > p.priority && other.state != PairState::Failed;
  });
  const bool use_candidate = role_ == Role::Controlling && (p.nominating || p.nominated || (remote_lite_ && best));

  if (untried(p)) ++tried_[p.kind];
  ++(early ? p.early : p.attempts);
  // A flight of several packets, as a ClientHello with ML-KEM is, goes out at once: the peer can do nothing with half
  // of it, and the next check of this pair is far.
  const size_t count = early || stays_small(p, now) ? 1 : std::clamp<size_t>(sped_.pending(), 1, kMaxBurst);
  for (size_t i = 0; i < count; ++i) begin_transaction(p, use_candidate, now);
  const bool succeeded = p.state == PairState::Succeeded;
  if (!succeeded) p.state = PairState::InProgress;
  if (p.unanswered_since == kNever) p.unanswered_since = now;
  if (!early) p.next_check = now + retry_delay(p.attempts, succeeded && !p.nominating && !p.nominate_on_success);
  const Time sooner = now + early_distance() * (1 + p.early);
  p.next_early = p.early < kMaxEarly && sooner < p.next_check ? sooner : kNever;
  p.queued = true;
  last_check_ = now;
  if (succeeded) ++p.counters.consent_requests_sent;
}

// RFC 8445 §7.3.1.4.
void Agent::trigger(Pair& p, Time now) {
  if (p.triggered) return;
  Time at = now;
  if (p.state == PairState::InProgress) {
    const internal::Sent& newest = p.sent[(p.sent_count + Pair::kMaxSent - 1) % Pair::kMaxSent];
    at = std::max(now, newest.at + kTriggerHoldOff);
  }
  if (p.state == PairState::Failed) {
    p.state = PairState::Waiting;
    p.attempts = 0;
  }
  p.triggered = true;
  p.next_check = at;
  triggered_.push_back(p.id);
}

// The peer has been heard over these pairs and waits for what our next flight says.
void Agent::flight_embedded(Time now) {
  // As many answers are on their way already.
  if (selected_path_ || config_.lite || sped_.pending() <= responses_.size()) return;
  for (Pair& p : pairs_) {
    if (!p.validated || p.generation != generation_ || !can_check(p)) continue;
    if (p.state == PairState::Failed) continue;
    if (p.triggered) {
      p.next_check = std::min(p.next_check, now);
      continue;
    }
    if (p.queued) {  // by a check that has not left: it takes the others along
      const bool use_candidate = p.sent[(p.sent_count + Pair::kMaxSent - 1) % Pair::kMaxSent].use_candidate;
      for (size_t i = 1; i < std::min(sped_.pending(), kMaxBurst); ++i) begin_transaction(p, use_candidate, now);
      continue;
    }
    p.triggered = true;
    p.next_check = now;
    triggered_.push_back(p.id);
  }
  update(now);
}

size_t Agent::write_check(const Pair& p, const stun::TransactionId& id, Bytes out) {
  const internal::Generation* g = generation(p.generation);
  const auto found = std::ranges::find(p.sent, id, &internal::Sent::id);
  if (g == nullptr || !g->remote_key || found == p.sent.end()) return 0;
  const internal::Sent& sent = *found;
  const auto local = std::ranges::find(locals_, p.local, &Local::id);
  KAON_ASSERT(local != locals_.end());
  std::array<char, 2 * kMaxCredential + 1> username;
  char* end = std::ranges::copy(g->remote->ufrag, username.begin()).out;
  *end++ = ':';
  end = std::ranges::copy(g->local.ufrag, end).out;

  stun::Builder builder(out, stun::Method::Binding, stun::Class::Request, sent.id);
  builder.add_text(stun::Attribute::Username, {username.data(), end});
  builder.add_network_info(local->candidate.network_id.value_or(0), local->candidate.network_cost.value_or(0));
  builder.add_u64(sent.role == Role::Controlling ? stun::Attribute::IceControlling : stun::Attribute::IceControlled,
                  tie_breaker_);
  if (sent.use_candidate) builder.add_flag(stun::Attribute::UseCandidate);
  if (sent.use_candidate && p.nomination_number != 0) {
    builder.add_u32(stun::Attribute::Nomination, p.nomination_number);
  }
  // RFC 8445 §7.1.1: the priority of the peer-reflexive candidate that this check may uncover.
  builder.add_u32(stun::Attribute::Priority,
                  candidate_priority(CandidateType::PeerReflexive, local->preference, 1, p.path.protocol));
  if (sped_.in_checks() && p.generation == generation_) sped_.write(builder, stays_small(p, sent.at));
  builder.add_integrity(*g->remote_key).add_fingerprint();
  return builder.finish().size();
}

void Agent::handle_response(const stun::Message& message, const net::Datagram& packet, Time now) {
  const stun::TransactionId& id = message.transaction_id();
  if (load_be32(id.bytes.data()) != tag_) return drops_.add(Drop::UnknownTransaction);
  for (Pair& p : pairs_) {
    for (internal::Sent& sent : p.sent) {
      if (sent.id != id) continue;
      // RFC 8445 §7.2.5.2.1: back the way the request went.
      if (p.path != Path{packet.local, packet.remote, packet.protocol}) return drops_.add(Drop::WrongSource);
      const internal::Generation* g = generation(p.generation);
      if (g == nullptr || !g->remote_key || !message.verify_integrity(*g->remote_key)) {
        return drops_.add(Drop::BadIntegrity);
      }
      const internal::Sent answered = std::exchange(sent, {});
      if (message.message_class() == stun::Class::Success) {
        if (p.generation == generation_) take_embedded(message, packet);
        handle_success(p, message, answered, now);
      } else {
        handle_error(p, message, answered, now);
      }
      return update(now);
    }
  }
  for (const auto& client : clients_) {
    if (!client->is_from_server(packet)) continue;
    client->handle_packet(packet, now);
    drain_client(*client);
    update_gathering();
    return update(now);
  }
  drops_.add(Drop::UnknownTransaction);
}

// The peer's check revives the pair: it may be a firewall that refuses what it has not asked for.
void Agent::handle_unreachable(ByteView quoted, const net::Endpoint& remote, Time now) {
  if (inert() || !stun::is_stun(quoted)) return drops_.add(inert() ? Drop::Inert : Drop::NotStun);
  for (Pair& p : pairs_) {
    for (const internal::Sent& sent : p.sent) {
      if (p.path.remote != remote || !std::ranges::equal(sent.id.bytes, quoted.subspan(8, sent.id.bytes.size())))
        continue;
      if (p.validated || p.id == selected_ || p.state == PairState::Succeeded) return;
      give_up(p, now);
      return update(now);
    }
  }
  for (const auto& client : clients_) {
    if (client->config().server != remote || !client->handle_unreachable(quoted, now)) continue;
    drain_client(*client);
    update_gathering();
    return update(now);
  }
  drops_.add(Drop::UnknownTransaction);
}

void Agent::handle_success(Pair& p, const stun::Message& message, const internal::Sent& sent, Time now) {
  const auto mapped = message.xor_address(stun::Attribute::XorMappedAddress);
  if (!mapped) return drops_.add(Drop::Malformed);
  const Duration sample = std::max(now - sent.at, Duration::zero());
  p.rtt = p.counters.responses_received == 0 ? sample : (p.rtt * 7 + sample) / 8;
  p.counters.total_rtt += sample;
  ++p.counters.responses_received;
  p.attempts = 0;
  p.unanswered_since = kNever;
  p.last_response = p.last_received = std::max(p.last_received, now);
  p.sent_unheard_since = kNever;
  p.heard_data = 0;
  p.state = PairState::Succeeded;
  p.triggered = false;
  p.next_check = now + consent_interval();
  learn_mapped(p, *mapped);
  mark_validated(p);
  if (sent.use_candidate && role_ == Role::Controlling && sent.role == role_) {
    p.nominated = true;
    p.nominating = false;
  }
  if (p.nominate_on_success) {
    p.nominate_on_success = false;
    consider_nomination(p, std::nullopt, now);
  }
}

void Agent::handle_error(Pair& p, const stun::Message& message, const internal::Sent& sent, Time now) {
  const auto error = message.error_code();
  if (!error) return drops_.add(Drop::Malformed);
  p.last_received = std::max(p.last_received, now);
  if (error->number == static_cast<uint16_t>(stun::ErrorNumber::RoleConflict)) {
    // RFC 8445 §7.2.5.1: change sides unless that has happened since; a new tie-breaker ends a draw.
    if (sent.role == role_ && !config_.lite && !remote_lite_) {
      switch_role(role_ == Role::Controlling ? Role::Controlled : Role::Controlling);
      tie_breaker_ = env_.random.u64();
      push_event(RoleChanged{role_});
    }
    return trigger(p, now);
  }
  if (p.state != PairState::Succeeded) p.state = PairState::Failed;
}

// RFC 8445 §7.2.5.3.1: the peer sees us under an address that we did not know.
void Agent::learn_mapped(Pair& p, const net::Endpoint& mapped) {
  const auto reported = std::ranges::find(locals_, p.reported_local, &Local::id);
  if (reported != locals_.end() && reported->candidate.address == mapped) return;
  const Local* base = find_base(p.path.local, p.path.protocol);
  if (base == nullptr) return;
  add_reflexive(CandidateType::PeerReflexive, Local(*base), {}, mapped);
  const auto it = std::ranges::find_if(
      locals_, [&](const Local& l) { return l.base == p.path.local && l.candidate.address == mapped; });
  if (it != locals_.end()) p.reported_local = it->id;
}

void Agent::mark_validated(Pair& p) {
  if (p.validated) return;
  p.validated = true;
  push_event(PathValidated{p.path});
}

}  // namespace kaon::ice
