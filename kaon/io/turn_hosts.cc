// One TURN server on several loops.
#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "kaon/io/loop.h"
#include "kaon/io/turn_host.h"

namespace kaon::io {
namespace {

/// What the engines of all loops count together. They ask once per allocation, so a lock is cheap.
class Count final : public turn::AllocationCount {
 public:
  explicit Count(const turn::ServerConfig& config)
      : most_(config.max_allocations), most_of_one_(config.max_allocations_per_user) {}

  Verdict add(std::string_view user) override {
    const std::lock_guard lock(mutex_);
    if (all_ >= most_) return Verdict::Full;
    size_t& of_user = of_users_[std::string(user)];
    if (of_user >= most_of_one_) {
      if (of_user == 0) of_users_.erase(std::string(user));
      return Verdict::UserFull;
    }
    ++all_;
    ++of_user;
    return Verdict::Counted;
  }
  void remove(std::string_view user) override {
    const std::lock_guard lock(mutex_);
    const auto it = of_users_.find(std::string(user));
    if (--it->second == 0) of_users_.erase(it);
    --all_;
  }

 private:
  const size_t most_;
  const size_t most_of_one_;
  std::mutex mutex_;
  size_t all_ = 0;
  std::unordered_map<std::string, size_t> of_users_;
};

// What one of `loops` is given.
TurnHostOptions share_of(TurnHostOptions options, size_t loops) {
  turn::ServerConfig& server = options.server;
  server.count = std::make_shared<Count>(server);
  server.mobility = server.reservations = false;
  const auto part = [&](auto whole) {
    return std::max<decltype(whole)>(1, whole / static_cast<decltype(whole)>(loops));
  };
  server.unauthenticated_answers_per_second = part(server.unauthenticated_answers_per_second);
  if (!server.max_rate.is_infinite()) {
    server.max_rate = DataRate::bits_per_second(part(server.max_rate.bits_per_second()));
  }
  if (!server.tcp_relays) options.max_connections = part(options.max_connections);
  options.sharing = PortSharing::First;
  return options;
}

// For the hosts behind the first one: the ports that it has got.
void join(TurnHostOptions& options, const TurnHost& first) {
  options.sharing = PortSharing::Join;
  options.udp = first.bound(net::Protocol::Udp);
  options.dtls = first.bound(net::Protocol::Dtls);
  options.tcp = first.bound(net::Protocol::Tcp);
  options.tls_endpoints = first.bound(net::Protocol::Tls);
  if (!options.server.tcp_relays) return;
  options.tcp.clear();
  options.tls_endpoints.clear();
}

}  // namespace

TurnHostStats& TurnHostStats::operator+=(const TurnHostStats& other) {
  for (const auto member : {&TurnHostStats::connections, &TurnHostStats::refused, &TurnHostStats::too_slow,
                            &TurnHostStats::not_turn, &TurnHostStats::handshakes_failed, &TurnHostStats::unsent}) {
    this->*member += other.*member;
  }
  return *this;
}

Result<std::vector<std::unique_ptr<TurnHost>>, std::string> start_turn_hosts(
    std::span<Loop* const> loops, const TurnHostOptions& options, Env env,
    const std::function<void(const turn::ServerEvent&)>& on_event) {
  TurnHostOptions mine = loops.size() == 1 ? options : share_of(options, loops.size());
  std::vector<std::unique_ptr<TurnHost>> hosts;
  std::string problem;
  for (Loop* loop : loops) {
    if (hosts.size() == 1) loops.front()->invoke([&] { join(mine, *hosts.front()); });
    loop->invoke([&] {
      auto host = TurnHost::start(*loop, mine, env, on_event ? TurnHost::OnEvent(on_event) : TurnHost::OnEvent());
      host ? hosts.push_back(std::move(*host)) : void(problem = std::move(host.error()));
    });
    if (problem.empty()) continue;
    for (size_t i = 0; i < hosts.size(); ++i) loops[i]->invoke([&] { hosts[i].reset(); });
    return fail(std::move(problem));
  }
  return hosts;
}

}  // namespace kaon::io
