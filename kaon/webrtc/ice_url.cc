#include "kaon/webrtc/ice_url.h"

#include <algorithm>

#include "kaon/base/text.h"

namespace kaon::webrtc {
namespace {

constexpr uint16_t kTlsPort = 5349;

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// "HOST[:PORT]"
bool parse_host(std::string_view text, IceUrl& url) {
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    url.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    url.host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (!port.empty()) {
    const auto number = parse_number<uint16_t>(port.substr(1));
    if (port.front() != ':' || !number || *number == 0) return false;
    url.port = *number;
  }
  return !url.host.empty();
}

}  // namespace

std::optional<IceUrl> parse_ice_url(std::string_view text) {
  IceUrl url;
  if (take(text, "turns:")) {
    url.turn = true;
    url.protocol = net::Protocol::Tls;
    url.port = kTlsPort;
  } else if (take(text, "turn:")) {
    url.turn = true;
  } else if (!take(text, "stun:")) {
    return std::nullopt;
  }
  const size_t query = std::min(text.find('?'), text.size());
  const std::string_view transport = text.substr(query);
  if (!transport.empty()) {
    const bool udp = transport == "?transport=udp";
    const bool tcp = transport == "?transport=tcp";
    const bool tls = url.protocol == net::Protocol::Tls;
    if (!url.turn || !(udp || tcp)) return std::nullopt;
    if (tcp && !tls) url.protocol = net::Protocol::Tcp;
    if (udp && tls) url.protocol = net::Protocol::Dtls;
  }
  return parse_host(text.substr(0, query), url) ? std::optional(url) : std::nullopt;
}

}  // namespace kaon::webrtc
