// WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): what each request gets.

#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/sdp/trickle_fragment.h"
#include "kaon/sfu/internal/control.h"
#include "kaon/stun/credentials.h"

namespace kaon::sfu::internal {
namespace {

constexpr std::string_view kSdp = "application/sdp";
/// As long as a call may take before it is restarted.
constexpr auto kTurnCredentialLifetime = std::chrono::hours(12);

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxStreamName && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == '-';
         });
}

// "application/sdp; charset=utf-8" is application/sdp.
bool has_type(const HttpRequest& request, std::string_view type) {
  std::string_view value = request.header("Content-Type");
  value = value.substr(0, value.find(';'));
  while (value.ends_with(' ')) value.remove_suffix(1);
  return sdp::equal_ignoring_case(value, type);
}

std::string random_id() {
  crypto::SystemRandom random;
  uint8_t bytes[16];
  random.fill(bytes);
  return to_hex(bytes);
}

enum class Match : uint8_t { None, Exact, Any };

// RFC 9110 §13.1.1: a star or a list of entity tags. RFC 9725 §4.3.3 writes the star in quotes.
Match if_match(std::string_view header, std::string_view etag) {
  while (!header.empty()) {
    const size_t comma = std::min(header.find(','), header.size());
    std::string_view tag = header.substr(0, comma);
    header.remove_prefix(std::min(comma + 1, header.size()));
    while (tag.starts_with(' ')) tag.remove_prefix(1);
    while (tag.ends_with(' ')) tag.remove_suffix(1);
    if (tag == "*" || tag == "\"*\"") return Match::Any;
    if (tag == etag) return Match::Exact;
  }
  return Match::None;
}

const char* folder_of(SessionRole role) { return role == SessionRole::Publisher ? "/whip/" : "/whep/"; }

}  // namespace

std::optional<Control::Target> Control::parse_target(const std::string& path) {
  Target target;
  if (path.starts_with("/whip/")) {
    target.role = SessionRole::Publisher;
  } else if (path.starts_with("/whep/")) {
    target.role = SessionRole::Viewer;
  } else {
    return std::nullopt;
  }
  const std::string_view rest = std::string_view(path).substr(6);
  const size_t slash = rest.find('/');
  target.stream = rest.substr(0, slash);
  if (slash != std::string_view::npos) target.session = rest.substr(slash + 1);
  if (!is_name(target.stream) || (slash != std::string_view::npos && !is_name(target.session))) return std::nullopt;
  return target;
}

void Control::handle_endpoint(const HttpRequest& request, const Target& target, Respond respond) {
  if (request.method == "POST") return post_offer(request, target, std::move(respond));
  HttpResponse response;
  if (request.method == "OPTIONS") {
    response.headers.emplace_back("Accept-Post", std::string(kSdp));
    add_ice_servers(response, request.header("Host"));
  } else if (request.method == "GET" || request.method == "HEAD") {
    if (target.role == SessionRole::Viewer) response.headers.emplace_back("Content-Type", std::string(kSdp));
  } else {
    response = HttpResponse::error(405, "Offers come by POST.");
    response.headers.emplace_back("Allow", "GET, HEAD, POST, OPTIONS");
  }
  respond(std::move(response));
}

std::optional<HttpResponse> Control::refuse_offer(const HttpRequest& request, const Target& target) const {
  if (!has_type(request, kSdp)) return HttpResponse::error(415, "The offer must come as application/sdp.");
  if (sessions_.size() >= config_.max_sessions) {
    HttpResponse response = HttpResponse::error(503, "The server is full.");
    response.headers.emplace_back("Retry-After", "5");
    return response;
  }
  const auto stream = streams_.find(target.stream);
  if (target.role == SessionRole::Publisher && stream != streams_.end()) {
    return HttpResponse::error(409, cat("Somebody publishes '", target.stream, "' already."));
  }
  if (target.role == SessionRole::Viewer && (stream == streams_.end() || !stream->second.live)) {
    HttpResponse response = HttpResponse::error(409, cat("Nobody publishes '", target.stream, "' at the moment."));
    response.headers.emplace_back("Retry-After", "1");
    return response;
  }
  return std::nullopt;
}

void Control::post_offer(const HttpRequest& request, const Target& target, Respond respond) {
  if (auto refused = refuse_offer(request, target)) return respond(std::move(*refused));
  auto offer = sdp::SessionDescription::parse(request.body);
  if (!offer) return respond(HttpResponse::error(400, offer.error().to_string()));
  if (const auto checked = peer::check_http_offer(*offer); !checked) {
    return respond(HttpResponse::error(422, std::string(peer::to_string(checked.error()))));
  }
  SessionEntry entry;
  entry.number = next_number_++;
  entry.id = random_id();
  entry.role = target.role;
  entry.stream = target.stream;
  entry.loop = choose_loop();
  entry.etag = new_etag();
  entry.asked_host = request.header("Host");
  entry.started = io::Loop::now();
  if (target.role == SessionRole::Publisher) {
    std::vector<io::Loop*> loops;
    for (const auto& loop : loops_) loops.push_back(loop.get());
    streams_[target.stream] = {std::make_shared<Stream>(target.stream, loops, entry.loop, figures_), entry.id,
                               entry.started, false};
  }
  const auto stream = streams_.at(target.stream).stream;
  by_number_[entry.number] = entry.id;
  SessionEntry& stored = sessions_[entry.id] = entry;
  answer_on_loop(stored, stream, std::make_shared<sdp::SessionDescription>(std::move(*offer)), std::move(respond));
}

// The session is made and answers on its own loop; the reply comes back here.
void Control::answer_on_loop(SessionEntry& entry, std::shared_ptr<Stream> stream,
                             std::shared_ptr<sdp::SessionDescription> offer, Respond respond) {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(io::Loop::wall_clock());
  peer::Config config{.certificate = certificate_.get(random_, now)};
  config.ice.lite = config_.ice_lite;
  config.max_dtls_version = config_.max_dtls_version;
  config.sped = config_.sped;
  config.key_log = !config_.key_log_file.empty();
  loops_[entry.loop]->post([this, number = entry.number, id = entry.id, role = entry.role, loop = entry.loop,
                            stream = std::move(stream), offer = std::move(offer), config = std::move(config),
                            respond = std::move(respond)]() mutable {
    auto session = std::make_unique<Session>(number, role, std::move(stream), port_->shard(loop), *this);
    auto answer = session->answer(*offer, std::move(config), io::Loop::now());
    if (answer) live_[loop].emplace(number, std::move(session));
    loops_.front()->post(
        [this, id = std::move(id), answer = std::move(answer), respond = std::move(respond)]() mutable {
          answered(id, std::move(answer), std::move(respond));
        });
  });
}

void Control::answered(const std::string& id, Result<std::string, Refusal> answer, Respond respond) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return respond(HttpResponse::error(409, "The stream ended meanwhile."));
  if (!answer) {
    end_session(std::string(id));
    return respond(HttpResponse::error(answer.error().status, answer.error().sentence));
  }
  SessionEntry& entry = it->second;
  entry.answered = true;
  if (entry.role == SessionRole::Publisher) {
    streams_.at(entry.stream).live = true;
    log_.line(LogLevel::Info, "sfu", "stream '", entry.stream, "' is live");
  }
  HttpResponse response = HttpResponse::with(201, kSdp, std::move(*answer));
  response.headers.emplace_back("Location", cat(folder_of(entry.role), entry.stream, "/", entry.id));
  response.headers.emplace_back("ETag", entry.etag);
  add_ice_servers(response, entry.asked_host);
  respond(std::move(response));
}

// RFC 9725 §4.6. Links to extensions would stand here too; there are none.
void Control::add_ice_servers(HttpResponse& response, std::string_view asked_host) const {
  for (const IceServer& server : config_.ice_servers) response.headers.emplace_back("Link", server.to_link());
  if (turn_) add_own_turn(response, asked_host);
}

// Under the name that the client has reached us by: what else is known of how it sees us?
void Control::add_own_turn(HttpResponse& response, std::string_view asked_host) const {
  const size_t end = asked_host.starts_with('[') ? asked_host.find(']') + 1 : asked_host.find(':');
  const std::string host(asked_host.substr(0, end));
  const bool legal = std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".-:[]").find(c) != std::string_view::npos;
  });
  if (host.empty() || !legal) return;
  // A name of its own for each, so that quotas are per client.
  const auto credentials = stun::time_limited_credentials(
      turn_->secret, random_id().substr(0, 8),
      std::chrono::duration_cast<std::chrono::seconds>(io::Loop::wall_clock()) + kTurnCredentialLifetime);
  for (std::string url : turn_->urls) {
    url.replace(url.find("HOST"), 4, host);
    response.headers.emplace_back("Link", IceServer{url, credentials.username, credentials.password}.to_link());
  }
}

void Control::attach(const io::TurnHost& turn, std::string secret) {
  TurnAccess access{{}, std::move(secret)};
  const auto add = [&](net::Protocol protocol, std::string_view scheme, std::string_view transport) {
    for (const net::Endpoint& bound : turn.bound(protocol)) {
      access.urls.push_back(cat(scheme, ":HOST:", bound.port, "?transport=", transport));
      break;  // of one port per protocol it is enough to tell
    }
  };
  add(net::Protocol::Udp, "turn", "udp");
  add(net::Protocol::Tcp, "turn", "tcp");
  add(net::Protocol::Tls, "turns", "tcp");
  turn_ = std::move(access);
}

std::string Control::new_etag() { return cat('"', random_id().substr(0, 16), '"'); }

// -- sessions --------------------------------------------------------------------------------------------------------

void Control::handle_session(const HttpRequest& request, const Target& target, Respond respond) {
  SessionEntry* entry = find_session(target.session, target);
  if (entry == nullptr) return respond(HttpResponse::error(404, "There is no such session."));
  if (request.method == "DELETE") {
    end_session(std::string(entry->id));
    return respond(HttpResponse{});
  }
  if (request.method == "PATCH") return patch_session(request, *entry, std::move(respond));
  if (request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS")
    return respond(HttpResponse{});
  HttpResponse response = HttpResponse::error(405, "A session knows GET, PATCH and DELETE.");
  response.headers.emplace_back("Allow", "GET, HEAD, PATCH, DELETE, OPTIONS");
  respond(std::move(response));
}

void Control::patch_session(const HttpRequest& request, SessionEntry& entry, Respond respond) {
  if (!has_type(request, sdp::kTrickleFragmentMimeType)) {
    return respond(HttpResponse::error(415, "A PATCH must be of type application/trickle-ice-sdpfrag."));
  }
  const std::string_view header = request.header("If-Match");
  if (header.empty()) return respond(HttpResponse::error(428, "A PATCH needs an If-Match header."));
  const Match match = if_match(header, entry.etag);
  if (match == Match::None)
    return respond(HttpResponse::error(412, "The ETag is stale: ICE has been restarted since."));
  const auto fragment = sdp::TrickleFragment::parse(request.body);
  if (!fragment) return respond(HttpResponse::error(400, fragment.error().to_string()));
  std::vector<std::string> lines;
  ice::Credentials remote{fragment->ice_ufrag, fragment->ice_pwd};
  for (const auto& section : fragment->sections) {
    if (remote.ufrag.empty()) remote = {section.ice_ufrag, section.ice_pwd};
    lines.insert(lines.end(), section.candidates.begin(), section.candidates.end());
  }
  loops_[entry.loop]->post([this, number = entry.number, loop = entry.loop, id = entry.id, any = match == Match::Any,
                            mid = fragment->sections.empty() ? "0" : fragment->sections.front().mid,
                            remote = std::move(remote), lines = std::move(lines),
                            respond = std::move(respond)]() mutable {
    Session* session = session_on_loop(number, loop);
    const Time now = io::Loop::now();
    HttpResponse response{204, {}, {}};
    bool restarted = false;
    if (session == nullptr) {
      response = HttpResponse::error(404, "There is no such session.");
    } else if (!any || remote.ufrag.empty() || remote.ufrag == session->ufrag()) {
      session->add_candidates(lines, now);
    } else if (const auto fresh = session->restart(remote, lines, now)) {
      sdp::TrickleFragment answer;
      answer.ice_ufrag = fresh->credentials.ufrag;
      answer.ice_pwd = fresh->credentials.password;
      answer.sections.emplace_back();
      answer.sections.back().mid = mid;
      answer.sections.back().candidates = fresh->candidates;
      answer.sections.back().end_of_candidates = true;
      response = HttpResponse::with(200, sdp::kTrickleFragmentMimeType, answer.write());
      restarted = true;
    } else {
      response = HttpResponse::error(400, "The new ICE credentials are malformed.");
    }
    loops_.front()->post([this, id, restarted, response = std::move(response), respond = std::move(respond)]() mutable {
      const auto it = sessions_.find(id);
      if (restarted && it != sessions_.end()) {
        it->second.etag = new_etag();
        response.headers.emplace_back("ETag", it->second.etag);
      }
      respond(std::move(response));
    });
  });
}

}  // namespace kaon::sfu::internal
