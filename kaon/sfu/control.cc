#include "kaon/sfu/internal/control.h"

#include <fstream>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/sdp/attributes.h"

namespace kaon::sfu::internal {

Control::Control(const ServerConfig& config, std::vector<std::unique_ptr<io::Loop>>& loops, Logger& log)
    : config_(config),
      loops_(loops),
      certificate_(crypto::KeyType::EcdsaP256, config.certificate_lifetime),
      log_(log),
      started_(io::Loop::now()),
      live_(loops.size()),
      retired_(loops.size()) {}

void add_cors(HttpResponse& response) {
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  response.headers.emplace_back("Access-Control-Expose-Headers", "Location, ETag, Link, Retry-After");
}

void Control::handle(HttpRequest request, Respond respond) {
  auto reply = [respond = std::move(respond)](HttpResponse response) {
    add_cors(response);
    respond(std::move(response));
  };
  const bool api = request.path.starts_with("/api/");
  const auto target = parse_target(request.path);
  if (!api && !target) {
    if (request.path.starts_with("/whip") || request.path.starts_with("/whep")) {
      return reply(HttpResponse::error(404, "A stream name has 1 to 64 characters of A-Z a-z 0-9 . _ -"));
    }
    return reply(page(request));
  }
  if (request.method == "OPTIONS" && !request.header("Access-Control-Request-Method").empty()) {
    HttpResponse preflight{204, {}, {}};
    preflight.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
                         {"Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match"},
                         {"Access-Control-Max-Age", "86400"}};
    return reply(std::move(preflight));
  }
  if (auto refused = refuse_unauthorized(request)) return reply(std::move(*refused));
  if (target) {
    if (target->session.empty()) return handle_endpoint(request, *target, std::move(reply));
    return handle_session(request, *target, std::move(reply));
  }
  if (request.path.starts_with("/api/mailboxes")) return reply(handle_mailbox(request));
  if (request.method != "GET" && request.method != "HEAD")
    return reply(HttpResponse::error(405, "Only GET is possible here."));
  if (request.path == "/api/streams") return reply(streams_json());
  if (request.path == "/api/connections") return reply(connections_json());
  if (request.path == "/api/status") return tell_status(0, {}, std::move(reply));
  reply(HttpResponse::error(404, "There is /api/streams, /api/connections, /api/status and /api/mailboxes."));
}

std::optional<HttpResponse> Control::refuse_unauthorized(const HttpRequest& request) const {
  if (config_.token.empty()) return std::nullopt;
  const std::string_view value = request.header("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (!sdp::equal_ignoring_case(value.substr(0, kScheme.size()), kScheme)) {
    HttpResponse response = HttpResponse::error(401, "This server wants an access token.");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  if (equal_in_constant_time(as_bytes(value.substr(kScheme.size())), as_bytes(config_.token))) return std::nullopt;
  return HttpResponse::error(403, "The access token is not the right one.");
}

SessionEntry* Control::find_session(const std::string& id, const Target& target) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end() || it->second.role != target.role || it->second.stream != target.stream ||
      !it->second.answered)
    return nullptr;
  return &it->second;
}

size_t Control::choose_loop() { return next_loop_++ % loops_.size(); }

Session* Control::session_on_loop(uint64_t number, size_t loop) const {
  const auto it = live_[loop].find(number);
  return it == live_[loop].end() ? nullptr : it->second.get();
}

// -- the end of sessions ---------------------------------------------------------------------------------------------

void Control::session_ended(uint64_t number) {
  // From the session's loop, inside its handler: the session itself goes later.
  loops_.front()->post([this, number] {
    const auto it = by_number_.find(number);
    if (it != by_number_.end()) end_session(std::string(it->second));
  });
}

void Control::session_snapshot(uint64_t number, SessionSnapshot snapshot) {
  loops_.front()->post([this, number, snapshot = std::move(snapshot)]() mutable {
    const auto it = by_number_.find(number);
    if (it != by_number_.end()) sessions_.at(it->second).snapshot = std::move(snapshot);
  });
}

void Control::key_log(std::string line) {
  loops_.front()->post([this, line = std::move(line)] {
    std::ofstream file(config_.key_log_file, std::ios::app);
    if (!(file << line << '\n'))
      log_.line(LogLevel::Warning, "sfu", "cannot write to the key log ", config_.key_log_file);
  });
}

void Control::end_session(const std::string& id) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  const SessionEntry entry = it->second;
  remove_session(it->second);
  if (entry.role != SessionRole::Publisher) return;
  // The publisher leaving ends its viewers.
  streams_.erase(entry.stream);
  log_.line(LogLevel::Info, "sfu", "stream '", entry.stream, "' has ended");
  std::vector<std::string> viewers;
  for (const auto& [other, session] : sessions_) {
    if (session.stream == entry.stream) viewers.push_back(other);
  }
  for (const std::string& viewer : viewers) end_session(viewer);
}

void Control::remove_session(SessionEntry& entry) {
  const uint64_t number = entry.number;
  const size_t loop = entry.loop;
  by_number_.erase(number);
  sessions_.erase(std::string(entry.id));
  loops_[loop]->post([this, number, loop] {
    const auto it = live_[loop].find(number);
    if (it == live_[loop].end()) return;
    add_drops(retired_[loop], std::as_const(*it->second).connection());
    live_[loop].erase(it);
  });
}

void Control::close() {
  std::vector<std::string> ids;
  for (const auto& [id, session] : sessions_) ids.push_back(id);
  for (const std::string& id : ids) end_session(id);
}

}  // namespace kaon::sfu::internal
