#include "apps/kaon/http_session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "apps/kaon/signals.h"
#include "kaon/base/text.h"

namespace kaon::apps {
namespace {

constexpr int kMaxRedirects = 5;

// The first line of an error's body, which says what is wrong.
std::string reason_of(const HttpReply& reply) {
  const std::string line = reply.body.substr(0, reply.body.find_first_of("\r\n"));
  return line.empty() ? cat("status ", reply.status) : cat("status ", reply.status, ", ", line);
}

bool asks_for_patience(const HttpReply& reply) {
  return (reply.status == 409 || reply.status == 503) && !reply.header("Retry-After").empty();
}

}  // namespace

HttpSession::~HttpSession() { end(); }

std::vector<std::pair<std::string, std::string>> HttpSession::headers() const {
  std::vector<std::pair<std::string, std::string>> headers;
  if (!options_.token.empty()) headers.emplace_back("Authorization", "Bearer " + options_.token);
  return headers;
}

Result<std::string, std::string> HttpSession::post(const std::string& offer, StopSignal& stop) {
  auto url = Url::parse(options_.url);
  if (!url) return fail(cat("'", options_.url, "' is no http or https URL."));
  auto fields = headers();
  fields.emplace_back("Content-Type", "application/sdp");
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(options_.wait_seconds);
  int redirects = 0;
  while (true) {
    KAON_TRY(const HttpReply reply, http_request(*url, "POST", fields, offer, options_.insecure));
    if (reply.status == 201) return accept(reply, *url);
    if ((reply.status == 307 || reply.status == 308) && redirects++ < kMaxRedirects) {
      url = url->resolve(reply.header("Location"));
      if (!url) return fail(std::string("The server redirects to nowhere."));
      continue;
    }
    if (!asks_for_patience(reply) || std::chrono::steady_clock::now() >= give_up) {
      return fail(cat("The server refuses: ", reason_of(reply)));
    }
    const int seconds = parse_number<int>(reply.header("Retry-After")).value_or(1);
    if (stop.wait(std::clamp(seconds, 1, 2) * 500)) return std::string();
  }
}

Result<std::string, std::string> HttpSession::accept(const HttpReply& reply, const Url& url) {
  session_ = url.resolve(reply.header("Location"));
  if (reply.header("Location").empty()) session_ = std::nullopt;
  if (reply.body.empty()) return fail(std::string("The server sent no answer."));
  return reply.body;
}

void HttpSession::end() {
  if (const auto session = std::exchange(session_, std::nullopt)) {
    // If the server cannot be reached any more, it will notice by itself.
    static_cast<void>(http_request(*session, "DELETE", headers(), {}, options_.insecure));
  }
}

}  // namespace kaon::apps
