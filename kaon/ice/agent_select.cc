// Nomination, selection, consent.
#include <algorithm>

#include "kaon/ice/agent.h"

namespace kaon::ice {

namespace {

using std::chrono::milliseconds;

// A pair is stale if a check has been unanswered and nothing has come for so long (or three round trips).
constexpr Duration kMinStale = milliseconds(750);
// The same once the peer is known to be elsewhere.
constexpr Duration kMinLeft = milliseconds(50);
// The peer may nominate a worse pair once the selected one has been quiet for so long: it knows something we do not.
constexpr Duration kQuietBeforeDowngrade = milliseconds(1000);
// At least two checks must be unanswered before the peer is called disconnected.
constexpr Duration kUnansweredBeforeDisconnected = milliseconds(1000);

}  // namespace

// When stale() will become true if nothing happens.
Time Agent::stale_at(const Pair& p) const {
  if (config_.lite || p.unanswered_since == kNever) return kNever;
  return std::max(p.unanswered_since, p.last_received) + std::max(left(p) ? kMinLeft : kMinStale, p.rtt * 3);
}

bool Agent::stale(const Pair& p, Time now) const { return now >= stale_at(p); }

// The peer has turned up at a new address and answers there, and nothing has come from the old one since.
bool Agent::left(const Pair& p) const {
  return std::ranges::any_of(pairs_, [&](const Pair& other) {
    return other.moved_at != kNever && other.moved_at > p.last_received && other.state == PairState::Succeeded &&
           other.generation == p.generation;
  });
}

// Answered lately enough to send data there without asking again.
bool Agent::fresh(const Pair& p, Time now) const {
  return p.state == PairState::Succeeded && now < p.last_response + 2 * config_.consent_interval;
}

// When silent() will become true if nothing happens.
Time Agent::silent_at(const Pair& p) const {
  // A lite agent only hears the peer's own consent checks, which come every six seconds at the slowest.
  if (config_.lite) return p.last_received + 2 * config_.disconnected_after;
  if (p.unanswered_since == kNever) return kNever;
  return std::max(p.unanswered_since + kUnansweredBeforeDisconnected, p.last_received + config_.disconnected_after);
}

bool Agent::silent(const Pair& p, Time now) const { return now >= silent_at(p); }

// RFC 7675 §5.1: each interval is drawn from 0.8 to 1.2 times the period.
Duration Agent::consent_interval() {
  const auto period = config_.consent_interval.count();
  return Duration(period * 4 / 5 + static_cast<int64_t>(env_.random.below(static_cast<uint64_t>(period * 2 / 5) + 1)));
}

void Agent::check_liveness(Time now) {
  const Pair* current = pair(selected_);
  if (current == nullptr || now < current->last_response + config_.consent_expiry) return;
  // A restart is under way: the old path ends, the new checks go on.
  if (current->generation != generation_) {
    unselect();
    set_state(State::Checking);
    return await_pairs(now);
  }
  fail_with(FailReason::ConsentExpired);
}

// Everything gets another chance while the selected pair is silent.
void Agent::recheck_all(Time now) {
  if (config_.lite) return;
  tried_ = {};
  for (Pair& p : pairs_) {
    if (p.id == selected_ || p.generation != generation_) continue;
    p.state = PairState::Waiting;
    p.nominated = p.nominating = false;
    p.attempts = p.early = 0;
    p.unanswered_since = kNever;
    p.next_check = now;
  }
}

Agent::Pair* Agent::best_valid(Time now) {
  Pair* best = nullptr;
  for (Pair& p : pairs_) {
    if (p.generation != generation_ || p.state != PairState::Succeeded || stale(p, now)) continue;
    if (p.id != selected_ && !fresh(p, now)) continue;
    if (best == nullptr || p.priority > best->priority) best = &p;
  }
  return best;
}

void Agent::update_selection(Time now) {
  Pair* current = pair(selected_);
  if (current == nullptr && selected_path_) unselect();
  if (config_.lite) return;  // selects by USE-CANDIDATE alone
  const bool failing = current != nullptr && stale(*current, now);
  if (failing) probe_spares(*current, now);
  Pair* best = best_valid(now);
  if (best == nullptr || (failing && best->last_response < current->unanswered_since)) return;
  if (role_ == Role::Controlling) {
    control(*best, current, now);
  } else {
    follow(*best, current, now);
  }
}

// Pairs that were good once: are they still?
void Agent::probe_spares(const Pair& current, Time now) {
  for (Pair& p : pairs_) {
    if (p.id == current.id || p.generation != generation_ || p.state != PairState::Succeeded) continue;
    if (p.unanswered_since == kNever && p.last_response < current.unanswered_since) trigger(p, now);
  }
}

// RFC 8445 §8.1.1: the first valid pair is nominated at once, and a better one when it turns up. The controlled side
// takes the best of what is nominated.
void Agent::control(Pair& best, Pair* current, Time now) {
  const bool settled =
      current != nullptr && current->nominated && current->generation == generation_ && !stale(*current, now);
  if (settled && &best != current && best.priority <= current->priority) return;
  if (best.nominated || !settled) select(best);
  if (!best.nominated && !best.nominating) nominate(best);
}

// Before the peer has nominated, the best valid pair carries data; afterwards only a dead one is left without being
// told.
void Agent::follow(Pair& best, Pair* current, Time now) {
  const bool settled =
      current != nullptr && current->nominated && current->generation == generation_ && !stale(*current, now);
  if (!settled && (current == nullptr || current->generation != generation_ || best.priority > current->priority ||
                   stale(*current, now))) {
    select(best);
  }
}

void Agent::nominate(Pair& p) {
  p.nominating = true;
  if (config_.renomination) p.nomination_number = ++nomination_number_;
  p.next_check = Time::min();
}

// RFC 8445 §7.3.1.5, and the attribute of renomination: the highest number wins, older ones are replays.
void Agent::consider_nomination(Pair& p, std::optional<uint32_t> number, Time now) {
  if (number) {
    if (*number < nomination_number_) return drops_.add(Drop::OldNomination);
    nomination_number_ = *number;
    p.nomination_number = *number;
  }
  Pair* current = pair(selected_);
  if (config_.lite && current == nullptr) p.state = PairState::Succeeded;
  // Nobody can tell a replayed check from a peer that has moved, so that data is redirected only after an answer to a
  // check of our own. This binds lite agents too.
  if (&p != current && !(config_.lite && current == nullptr) && !fresh(p, now)) {
    p.nominate_on_success = true;
    return trigger(p, now);
  }
  p.nominated = true;
  const bool outranked = current != nullptr && current != &p && current->nominated &&
                         current->generation == generation_ && p.nomination_number <= current->nomination_number &&
                         p.priority < current->priority && now < current->last_received + kQuietBeforeDowngrade;
  if (!outranked) select(p);
}

void Agent::select(Pair& p) {
  const bool news = selected_ != p.id || reported_nominated_ != p.nominated;
  selected_ = p.id;
  selected_path_ = p.path;
  const bool named = !remote_of(p).candidate.hostname.empty();
  peer_at_ = named || p.path.protocol != net::Protocol::Udp ? std::nullopt : std::optional(p.path.remote);
  reported_nominated_ = p.nominated;
  if (p.nominated && p.generation == generation_) retire_previous_generation();
  if (news) push_event(SelectedPairChanged{local_of(p).candidate, remote_of(p).candidate, p.path, p.rtt, p.nominated});
}

void Agent::unselect() {
  selected_ = {};
  selected_path_.reset();
  reported_nominated_ = false;
}

}  // namespace kaon::ice
