// The server's registry of streams and sessions, and its HTTP interface. Everything on the control loop, which is the
// first of the server's loops; sessions themselves live on the loop they were given.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kaon/crypto/certificate.h"
#include "kaon/crypto/system_random.h"
#include "kaon/io/loop.h"
#include "kaon/io/peer_port.h"
#include "kaon/sfu/http_server.h"
#include "kaon/sfu/internal/drops.h"
#include "kaon/sfu/server.h"
#include "kaon/sfu/session.h"
#include "kaon/sfu/stream.h"
#include "kaon/transfer/mailboxes.h"

namespace kaon::sfu::internal {

/// What the control loop knows of a session.
struct SessionEntry {
  uint64_t number = 0;
  std::string id;  ///< in URLs: 128 random bits
  SessionRole role{};
  std::string stream;
  size_t loop = 0;
  std::string etag;
  std::string asked_host;  ///< of the request that made it
  Time started{};
  bool answered = false;
  SessionSnapshot snapshot;
};

struct StreamEntry {
  std::shared_ptr<Stream> stream;
  std::string publisher;  ///< session id
  Time started{};
  bool live = false;  ///< the publisher has been answered
};

class Control final : public SessionOwner {
 public:
  Control(const ServerConfig& config, std::vector<std::unique_ptr<io::Loop>>& loops, Logger& log);

  void attach(io::PeerPort& port) { port_ = &port; }
  /// Clients are told of it; both on the control loop.
  void attach(const io::TurnHost& turn, std::string secret);
  void handle(HttpRequest request, HttpServer::Respond respond);
  /// Ends every session; on the control loop.
  void close();

  void session_ended(uint64_t number) override;
  void session_snapshot(uint64_t number, SessionSnapshot snapshot) override;
  void key_log(std::string line) override;

 private:
  using Respond = HttpServer::Respond;
  struct Target {
    SessionRole role{};
    std::string stream;
    std::string session;
  };

  // control.cc
  std::optional<HttpResponse> refuse_unauthorized(const HttpRequest& request) const;
  SessionEntry* find_session(const std::string& id, const Target& target);
  void end_session(const std::string& id);
  void remove_session(SessionEntry& entry);
  size_t choose_loop();
  Session* session_on_loop(uint64_t number, size_t loop) const;

  // whip_whep.cc
  static std::optional<Target> parse_target(const std::string& path);
  void handle_endpoint(const HttpRequest& request, const Target& target, Respond respond);
  void handle_session(const HttpRequest& request, const Target& target, Respond respond);
  void post_offer(const HttpRequest& request, const Target& target, Respond respond);
  std::optional<HttpResponse> refuse_offer(const HttpRequest& request, const Target& target) const;
  void answer_on_loop(SessionEntry& entry, std::shared_ptr<Stream> stream,
                      std::shared_ptr<sdp::SessionDescription> offer, Respond respond);
  void answered(const std::string& id, Result<std::string, Refusal> answer, Respond respond);
  void patch_session(const HttpRequest& request, SessionEntry& entry, Respond respond);
  void add_ice_servers(HttpResponse& response, std::string_view asked_host) const;
  void add_own_turn(HttpResponse& response, std::string_view asked_host) const;
  std::string new_etag();

  // mailbox.cc
  HttpResponse handle_mailbox(const HttpRequest& request);

  // api.cc
  HttpResponse streams_json() const;
  HttpResponse connections_json() const;
  void tell_status(size_t loop, Drops drops, Respond respond) const;
  HttpResponse status_json(const Drops& drops) const;
  HttpResponse page(const HttpRequest& request) const;

  ServerConfig config_;
  std::vector<std::unique_ptr<io::Loop>>& loops_;
  crypto::CachedCertificate certificate_;
  Logger& log_;
  io::PeerPort* port_ = nullptr;
  struct TurnAccess {
    std::vector<std::string> urls;  ///< with "HOST" where the host name goes
    std::string secret;
  };
  std::optional<TurnAccess> turn_;
  Time started_;
  ForwardFigures figures_;
  std::map<std::string, StreamEntry> streams_;
  std::map<std::string, SessionEntry> sessions_;
  std::unordered_map<uint64_t, std::string> by_number_;
  crypto::SystemRandom random_;
  transfer::Mailboxes mailboxes_{random_};
  // Per loop, touched on that loop only.
  std::vector<std::unordered_map<uint64_t, std::unique_ptr<Session>>> live_;
  std::vector<Drops> retired_;  ///< of sessions that are gone
  uint64_t next_number_ = 1;
  size_t next_loop_ = 0;
};

/// The headers that let pages of other origins use the interface.
void add_cors(HttpResponse& response);

}  // namespace kaon::sfu::internal
