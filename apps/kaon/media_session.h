// What whip and record have in common: a peer connection on a loop of its own, negotiated over HTTP.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "apps/kaon/console.h"
#include "apps/kaon/http_session.h"
#include "kaon/io/loop.h"
#include "kaon/webrtc/peer_connection.h"

namespace kaon::apps {

class MediaSession {
 public:
  /// Called on the loop; `add` puts the transceivers on the connection.
  using Prepare = Function<Result<void, std::string>(webrtc::PeerConnection&)>;

  /// `trace` may be null.
  MediaSession(HttpSession::Options options, Logger& log, trace::Sink* trace);
  ~MediaSession();

  /// Offers, waits for the answer and then for the connection (30 s at most). True when connected, false when `stop`
  /// came first.
  Result<bool, std::string> connect(const Prepare& prepare, StopSignal& stop);
  /// Why the connection ended; nothing while it lives. Any thread.
  struct End {
    bool by_peer = false;  ///< properly, with a goodbye
    std::string sentence;
  };
  std::optional<End> ended() const;
  /// Closes the connection and deletes the session.
  void close();

  io::Loop& loop() { return loop_; }
  /// On the loop.
  webrtc::PeerConnection& connection() { return *connection_; }
  peer::Stats stats();

 private:
  void on_state(webrtc::ConnectionState state, const std::string& detail);
  Result<std::string, std::string> make_offer(const Prepare& prepare, StopSignal& stop);
  Result<void, std::string> use_answer(const std::string& answer);

  Logger& log_;
  trace::Sink* trace_;
  HttpSession http_;
  mutable std::mutex mutex_;
  bool connected_ = false;    // guarded by mutex_
  std::optional<End> ended_;  // guarded by mutex_
  io::Loop loop_;
  std::unique_ptr<webrtc::PeerConnection> connection_;
};

}  // namespace kaon::apps
