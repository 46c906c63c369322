// Local candidates: given, learned from STUN servers, announced.
#include <algorithm>

#include "kaon/ice/agent.h"

namespace kaon::ice {

namespace {

// Gathering ends after 9.5 s without an answer (browsers wait as long), not after the 39.5 s of RFC 8489.
constexpr stun::Timing kGatherTiming{.rto = std::chrono::milliseconds(500), .requests = 5, .last_wait = 4};
// RFC 8445 §5.1.1.4: mappings are kept alive while they may still be needed.
constexpr Duration kMappingRefresh = std::chrono::seconds(15);

}  // namespace

net::Endpoint hidden(net::Family family) {
  constexpr uint16_t kDiscard = 9;
  return {net::IpAddress::any(family), kDiscard};
}

uint16_t Agent::default_preference(const LocalAddress& address) const {
  const auto before = std::ranges::count_if(locals_, [&](const Local& l) {
    return l.candidate.type == address.type && l.base.ip.family() == address.address.ip.family();
  });
  return local_preference(address.address.ip.family(), address.network_cost, static_cast<size_t>(before));
}

Result<void, Error> Agent::add_local_candidate(const LocalAddress& address, Time now) {
  if (state_ == State::Closed) return fail(Error::Closed);
  if (address.address.ip.is_none() || address.address.ip.is_any() || address.address.ip.is_multicast()) {
    return fail(Error::BadAddress);
  }
  const bool tcp = address.protocol == net::Protocol::Tcp;
  if ((!tcp && address.protocol != net::Protocol::Udp) || tcp != (address.tcp_type != TcpType::None)) {
    return fail(Error::Unsupported);
  }
  const net::Endpoint base = address.base.ip.is_none() ? address.address : address.base;
  const bool known = std::ranges::any_of(locals_, [&](const Local& l) {
    return l.base == base && l.candidate.address == address.address && l.candidate.type == address.type &&
           l.candidate.protocol == address.protocol && l.candidate.tcp_type == address.tcp_type;
  });
  if (known) return {};
  if (locals_.size() >= kMaxLocalCandidates) return fail(Error::TooMany);

  Local local;
  local.id = next_id_++;
  local.base = base;
  local.preference = address.preference.value_or(default_preference(address));
  local.sends = find_base(base, address.protocol) == nullptr;
  Candidate& c = local.candidate;
  c.foundation =
      foundation(address.type, base.ip, address.protocol, address.related ? address.related->ip : net::IpAddress());
  c.protocol = address.protocol;
  c.tcp_type = address.tcp_type;
  c.type = address.type;
  c.priority = candidate_priority(address.type, local.preference, 1, address.protocol);
  c.address = address.address;
  c.hostname = address.hostname;
  c.related = address.related;
  c.network_id = address.network_id;
  c.network_cost = address.network_cost;
  locals_.push_back(local);
  announce(local);
  if (local.sends) form_pairs(local);
  if (address.type == CandidateType::Host) {
    for (const net::Endpoint& server : stun_servers_) start_gathering(local, server, now);
  }
  update(now);
  return {};
}

void Agent::remove_local_candidate(const net::Endpoint& base, net::Protocol protocol, Time now) {
  const auto gone = [&](const Local& l) { return l.base == base && l.candidate.protocol == protocol; };
  if (std::ranges::none_of(locals_, gone)) return;
  std::erase_if(pairs_, [&](const Pair& p) { return p.path.local == base && p.path.protocol == protocol; });
  std::erase_if(clients_, [&](const auto& client) { return client->config().local == base; });
  std::erase_if(locals_, gone);
  update_gathering();
  if (inert()) return;
  if (selected_path_ && pair(selected_) == nullptr) {
    unselect();
    set_state(State::Disconnected);
    await_pairs(now);
    recheck_all(now);
  }
  update(now);
}

void Agent::announce(const Local& local) {
  Candidate told = local.candidate;
  told.ufrag = local_credentials().ufrag;
  if (!told.hostname.empty()) told.address.ip = {};
  push_event(LocalCandidate{std::move(told)});
  knock(local);
}

// The peer that we are about to tell of a relayed address checks it at once, and most likely from where it was heard
// last. A packet of ours has to have gone there before, for which the TURN client asks for a permission (RFC 8656 §9);
// a check would have to wait for the peer's answer to our restart. It is an indication, which nobody answers.
void Agent::knock(const Local& relayed) {
  const Candidate& c = relayed.candidate;
  if (!peer_at_ || c.type != CandidateType::Relayed || c.protocol != net::Protocol::Udp) return;
  if (peer_at_->ip.family() == relayed.base.ip.family() && knocks_.size() < kMaxLocalCandidates) {
    knocks_.push_back({relayed.base, *peer_at_, c.protocol});
  }
}

Agent::Local* Agent::find_base(const net::Endpoint& base, net::Protocol protocol) {
  const auto it = std::ranges::find_if(
      locals_, [&](const Local& l) { return l.sends && l.base == base && l.candidate.protocol == protocol; });
  return it == locals_.end() ? nullptr : &*it;
}

Result<void, Error> Agent::add_stun_server(const net::Endpoint& server, Time now) {
  if (state_ == State::Closed) return fail(Error::Closed);
  if (server.ip.is_none() || server.port == 0) return fail(Error::BadAddress);
  if (std::ranges::find(stun_servers_, server) != stun_servers_.end()) return {};
  if (stun_servers_.size() >= kMaxStunServers) return fail(Error::TooMany);
  stun_servers_.push_back(server);
  for (const Local& local : locals_) start_gathering(local, server, now);
  update(now);
  return {};
}

// RFC 8445 §5.1.1.2. Lite agents have host candidates only.
void Agent::start_gathering(const Local& host, const net::Endpoint& server, Time now) {
  const Candidate& c = host.candidate;
  if (config_.lite || inert() || !host.sends || c.type != CandidateType::Host || c.protocol != net::Protocol::Udp ||
      host.base.ip.family() != server.ip.family() || host.base.ip.is_loopback() != server.ip.is_loopback()) {
    return;
  }
  stun::Client::Config config;
  config.local = host.base;
  config.server = server;
  config.timing = kGatherTiming;
  config.refresh = kMappingRefresh;
  config.tag = tag_;
  // Paced like checks (RFC 8445 §14.2).
  const Time start = now + config_.pace * static_cast<int64_t>(clients_.size());
  clients_.push_back(std::make_unique<stun::Client>(env_, config, start));
  gathering_done_ = false;
}

void Agent::drain_client(stun::Client& client) {
  const auto event = client.poll_event();
  if (!event) return;
  const auto* mapped = std::get_if<stun::Mapped>(&*event);
  const Local* base = find_base(client.config().local, net::Protocol::Udp);
  if (mapped != nullptr && base != nullptr) {
    add_reflexive(CandidateType::ServerReflexive, Local(*base), client.config().server.ip, mapped->address);
  }
}

// Redundant ones (RFC 8445 §5.1.3) are not added: without a NAT the mapped address is the base itself. Where the base
// hides behind a name its mapped address is no secret any more, and the only one that is of use outside
// (draft-ietf-mmusic-mdns-ice-candidates §3.1.2.2).
void Agent::add_reflexive(CandidateType type, const Local& base, const net::IpAddress& server,
                          const net::Endpoint& mapped) {
  const bool signalled = type == CandidateType::ServerReflexive;
  const bool redundant = std::ranges::any_of(locals_, [&](const Local& l) {
    const bool hides = signalled && !l.candidate.hostname.empty();
    return l.candidate.address == mapped && l.base == base.base && !hides;
  });
  if (redundant || locals_.size() >= kMaxLocalCandidates || mapped.ip.family() != base.base.ip.family()) return;
  Local local;
  local.id = next_id_++;
  local.base = base.base;
  local.preference = base.preference;
  Candidate& c = local.candidate;
  c.foundation = foundation(type, base.base.ip, base.candidate.protocol, server);
  c.protocol = base.candidate.protocol;
  c.tcp_type = base.candidate.tcp_type;
  c.type = type;
  c.priority = candidate_priority(type, base.preference, 1, c.protocol);
  c.address = mapped;
  c.related = base.candidate.hostname.empty() ? base.base : hidden(base.base.ip.family());
  c.network_id = base.candidate.network_id;
  c.network_cost = base.candidate.network_cost;
  locals_.push_back(local);
  // Peer-reflexive candidates are not signalled: the peer found them itself.
  if (signalled) announce(local);
}

void Agent::end_of_local_candidates(Time now) {
  local_ended_ = true;
  update_gathering();
  update(now);
}

void Agent::update_gathering() {
  if (gathering_done_ || !local_ended_ || inert()) return;
  if (std::ranges::any_of(clients_, [](const auto& client) { return client->pending(); })) return;
  gathering_done_ = true;
  push_event(GatheringDone{});
}

// After a restart: the same sockets, but NATs may have changed.
void Agent::regather(Time now) {
  const Pair* kept = pair(selected_);
  std::erase_if(locals_, [&](const Local& l) {
    const bool reflexive = !l.sends && (l.candidate.type == CandidateType::ServerReflexive ||
                                        l.candidate.type == CandidateType::PeerReflexive);
    return reflexive && !(kept != nullptr && kept->reported_local == l.id);
  });
  clients_.clear();
  gathering_done_ = false;
  for (const Local& local : locals_) {
    if (local.sends || local.candidate.type == CandidateType::Host) announce(local);
    for (const net::Endpoint& server : stun_servers_) start_gathering(local, server, now);
  }
  update_gathering();
}

}  // namespace kaon::ice
