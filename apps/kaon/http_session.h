// A WHIP or WHEP session as its client sees it (RFC 9725, draft-ietf-wish-whep).
#pragma once

#include <optional>
#include <string>

#include "apps/kaon/http_client.h"

namespace kaon::apps {

class StopSignal;

/// Sends the offer, keeps the session's address, deletes it. Blocks; errors are sentences.
class HttpSession {
 public:
  struct Options {
    std::string url;
    std::string token;
    bool insecure = false;
    /// A server that asks for patience (409 or 503 with Retry-After) is asked again for so long.
    int wait_seconds = 0;
  };

  explicit HttpSession(Options options) : options_(std::move(options)) {}
  /// Deletes the session.
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  /// The answer. Gives up early, with an empty text, when `stop` comes.
  Result<std::string, std::string> post(const std::string& offer, StopSignal& stop);
  void end();

 private:
  std::vector<std::pair<std::string, std::string>> headers() const;
  Result<std::string, std::string> accept(const HttpReply& reply, const Url& url);

  Options options_;
  std::optional<Url> session_;
};

}  // namespace kaon::apps
