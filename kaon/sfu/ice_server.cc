// Link headers that tell clients of STUN and TURN servers.

#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/sfu/server.h"

namespace kaon::sfu {
namespace {

// RFC 9110 §5.6.4.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool is_visible(char c) { return c > ' ' && c <= '~'; }

}  // namespace

std::optional<IceServer> IceServer::parse(std::string_view text) {
  const auto take = [&text] {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string part(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    return part;
  };
  IceServer server;
  server.url = take();
  server.username = take();
  server.credential = std::string(text);
  const std::string scheme = server.url.substr(0, server.url.find(':'));
  const bool stun = scheme == "stun" || scheme == "stuns";
  const bool turn = scheme == "turn" || scheme == "turns";
  const bool named = server.url.size() > scheme.size() + 1;
  const bool with_credentials = !server.username.empty() && !server.credential.empty();
  if (!(stun || turn) || !named || (turn && !with_credentials)) return std::nullopt;
  if (!std::ranges::all_of(server.url, [](char c) { return is_visible(c) && c != '<' && c != '>' && c != '"'; }))
    return std::nullopt;
  if (!std::ranges::all_of(server.username + server.credential, [](char c) { return is_visible(c) || c == ' '; }))
    return std::nullopt;
  return server;
}

std::string IceServer::to_link() const {
  std::string link = cat('<', url, ">; rel=\"ice-server\"");
  if (!username.empty()) {
    link += cat("; username=", quoted(username), "; credential=", quoted(credential), "; credential-type=\"password\"");
  }
  return link;
}

}  // namespace kaon::sfu
