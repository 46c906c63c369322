// Life cycle of the agent: generations, states, timers, queues.
#include "kaon/ice/agent.h"

#include <algorithm>
#include <utility>

#include "kaon/base/assert.h"
#include "kaon/stun/credentials.h"

namespace kaon::ice {

namespace {

// Data that comes over another pair than the selected one means something once that has been quiet for so long.
constexpr Duration kElsewhere = std::chrono::milliseconds(50);

}  // namespace

std::string_view to_text(State state) {
  static constexpr std::array<std::string_view, 7> kNames{"new",          "checking", "connected", "completed",
                                                          "disconnected", "failed",   "closed"};
  return kNames[static_cast<size_t>(state)];
}

Agent::Agent(Env env, const Config& config)
    : env_(env),
      config_(config),
      role_(config.lite ? Role::Controlled : config.role),
      tie_breaker_(env.random.u64()),
      tag_(env.random.u32()),
      sped_(config.sped) {
  config_.pace = std::max(config_.pace, kMinPace);
  deadlines_.fill(kNever);
  begin_generation(config.ufrag, config.password);
}

void Agent::begin_generation(std::string_view ufrag, std::string_view password) {
  internal::Generation next;
  next.local = Credentials::generate(env_.random, ufrag);
  if (!password.empty()) next.local.password = password;
  KAON_ASSERT(next.local.valid());
  next.local_key = stun::short_term_key(next.local.password);
  next.number = ++generation_;
  generations_[kCurrent] = std::move(next);
}

const internal::Generation* Agent::generation(uint32_t number) const {
  for (const internal::Generation& g : generations_) {
    if (g.number == number && number != 0) return &g;
  }
  return nullptr;
}

Result<void, Error> Agent::set_remote_credentials(const Credentials& remote, bool lite, Time now) {
  if (state_ == State::Closed) return fail(Error::Closed);
  if (!remote.valid()) return fail(Error::BadCredentials);
  internal::Generation& current = generations_[kCurrent];
  if (current.remote) {
    if (*current.remote == remote) return {};
    return fail(Error::RestartNeeded);
  }
  current.remote = remote;
  current.remote_key = stun::short_term_key(remote.password);
  remote_lite_ = lite;
  // RFC 8445 §6.1.1: the full agent controls.
  if (lite && !config_.lite) set_role(Role::Controlling);
  // Candidates that came early and name another generation.
  std::erase_if(remotes_, [&](const Remote& r) {
    const bool foreign = r.generation == generation_ && !r.candidate.ufrag.empty() && r.candidate.ufrag != remote.ufrag;
    if (foreign) std::erase_if(pairs_, [&](const Pair& p) { return p.remote == r.id; });
    return foreign;
  });
  await_pairs(now);
  update(now);
  return {};
}

// RFC 8445 §9: new credentials, new checks; data goes on over the selected pair until a new one is found.
Result<void, Error> Agent::restart(Time now, std::string_view ufrag) {
  if (state_ == State::Closed) return fail(Error::Closed);
  if (!ufrag.empty()) {
    const Credentials wanted{std::string(ufrag), std::string(kMinPassword, 'x')};
    if (!wanted.valid() || ufrag == local_credentials().ufrag) return fail(Error::BadCredentials);
  }
  const Pair* kept = pair(selected_);
  if (kept == nullptr) {
    generations_[kPrevious] = {};
  } else if (kept->generation == generation_) {
    generations_[kPrevious] = std::move(generations_[kCurrent]);
  }
  std::erase_if(pairs_, [&](const Pair& p) { return p.id != selected_; });
  kept = pair(selected_);
  std::erase_if(remotes_, [&](const Remote& r) { return kept == nullptr || r.id != kept->remote; });
  triggered_.clear();
  if (kept != nullptr && kept->triggered) triggered_.push_back(kept->id);
  remote_ended_ = false;
  nomination_number_ = 0;
  begin_generation(ufrag, {});
  deadline(Timer::Patience) = kNever;
  if (kept == nullptr) set_state(State::New);
  regather(now);
  update(now);
  return {};
}

void Agent::set_role(Role role) {
  if (!config_.lite && role != role_ && !inert()) switch_role(role);
}

void Agent::switch_role(Role role) {
  role_ = role;
  for (Pair& p : pairs_) {
    p.nominating = false;
    p.nominate_on_success = false;
  }
  reprioritise();
}

void Agent::close() {
  if (state_ == State::Closed) return;
  set_state(State::Closed);
  go_silent();
  pairs_.clear();
  remotes_.clear();
}

void Agent::fail_with(FailReason reason) {
  set_state(State::Failed, reason);
  go_silent();
}

void Agent::go_silent() {
  unselect();
  triggered_.clear();
  outgoing_checks_.clear();
  responses_.clear();
  knocks_.clear();
  clients_.clear();
  deadlines_.fill(kNever);
}

void Agent::set_state(State state, FailReason reason) {
  if (state == state_) return;
  env_.log.line(LogLevel::Debug, "ice", to_text(state_), " -> ", to_text(state));
  state_ = state;
  push_event(StateChanged{state, reason});
}

void Agent::push_event(Event event) {
  // An undrained event of the same kind is overtaken: only the newest pair and the newest state matter.
  if (!events_.empty() && events_.back().index() == event.index() &&
      (std::holds_alternative<SelectedPairChanged>(event) || std::holds_alternative<RoleChanged>(event))) {
    events_.back() = std::move(event);
    return;
  }
  if (events_.size() == kMaxEvents) events_.pop_front();
  events_.push_back(std::move(event));
}

std::optional<Event> Agent::poll_event() {
  if (events_.empty()) return std::nullopt;
  return events_.pop_front();
}

void Agent::handle_packet(const net::Datagram& packet, Time now) {
  embedded_.reset();
  if (!stun::is_stun(packet.bytes)) return drops_.add(Drop::NotStun);
  if (inert()) return drops_.add(Drop::Inert);
  const auto message = stun::Message::parse(packet.bytes);
  if (!message) return drops_.add(Drop::Malformed);
  if (message->method() != stun::Method::Binding) return drops_.add(Drop::NotBinding);
  switch (message->message_class()) {
    case stun::Class::Request: return handle_request(*message, packet, now);
    case stun::Class::Indication: return;  // keeps NAT mappings alive, proves nothing (RFC 8445 §11)
    case stun::Class::Success:
    case stun::Class::Error: return handle_response(*message, packet, now);
  }
}

void Agent::handle_timeout(Time now) {
  if (inert()) return;
  if (now >= deadline(Timer::Gathering)) {
    for (const auto& client : clients_) {
      client->handle_timeout(now);
      drain_client(*client);
    }
    update_gathering();
  }
  if (now >= deadline(Timer::Liveness)) check_liveness(now);
  if (now >= deadline(Timer::Patience) && !selected_path_) fail_with(FailReason::ChecksFailed);
  update(now);
}

Time Agent::next_timeout() const { return *std::ranges::min_element(deadlines_); }

// RFC 8863 §3: late candidates may still make it, so nothing fails before this time is over.
void Agent::await_pairs(Time now) {
  if (!selected_path_ && generations_[kCurrent].remote) deadline(Timer::Patience) = now + config_.patience;
}

// Brings everything that follows from the tables up to date.
void Agent::update(Time now) {
  if (inert()) return;
  update_selection(now);
  update_state(now);
  run_checks(now);
  schedule(now);
}

void Agent::update_state(Time now) {
  const Pair* current = pair(selected_);
  if (current == nullptr) {
    const bool checking = generations_[kCurrent].remote && !pairs_.empty();
    if (checking && state_ != State::Disconnected) set_state(State::Checking);
    return;
  }
  deadline(Timer::Patience) = kNever;
  if (silent(*current, now)) {
    if (state_ == State::Disconnected) return;
    set_state(State::Disconnected);
    return recheck_all(now);
  }
  const bool completed = gathering_done_ && remote_ended_ && current->nominated && current->generation == generation_ &&
                         !better_pair_is_being_checked();
  set_state(completed ? State::Completed : State::Connected);
  // The mapping is kept alive by consent checks from now on.
  if (current->nominated) std::erase_if(clients_, [](const auto& client) { return !client->pending(); });
}

bool Agent::better_pair_is_being_checked() const {
  const Pair* current = pair(selected_);
  return std::ranges::any_of(pairs_, [&](const Pair& p) {
    return p.generation == generation_ && p.priority > current->priority &&
           (p.state == PairState::Waiting || p.state == PairState::InProgress) && can_check(p);
  });
}

void Agent::schedule(Time now) {
  Time earliest = kNever;
  for (const Pair& p : pairs_) earliest = std::min(earliest, next_check_of(p));
  deadline(Timer::Check) = earliest;

  Time gathering = kNever;
  for (const auto& client : clients_) gathering = std::min(gathering, client->next_timeout());
  deadline(Timer::Gathering) = gathering;

  const Pair* current = pair(selected_);
  Time liveness = kNever;
  if (current != nullptr) {
    liveness = current->last_response + config_.consent_expiry;
    for (const Time at : {silent_at(*current), stale_at(*current)}) {
      if (at > now) liveness = std::min(liveness, at);
    }
  }
  deadline(Timer::Liveness) = liveness;
}

// With pacing. A check that waits for poll_transmit() puts off the next one of its pair.
Time Agent::next_check_of(const Pair& p) const {
  if (p.queued || !can_check(p)) return kNever;
  if (p.triggered) return std::max(p.next_check, last_check_ + kMinPace);
  const Time at = due(p);
  return std::min(at == kNever ? kNever : std::max(at, paced(p)), early_at(p));
}

std::optional<net::Transmit> Agent::poll_transmit(Bytes out) {
  const auto transmit = [](const Path& path, size_t size) {
    net::Transmit t;
    t.local = path.local;
    t.remote = path.remote;
    t.protocol = path.protocol;
    t.size = size;
    return t;
  };
  while (!responses_.empty()) {
    const Response response = responses_.pop_front();
    if (const size_t size = write_response(response, out); size != 0) return transmit(response.path, size);
  }
  while (!knocks_.empty()) {
    const Path path = knocks_.pop_front();
    if (find_base(path.local, path.protocol) != nullptr) return transmit(path, write_knock(out));
  }
  while (!outgoing_checks_.empty()) {
    const internal::OutgoingCheck check = outgoing_checks_.pop_front();
    Pair* p = pair(check.pair);
    if (p == nullptr) continue;
    p->queued = false;
    deadline(Timer::Check) = std::min(deadline(Timer::Check), next_check_of(*p));
    if (const size_t size = write_check(*p, check.id, out); size != 0) return transmit(p->path, size);
  }
  for (const auto& client : clients_) {
    if (const auto t = client->poll_transmit(out)) return t;
  }
  return std::nullopt;
}

std::optional<Duration> Agent::rtt() const {
  const Pair* current = pair(selected_);
  if (current == nullptr || current->counters.responses_received == 0) return std::nullopt;
  return current->rtt;
}

Source Agent::source_of(const net::Endpoint& local, const net::Endpoint& remote, net::Protocol protocol) const {
  if (inert()) return Source::Unknown;
  if (const Pair* p = find_path({local, remote, protocol})) return p->validated ? Source::Validated : Source::Known;
  const bool signalled = std::ranges::any_of(
      remotes_, [&](const Remote& r) { return r.candidate.address == remote && r.candidate.protocol == protocol; });
  return signalled ? Source::Known : Source::Unknown;
}

void Agent::count_sent(size_t packets, size_t bytes, Time now) {
  if (inert()) return;
  if (Pair* p = pair(selected_)) {
    if (p->sent_unheard_since == kNever) {
      p->sent_unheard_since = now;
      deadline(Timer::Check) = std::min(deadline(Timer::Check), next_check_of(*p));
    }
    p->counters.packets_sent += packets;
    p->counters.bytes_sent += bytes;
    p->counters.last_packet_sent = now;
  }
}

void Agent::count_received(const Path& path, size_t packets, size_t bytes, Time now) {
  auto* p = const_cast<Pair*>(find_path(path));
  if (p == nullptr || inert()) return;
  p->counters.packets_received += packets;
  p->counters.bytes_received += bytes;
  p->counters.last_packet_received = now;
  p->last_received = std::max(p->last_received, now);
  p->sent_unheard_since = kNever;
  // The peer sends over another pair than ours: is it still where we send to?
  Pair* current = pair(selected_);
  if (current != nullptr && current != p && now >= current->last_received + kElsewhere) {
    notice_moved(*p, now);
    deadline(Timer::Check) = std::min(deadline(Timer::Check), next_check_of(*current));
    deadline(Timer::Liveness) = std::min(deadline(Timer::Liveness), std::max(now, stale_at(*current)));
  }
  const size_t before = std::exchange(p->heard_data, std::min(p->heard_data + packets, internal::kSteady));
  if (before < internal::kSteady) deadline(Timer::Check) = std::min(deadline(Timer::Check), next_check_of(*p));
}

// A TCP connection does not move: a new one begins with a check.
bool Agent::may_have_moved(const Path& path) const {
  if (inert() || !selected_path_ || path.protocol != net::Protocol::Udp || find_path(path) != nullptr) return false;
  return path.local == selected_path_->local && config_.remote_policy.permits(path.remote);
}

void Agent::check_moved(const Path& path, Time now) {
  const Pair* current = pair(selected_);
  if (current == nullptr || !may_have_moved(path)) return;
  const uint32_t priority = remote_of(*current).candidate.priority;
  const Local* base = find_base(path.local, path.protocol);
  Remote* found = find_remote(path.remote, path.protocol, generation_);
  if (found == nullptr) found = add_peer_reflexive(path.remote, path.protocol, priority, now);
  Pair* p = base == nullptr || found == nullptr ? nullptr : add_pair(*base, *found);
  if (p == nullptr) return;
  notice_moved(*p, now);
  trigger(*p, now);
  update(now);
}

std::vector<PairStats> Agent::pair_stats() const {
  std::vector<PairStats> all;
  all.reserve(pairs_.size());
  for (const Pair& p : pairs_) {
    PairStats stats;
    static_cast<PairCounters&>(stats) = p.counters;
    stats.id = p.id.value();
    stats.local = local_of(p).candidate;
    stats.remote = remote_of(p).candidate;
    stats.state = p.state;
    stats.priority = p.priority;
    stats.nominated = p.nominated;
    stats.selected = p.id == selected_;
    stats.current_rtt = p.rtt;
    all.push_back(std::move(stats));
  }
  return all;
}

std::vector<Candidate> Agent::local_candidates() const {
  std::vector<Candidate> all;
  for (const Local& l : locals_) all.push_back(l.candidate);
  return all;
}

std::vector<Candidate> Agent::remote_candidates() const {
  std::vector<Candidate> all;
  for (const Remote& r : remotes_) all.push_back(r.candidate);
  return all;
}

}  // namespace kaon::ice
