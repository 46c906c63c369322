// STUN and TURN servers of the configuration: found, asked, and told of if they are of no use.
#include "kaon/base/text.h"
#include "kaon/webrtc/ice_url.h"
#include "kaon/webrtc/internal/core.h"
#include "kaon/webrtc/internal/dispatch.h"
#include "kaon/webrtc/internal/environment.h"

namespace kaon::webrtc::internal {
namespace {

// W3C webrtc §4.8.3: the server could not be reached.
constexpr uint16_t kNotReached = 701;
constexpr uint16_t kUnauthorized = 401;

using turn::is_stream;

turn::RelayFamilies families(RelayFamilies wanted, bool has_ipv6) {
  switch (wanted) {
    case RelayFamilies::Automatic: return has_ipv6 ? turn::RelayFamilies::Both : turn::RelayFamilies::V4;
    case RelayFamilies::V4: return turn::RelayFamilies::V4;
    case RelayFamilies::V6: return turn::RelayFamilies::V6;
    case RelayFamilies::Both: break;
  }
  return turn::RelayFamilies::Both;
}

}  // namespace

void Core::use_ice_servers() {
  servers_pending_ = 1;
  size_t used = 0;
  for (const IceServer& server : config_.ice_servers) {
    for (const std::string& url : server.urls) {
      if (used++ < kMaxIceServers) use_ice_server(server, url);
    }
  }
  server_done();
}

void Core::use_ice_server(const IceServer& server, const std::string& url) {
  const auto parsed = parse_ice_url(url);
  if (!parsed) return tell_candidate_error(url, kNotReached, "no URL of a STUN or TURN server");
  if (parsed->turn && (server.username.empty() || server.credential.empty())) {
    return tell_candidate_error(url, kUnauthorized, "a TURN server needs a user name and a credential");
  }
  // Behind a proxy there may be nobody to ask for names but the proxy.
  if (config_.http_proxy && is_stream(parsed->protocol)) {
    return ask_server(server, url, *parsed, net::IpAddress::parse(parsed->host).value_or(net::IpAddress()));
  }
  ++servers_pending_;
  loop_.resolve(parsed->host, [weak = weak_from_this(), server, url, parsed = *parsed](const auto& addresses) {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    if (!addresses || addresses->empty()) {
      self->tell_candidate_error(url, kNotReached, cat("no address found for ", parsed.host));
    } else {
      // One of each family: whichever works.
      std::array<bool, 3> asked{};
      for (const net::IpAddress& ip : *addresses) {
        if (std::exchange(asked[static_cast<size_t>(ip.family())], true) && parsed.turn) continue;
        self->ask_server(server, url, parsed, ip);
      }
    }
    self->server_done();
  });
}

void Core::ask_server(const IceServer& server, const std::string& url, const IceUrl& parsed, const net::IpAddress& ip) {
  if (!parsed.turn) {
    // More addresses than the agent wants to ask are no harm.
    static_cast<void>(connection()->add_stun_server({ip, parsed.port}, io::Loop::now()));
    return;
  }
  io::RelayServer relay;
  relay.address = {ip, parsed.port};
  relay.protocol = parsed.protocol;
  relay.host = parsed.host;
  relay.username = server.username;
  relay.password = server.credential;
  if (is_stream(parsed.protocol)) relay.proxy = config_.http_proxy;
  relay.families = families(config_.relay_families, hosted_->has_ipv6() || ip.is_v6());
  const bool added =
      hosted_->add_relay(relay, [weak = weak_from_this(), url, pending = true](const auto& event) mutable {
        const auto self = weak.lock();
        if (!self || self->closed_) return;
        // Of peers: what becomes of them is for the agent's checks to find out.
        if (std::holds_alternative<turn::PeerRefused>(event) || std::holds_alternative<turn::PeerUnreachable>(event)) {
          return;
        }
        if (const auto* failed = std::get_if<turn::ClientFailed>(&event)) {
          std::string text(turn::to_text(failed->error));
          if (!failed->reason.empty()) text += cat(": ", failed->reason);
          const bool by_proxy = failed->error == turn::ClientError::ProxyRefused;
          self->tell_candidate_error(url, by_proxy ? kNotReached : failed->number, std::move(text),
                                     by_proxy ? failed->number : 0);
        }
        if (std::exchange(pending, false)) self->server_done();
      });
  if (added) ++servers_pending_;
}

void Core::server_done() {
  if (closed_) return;
  if (--servers_pending_ == 0) connection()->end_of_local_addresses(io::Loop::now());
  touch();
}

// Later, because start() runs within the constructor of the connection.
void Core::tell_candidate_error(const std::string& url, uint16_t code, std::string text, uint16_t proxy_status) {
  environment(config_.log).log.line(LogLevel::Warning, "webrtc", url, ": ", code, " ", text);
  loop_.post([weak = weak_from_this(), error = IceCandidateError{url, code, std::move(text), proxy_status}] {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    const Dispatch dispatch(*self);
    const auto handlers = self->handlers_;
    if (handlers->on_ice_candidate_error) handlers->on_ice_candidate_error(error);
  });
}

}  // namespace kaon::webrtc::internal
