#include "kaon/io/internal/http_connect.h"

#include <algorithm>

#include "kaon/base/base64.h"
#include "kaon/base/text.h"

namespace kaon::io {
namespace {

constexpr size_t kMaxReason = 128;

bool printable(char c) { return c >= ' ' && c <= '~'; }

}  // namespace

std::string authority(std::string_view host, uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return v6 ? cat("[", host, "]:", port) : cat(host, ":", port);
}

std::string HttpProxy::name() const { return authority(host, port); }

std::optional<std::string> connect_request(const HttpProxy& proxy, std::string_view host, uint16_t port) {
  if (host.empty() || !std::ranges::all_of(host, [](char c) { return c > ' ' && c <= '~'; })) return std::nullopt;
  const std::string target = authority(host, port);
  std::string request = cat("CONNECT ", target, " HTTP/1.1\r\nHost: ", target, "\r\n");
  if (!proxy.username.empty()) {
    const std::string credentials = cat(proxy.username, ":", proxy.password);
    request += cat("Proxy-Authorization: Basic ", to_base64(as_bytes(credentials)), "\r\n");
  }
  return request + "\r\n";
}

// RFC 9112 §4: "HTTP/1.1 200 OK".
Result<std::optional<ProxyAnswer>, ProxyAnswerError> parse_proxy_answer(std::string_view head) {
  constexpr std::string_view kVersion = "HTTP/1.";
  if (!kVersion.starts_with(head.substr(0, kVersion.size()))) return fail(ProxyAnswerError::NotHttp);
  if (head.find("\r\n\r\n") == std::string_view::npos) {
    if (head.size() >= kMaxProxyAnswer) return fail(ProxyAnswerError::NotHttp);
    return std::nullopt;
  }
  const std::string_view line = head.substr(0, head.find("\r\n"));
  constexpr size_t kStatusAt = kVersion.size() + 2;
  const auto status = line.size() < kStatusAt + 3 || line[kStatusAt - 1] != ' '
                          ? std::nullopt
                          : parse_number<uint16_t>(line.substr(kStatusAt, 3));
  if (!status || *status < 100 || *status > 599) return fail(ProxyAnswerError::NotHttp);
  ProxyAnswer answer{.status = *status, .reason = {}};
  if (line.size() > kStatusAt + 4) answer.reason = line.substr(kStatusAt + 4, kMaxReason);
  std::erase_if(answer.reason, [](char c) { return !printable(c); });
  return answer;
}

}  // namespace kaon::io
