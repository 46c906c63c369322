// One HTTP request at a time, for WHIP and WHEP.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kaon/base/result.h"

namespace kaon::apps {

struct HttpReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  /// In any letter case; empty if there is none.
  std::string header(std::string_view name) const;
};

struct Url {
  std::string scheme;  ///< "http" or "https"
  std::string host;
  std::string port;
  std::string target;  ///< path and query

  static std::optional<Url> parse(std::string_view text);
  /// A Location header against this URL.
  std::optional<Url> resolve(std::string_view location) const;
  std::string to_string() const;
};

/// Sends and waits (30 s at most). The error is a sentence for a person. Certificates are verified unless `insecure`.
Result<HttpReply, std::string> http_request(const Url& url, std::string_view method,
                                            const std::vector<std::pair<std::string, std::string>>& headers,
                                            const std::string& body, bool insecure);

}  // namespace kaon::apps
