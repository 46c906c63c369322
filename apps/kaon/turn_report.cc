#include "apps/kaon/turn_report.h"

#include <numeric>
#include <utility>
#include <vector>

#include "kaon/base/text.h"
#include "kaon/stun/describe.h"

namespace kaon::apps {
std::string_view protocol_name(net::Protocol protocol) {
  switch (protocol) {
    case net::Protocol::Udp: return "udp";
    case net::Protocol::Tcp: return "tcp";
    case net::Protocol::Tls: return "tls";
    case net::Protocol::Dtls: break;
  }
  return "dtls";
}

namespace {

using Fields = std::vector<std::pair<std::string_view, std::string>>;

std::string_view to_string(turn::CloseReason reason) {
  switch (reason) {
    case turn::CloseReason::Expired: return "expired";
    case turn::CloseReason::Refreshed: return "ended-by-client";
    case turn::CloseReason::ClientGone: return "client-gone";
    case turn::CloseReason::NoRelay: break;
  }
  return "no-relay";
}

// Names come from the network: nothing in them may end a line or a text, or be no UTF-8.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      out += cat("\\u00", to_hex({&byte, 1}));
    } else {
      out += c;
    }
  }
  return out;
}

std::string path(const turn::ClientPath& client) { return cat(protocol_name(client.protocol), "/", client.remote); }

std::pair<std::string_view, Fields> fields_of(const turn::ServerEvent& event) {
  if (const auto* opened = std::get_if<turn::AllocationOpened>(&event)) {
    std::string relayed;
    for (const net::Endpoint& relay : opened->relayed) relayed += cat(relayed.empty() ? "" : ",", relay);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(opened->lifetime).count();
    return {
        "allocation-opened",
        {{"client", path(opened->client)}, {"user", opened->user}, {"relayed", relayed}, {"lifetime", cat(seconds)}}};
  }
  if (const auto* closed = std::get_if<turn::AllocationClosed>(&event)) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(closed->age).count();
    return {"allocation-closed",
            {{"client", path(closed->client)},
             {"user", closed->user},
             {"reason", std::string(to_string(closed->reason))},
             {"seconds", cat(seconds)},
             {"packets_to_peers", cat(closed->packets_to_peers)},
             {"bytes_to_peers", cat(closed->bytes_to_peers)},
             {"packets_to_client", cat(closed->packets_to_client)},
             {"bytes_to_client", cat(closed->bytes_to_client)}}};
  }
  if (const auto* moved = std::get_if<turn::AllocationMoved>(&event)) {
    return {"allocation-moved", {{"client", path(moved->from)}, {"to", path(moved->to)}}};
  }
  if (const auto* refused = std::get_if<turn::Refused>(&event)) {
    return {"refused",
            {{"client", path(refused->client)},
             {"user", refused->user},
             {"request", std::string(stun::name_of(refused->method))},
             {"error", cat(static_cast<uint16_t>(refused->error))}}};
  }
  return {"relay", {}};
}

class Metrics {
 public:
  void add(std::string_view name, std::string_view type, std::string_view help, uint64_t value) {
    head(name, type, help);
    out_ += cat("kaon_turn_", name, " ", value, "\n");
  }
  void head(std::string_view name, std::string_view type, std::string_view help) {
    out_ += cat("# HELP kaon_turn_", name, " ", help, "\n# TYPE kaon_turn_", name, " ", type, "\n");
  }
  void labelled(std::string_view name, std::string_view label, std::string_view text, uint64_t value) {
    out_ += cat("kaon_turn_", name, "{", label, "=\"", text, "\"} ", value, "\n");
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

constexpr std::string_view kDrops[] = {"malformed",     "no_request",  "bad_indication", "no_allocation", "no_channel",
                                       "no_permission", "forbidden",   "no_relay",       "over_rate",     "too_big",
                                       "too_many",      "peer_errors", "too_many_peers", "queue_full"};
static_assert(std::size(kDrops) == Counters<turn::ServerDrop>::kSize);

}  // namespace

std::string event_line(const turn::ServerEvent& event, bool json) {
  const auto [name, fields] = fields_of(event);
  std::string out = json ? cat("{\"event\":\"", name, "\"") : std::string(name);
  for (const auto& [key, value] : fields) {
    out += json ? cat(",\"", key, "\":\"", escaped(value), "\"") : cat(" ", key, "=\"", escaped(value), "\"");
  }
  return json ? out + "}" : out;
}

void TurnFigures::add(const io::TurnHost& host) {
  const turn::Server& server = host.server();
  allocations.push_back(server.allocations());
  connections += host.connections();
  peer_connections += server.connections();
  engine += server.stats();
  edge += host.stats();
  for (size_t i = 0; i < drops.kSize; ++i) {
    const auto reason = static_cast<turn::ServerDrop>(i);
    drops.add(reason, server.drops()[reason]);
  }
}

size_t TurnFigures::all_allocations() const {
  return std::accumulate(allocations.begin(), allocations.end(), size_t{0});
}

std::string turn_metrics(const TurnFigures& figures) {
  const turn::ServerStats& s = figures.engine;
  const io::TurnHostStats& h = figures.edge;
  Metrics m;
  m.add("allocations", "gauge", "Allocations now", figures.all_allocations());
  m.head("loop_allocations", "gauge", "Allocations now, of each loop");
  for (size_t i = 0; i < figures.allocations.size(); ++i) {
    m.labelled("loop_allocations", "loop", cat(i), figures.allocations[i]);
  }
  m.add("connections", "gauge", "Connections over TCP and TLS and sessions over DTLS now", figures.connections);
  m.add("allocations_total", "counter", "Allocations made", s.allocations);
  m.add("requests_total", "counter", "Requests received", s.requests);
  m.add("bindings_total", "counter", "Binding requests answered", s.bindings);
  m.add("refreshes_total", "counter", "Refresh requests granted", s.refreshes);
  m.add("errors_total", "counter", "Requests refused, challenges included", s.errors);
  m.add("challenges_total", "counter", "Requests answered with 401 or 438", s.unauthenticated);
  m.head("relayed_packets_total", "counter", "Datagrams relayed");
  m.labelled("relayed_packets_total", "to", "peer", s.packets_to_peers);
  m.labelled("relayed_packets_total", "to", "client", s.packets_to_clients);
  m.head("relayed_bytes_total", "counter", "Bytes of data relayed");
  m.labelled("relayed_bytes_total", "to", "peer", s.bytes_to_peers);
  m.labelled("relayed_bytes_total", "to", "client", s.bytes_to_clients);
  m.add("peer_connections", "gauge", "TCP connections with peers now", figures.peer_connections);
  m.add("peer_connections_total", "counter", "TCP connections with peers made", s.connections);
  m.add("peer_errors_total", "counter", "ICMP messages about peers told to clients", s.peer_errors);
  m.head("dropped_total", "counter", "Packets dropped");
  for (size_t i = 0; i < std::size(kDrops); ++i) {
    m.labelled("dropped_total", "reason", kDrops[i], figures.drops[static_cast<turn::ServerDrop>(i)]);
  }
  m.labelled("dropped_total", "reason", "unsent", h.unsent);
  m.add("connections_total", "counter", "Connections and sessions accepted", h.connections);
  m.head("connections_refused_total", "counter", "Connections and sessions ended by us");
  m.labelled("connections_refused_total", "reason", "too_many", h.refused);
  m.labelled("connections_refused_total", "reason", "too_slow", h.too_slow);
  m.labelled("connections_refused_total", "reason", "not_turn", h.not_turn);
  m.labelled("connections_refused_total", "reason", "handshake", h.handshakes_failed);
  return m.take();
}

}  // namespace kaon::apps
