// What is said to an HTTP proxy and what it answers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kaon/base/result.h"
#include "kaon/io/http_proxy.h"

namespace kaon::io {

/// Bytes of the head of an answer; a proxy that says more is none.
inline constexpr size_t kMaxProxyAnswer = 16 * 1024;

/// "HOST:PORT", with brackets around an address of IPv6.
std::string authority(std::string_view host, uint16_t port);

/// CONNECT to a name or address. Nothing if the name holds what would end its line.
std::optional<std::string> connect_request(const HttpProxy& proxy, std::string_view host, uint16_t port);

struct ProxyAnswer {
  uint16_t status = 0;
  std::string reason;  ///< printable characters only, at most 128
};
enum class ProxyAnswerError : uint8_t { NotHttp };
/// No value in the optional: the head is not whole yet.
Result<std::optional<ProxyAnswer>, ProxyAnswerError> parse_proxy_answer(std::string_view head);

/// Why there is no way through a proxy.
struct ProxyProblem {
  std::string text;     ///< names the proxy
  uint16_t status = 0;  ///< with which it refuses, or 0
};

}  // namespace kaon::io
