// Remote candidates and the checklist of pairs.
#include <algorithm>
#include <cstdlib>
#include <tuple>

#include "kaon/base/assert.h"
#include "kaon/base/text.h"
#include "kaon/ice/agent.h"

namespace kaon::ice {

bool AddressPolicy::permits(const net::Endpoint& remote) const {
  const net::IpAddress ip = remote.ip.unmapped();
  if (ip.is_none() || ip.is_any() || ip.is_multicast() || ip == net::IpAddress::v4(255, 255, 255, 255)) return false;
  if (remote.port == 0 || remote.port < min_port) return false;
  const auto holds = [&](const net::IpRange& range) { return range.contains(ip); };
  if (!only.empty() && std::ranges::none_of(only, holds)) return false;
  if (std::ranges::any_of(refused, holds)) return false;
  if (ip.is_loopback()) return loopback;
  if (ip.is_link_local()) return link_local;
  return private_networks || !ip.is_private();
}

namespace {

// RFC 8445 §6.1.2.2, RFC 6544 §6.2, and nothing that could not arrive: loopback and link-local do not mix with the
// rest.
bool pairable(const Candidate& local, const net::IpAddress& base, const Candidate& remote) {
  if (base.family() != remote.address.ip.family() || local.protocol != remote.protocol) return false;
  // A TURN server would learn what the name hides (draft-ietf-mmusic-mdns-ice-candidates §3.3.2).
  if (local.type == CandidateType::Relayed && !remote.hostname.empty()) return false;
  if (base.is_loopback() != remote.address.ip.is_loopback()) return false;
  if (base.is_link_local() != remote.address.ip.is_link_local()) return false;
  switch (local.tcp_type) {
    case TcpType::None: return remote.tcp_type == TcpType::None;
    case TcpType::Active: return remote.tcp_type == TcpType::Passive;
    case TcpType::Passive: return false;  // the peer connects, and its check makes the pair (RFC 6544 §6.2)
    case TcpType::SimultaneousOpen: return remote.tcp_type == TcpType::SimultaneousOpen;
  }
  return false;
}

}  // namespace

Result<void, Error> Agent::add_remote_candidate(const Candidate& candidate, Time now) {
  if (state_ == State::Closed) return fail(Error::Closed);
  if (candidate.component != 1) return fail(Error::Unsupported);
  if (!candidate.hostname.empty() && candidate.address.ip.is_none()) return fail(Error::Unresolved);
  // The port of an active TCP candidate means nothing (RFC 6544 §4.5).
  net::Endpoint checked = candidate.address;
  if (candidate.tcp_type == TcpType::Active) checked.port = 0xffff;
  if (!config_.remote_policy.permits(checked)) {
    drops_.add(Drop::RefusedAddress);
    return fail(Error::Refused);
  }
  const auto& remote = generations_[kCurrent].remote;
  if (remote && !candidate.ufrag.empty() && candidate.ufrag != remote->ufrag) return {};

  if (Remote* known = find_remote(candidate.address, candidate.protocol, generation_)) {
    // A peer-reflexive one gets its real type and priority (RFC 8838 §11.4).
    if (known->candidate.type == CandidateType::PeerReflexive) {
      known->candidate = candidate;
      form_pairs(Remote(*known));
      reprioritise();
    }
  } else {
    const auto signalled = std::ranges::count_if(remotes_, [&](const Remote& r) {
      return r.generation == generation_ && r.candidate.type != CandidateType::PeerReflexive;
    });
    if (static_cast<size_t>(signalled) >= kMaxRemoteCandidates) {
      drops_.add(Drop::TooManyCandidates);
      return fail(Error::TooMany);
    }
    form_pairs(Remote(*add_remote(candidate)));
  }
  if (!inert()) await_pairs(now);
  update(now);
  return {};
}

void Agent::end_of_remote_candidates(Time now) {
  remote_ended_ = true;
  update(now);
}

Agent::Remote* Agent::find_remote(const net::Endpoint& address, net::Protocol protocol, uint32_t number) {
  const auto it = std::ranges::find_if(remotes_, [&](const Remote& r) {
    return r.generation == number && r.candidate.address == address && r.candidate.protocol == protocol;
  });
  return it == remotes_.end() ? nullptr : &*it;
}

Agent::Remote* Agent::add_remote(Candidate candidate) {
  Remote remote;
  remote.id = next_id_++;
  remote.generation = generation_;
  remote.candidate = std::move(candidate);
  return &remotes_.emplace_back(std::move(remote));
}

// The candidates that may still be learned are the intervals between reflexive_from_ and now.
bool Agent::reflexive_allowed(Time now) {
  if (!selected_path_) return true;
  const Time from = std::max(reflexive_from_, now - kReflexiveInterval * static_cast<int64_t>(kMaxPeerReflexive));
  if (from + kReflexiveInterval > now) return false;
  reflexive_from_ = from + kReflexiveInterval;
  return true;
}

Agent::Remote* Agent::add_peer_reflexive(const net::Endpoint& address, net::Protocol protocol, uint32_t priority,
                                         Time now) {
  if (!reflexive_allowed(now) || !make_room_for_reflexive()) {
    drops_.add(Drop::TooManyCandidates);
    return nullptr;
  }
  Candidate candidate;
  candidate.foundation = foundation(CandidateType::PeerReflexive, address.ip, protocol);
  candidate.protocol = protocol;
  candidate.type = CandidateType::PeerReflexive;
  candidate.priority = priority;
  candidate.address = address;
  return add_remote(std::move(candidate));
}

// Those that led to nothing give way, so that forged sources cannot lock out real ones.
bool Agent::make_room_for_reflexive() {
  const auto is_reflexive = [&](const Remote& r) {
    return r.generation == generation_ && r.candidate.type == CandidateType::PeerReflexive;
  };
  if (static_cast<size_t>(std::ranges::count_if(remotes_, is_reflexive)) < kMaxPeerReflexive) return true;
  const auto victim = std::ranges::find_if(remotes_, [&](const Remote& r) {
    return is_reflexive(r) && std::ranges::none_of(pairs_, [&](const Pair& p) {
             return p.remote == r.id && (p.state == PairState::Succeeded || p.id == selected_);
           });
  });
  if (victim == remotes_.end()) return false;
  std::erase_if(pairs_, [&](const Pair& p) { return p.remote == victim->id; });
  remotes_.erase(victim);
  return true;
}

void Agent::form_pairs(const Local& local) {
  if (config_.lite) return;
  for (const Remote& remote : remotes_) {
    if (remote.generation == generation_ && pairable(local.candidate, local.base.ip, remote.candidate)) {
      add_pair(local, remote);
    }
  }
}

void Agent::form_pairs(const Remote& remote) {
  if (config_.lite) return;
  for (const Local& local : locals_) {
    if (local.sends && pairable(local.candidate, local.base.ip, remote.candidate)) add_pair(local, remote);
  }
}

// RFC 8445 §6.1.2. Nothing is frozen: with one component of one stream, freezing would only put off checks that pacing
// puts off anyway.
Agent::Pair* Agent::add_pair(const Local& local, const Remote& remote, bool proven) {
  if (Pair* known = find_pair(local.base, remote.candidate.address, local.candidate.protocol, remote.generation)) {
    return known;
  }
  Pair next;
  next.generation = remote.generation;
  next.local = local.id;
  next.reported_local = local.id;
  next.remote = remote.id;
  next.path = {local.base, remote.candidate.address, local.candidate.protocol};
  next.priority = role_ == Role::Controlling ? pair_priority(local.candidate.priority, remote.candidate.priority)
                                             : pair_priority(remote.candidate.priority, local.candidate.priority);
  next.next_check = Time::min();
  next.kind = kind_of(local.candidate, remote.candidate);
  next.spread = spread_of(next, local, remote);
  if (!make_room_for_pair(next, proven)) {
    drops_.add(Drop::TooManyCandidates);
    return nullptr;
  }
  next.id = PairId(next_id_++);
  return &pairs_.emplace_back(std::move(next));
}

uint8_t Agent::kind_of(const Candidate& local, const Candidate& remote) {
  const int relay = local.type == CandidateType::Relayed;
  const int tcp = local.protocol == net::Protocol::Tcp;
  const int v6 = remote.address.ip.is_v6();
  const int type = remote.type == CandidateType::Host ? 0 : remote.type == CandidateType::Relayed ? 2 : 1;
  return static_cast<uint8_t>(((relay * 2 + tcp) * 2 + v6) * 3 + type);
}

// Two in one network reach each other. Otherwise any pair may be the one that works, so that each candidate is tried
// once before one is tried again: the first of the one side with the first of the other, second with second, and so on.
int Agent::spread_of(const Pair& next, const Local& local, const Remote& remote) const {
  const net::IpAddress& theirs = remote.candidate.address.ip;
  if (next.kind % 3 == 0 && net::IpRange(local.base.ip, local.base.ip.is_v4() ? 24 : 64).contains(theirs)) return -1;
  // By priority, so that both sides put the same ones together.
  const auto before = [](const auto& x, const auto& y) {
    return x.candidate.priority != y.candidate.priority ? x.candidate.priority > y.candidate.priority : x.id < y.id;
  };
  const auto ours_before = std::ranges::count_if(locals_, [&](const Local& l) {
    return l.sends && l.base.ip.family() == local.base.ip.family() &&
           l.candidate.protocol == local.candidate.protocol && kind_of(l.candidate, remote.candidate) == next.kind &&
           before(l, local);
  });
  const auto theirs_before = std::ranges::count_if(remotes_, [&](const Remote& r) {
    return r.generation == remote.generation && r.candidate.protocol == remote.candidate.protocol &&
           kind_of(local.candidate, r.candidate) == next.kind && before(r, remote);
  });
  return static_cast<int>(std::abs(ours_before - theirs_before));
}

// RFC 8445 §6.1.2.5. One that has failed gives way, else of the most frequent kind the one that would be tried last;
// one that the peer has checked (`proven`) never does, because that works at least one way.
bool Agent::make_room_for_pair(const Pair& next, bool proven) {
  if (pairs_.size() < kMaxPairs) return true;
  std::array<size_t, kKinds> count{};
  ++count[next.kind];
  for (const Pair& p : pairs_) ++count[p.kind];
  const auto rank = [&](const Pair& p) {
    return std::tuple(p.state == PairState::Failed, count[p.kind], p.spread, ~p.priority);
  };
  auto last = pairs_.end();
  for (auto it = pairs_.begin(); it != pairs_.end(); ++it) {
    if (it->validated || it->id == selected_) continue;
    if (last == pairs_.end() || rank(*it) > rank(*last)) last = it;
  }
  if (last == pairs_.end() || (!proven && rank(*last) <= rank(next))) return false;
  pairs_.erase(last);
  return true;
}

Agent::Pair* Agent::find_pair(const net::Endpoint& local, const net::Endpoint& remote, net::Protocol protocol,
                              uint32_t number) {
  const auto it = std::ranges::find_if(pairs_, [&](const Pair& p) {
    return p.generation == number && p.path.remote == remote && p.path.local == local && p.path.protocol == protocol;
  });
  return it == pairs_.end() ? nullptr : &*it;
}

const Agent::Pair* Agent::find_path(const Path& path) const {
  const auto fits = [&](const Pair& p) { return p.path == path; };
  if (const Pair* current = pair(selected_); current != nullptr && fits(*current)) return current;
  const Pair* found = nullptr;
  for (const Pair& p : pairs_) {
    if (fits(p) && (found == nullptr || p.validated)) found = &p;
  }
  return found;
}

Agent::Pair* Agent::pair(PairId id) { return const_cast<Pair*>(std::as_const(*this).pair(id)); }

const Agent::Pair* Agent::pair(PairId id) const {
  if (id == PairId()) return nullptr;
  const auto it = std::ranges::find(pairs_, id, &Pair::id);
  return it == pairs_.end() ? nullptr : &*it;
}

const Agent::Local& Agent::local_of(const Pair& p) const {
  auto it = std::ranges::find(locals_, p.reported_local, &Local::id);
  if (it == locals_.end()) it = std::ranges::find(locals_, p.local, &Local::id);
  KAON_ASSERT(it != locals_.end());
  return *it;
}

const Agent::Remote& Agent::remote_of(const Pair& p) const {
  const auto it = std::ranges::find(remotes_, p.remote, &Remote::id);
  KAON_ASSERT(it != remotes_.end());
  return *it;
}

uint64_t Agent::priority_of(const Pair& p) const {
  const auto local = std::ranges::find(locals_, p.local, &Local::id);
  KAON_ASSERT(local != locals_.end());
  const uint32_t ours = local->candidate.priority;
  const uint32_t theirs = remote_of(p).candidate.priority;
  return role_ == Role::Controlling ? pair_priority(ours, theirs) : pair_priority(theirs, ours);
}

void Agent::reprioritise() {
  for (Pair& p : pairs_) p.priority = priority_of(p);
}

// The new pair has taken over: old credentials are worth nothing any more. The old path stays known, for data in
// flight.
void Agent::retire_previous_generation() { generations_[kPrevious] = {}; }

}  // namespace kaon::ice
