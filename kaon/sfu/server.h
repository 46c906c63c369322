// The media server: WHIP in, WHEP out, a web page and an API (docs/http-api.md).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/log.h"
#include "kaon/base/result.h"
#include "kaon/dtls/types.h"
#include "kaon/io/turn_host.h"
#include "kaon/net/address.h"
#include "kaon/sfu/http_server.h"
#include "kaon/trace/sink.h"

namespace kaon::sfu {

/// Sessions at once, unless the configuration allows fewer; further offers get 503.
inline constexpr size_t kMaxSessions = 20'000;
/// Longest stream name.
inline constexpr size_t kMaxStreamName = 64;

/// A STUN or TURN server that clients are told of (RFC 9725 §4.6).
struct IceServer {
  std::string url;  ///< stun:, stuns:, turn: or turns:
  std::string username;
  std::string credential;

  /// "URL" or "URL,user,credential"; the credential may hold further commas. Nothing if the scheme is another, a TURN
  /// server has no credentials, or a character could not stand in a header.
  static std::optional<IceServer> parse(std::string_view text);
  /// The value of a Link header.
  std::string to_link() const;
};

struct ServerConfig {
  std::optional<net::Endpoint> http;
  std::optional<net::Endpoint> https;
  /// For `https`.
  std::optional<TlsIdentity> tls;
  /// Of media; 0 for a free one.
  uint16_t udp_port = 0;
  /// 0: as many as the machine has cores.
  size_t loops = 0;
  bool ice_lite = false;
  /// Media over TCP too, on the same port number, for clients whose network blocks UDP (RFC 6544).
  bool ice_tcp = false;
  dtls::Version max_dtls_version = dtls::Version::Dtls13;
  /// For so long new connections get the same certificate (ECDSA P-256), then another.
  std::chrono::seconds certificate_lifetime = std::chrono::days(1);
  /// The handshake begins within connectivity checks, with clients that can do it.
  bool sped = true;
  size_t max_sessions = kMaxSessions;
  /// Told to who publishes, watches, or asks by OPTIONS with the right token.
  std::vector<IceServer> ice_servers;
  /// A TURN server beside the media, for clients whose network blocks UDP or more. They are told of it like of
  /// `ice_servers`, under the host name that they have asked, with credentials that end by themselves. Its relays reach
  /// the media port of this machine, and what any relay may reach.
  std::optional<io::TurnHostOptions> turn;
  std::vector<net::IpAddress> public_addresses;
  /// Empty: no token is asked for.
  std::string token;
  /// File for the TLS key log (SSLKEYLOGFILE); empty for none. Whoever has it can decrypt everything.
  std::string key_log_file;
  /// Sees packets in the clear and events of all connections. Must outlive the server; null for none.
  trace::Sink* trace = nullptr;
  std::string version;
};

/// Runs on its own threads from start() to destruction. Any thread may call the methods.
class Server {
 public:
  /// The error is a sentence for a person.
  static Result<std::unique_ptr<Server>, std::string> start(ServerConfig config, Logger& log);
  ~Server();

  /// As bound, with the ports that were chosen.
  std::optional<net::Endpoint> http_address() const;
  std::optional<net::Endpoint> https_address() const;
  uint16_t udp_port() const;
  /// Where its TURN server listens over UDP, TCP or TLS.
  std::vector<net::Endpoint> turn_addresses(net::Protocol protocol) const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kaon::sfu
