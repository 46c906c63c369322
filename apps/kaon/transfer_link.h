// A data channel to a program on another machine, found by a pasted line or by a code at a server.
#pragma once

#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apps/kaon/console.h"
#include "kaon/crypto/system_random.h"
#include "kaon/io/loop.h"
#include "kaon/transfer/invitation.h"
#include "kaon/webrtc/peer_connection.h"

namespace CLI {
class App;
}

namespace kaon::apps {

class StopSignal;

struct LinkOptions {
  std::string via;  ///< URL of a `kaon serve`; empty: lines are pasted
  std::string token;
  bool insecure = false;
  std::vector<std::string> ice_servers;
  std::string log = "error";
};
void add_link_options(CLI::App& command, LinkOptions& options);

/// Blocks the main thread, which waits for people; everything else happens on a loop of its own.
class TransferLink {
 public:
  /// Told on the loop.
  struct Handlers {
    Function<void()> on_open;
    Function<void(ByteView message)> on_message;
    Function<void()> on_writable;
  };
  /// `label` of the channel. What a person has to read goes to `out`.
  TransferLink(const LinkOptions& options, std::string label, Handlers handlers, std::FILE* out, Logger& log);
  ~TransferLink();

  /// Tells the person what to do on the other machine ("kaon receive") and waits until the channel is open. False if
  /// `stop` came first.
  Result<bool, std::string> invite(std::string_view command, StopSignal& stop);
  /// With a line or a code, or asks for a line if there is none.
  Result<bool, std::string> join(std::string invitation, StopSignal& stop);
  /// Why it ended; nothing while it lives. Any thread.
  struct End {
    bool by_peer = false;  ///< properly, with a goodbye
    std::string sentence;
  };
  std::optional<End> ended() const;
  void close();

  io::Loop& loop() { return loop_; }
  /// On the loop, and once it is open.
  webrtc::DataChannel& channel() { return *channel_; }

 private:
  Result<void, std::string> start(StopSignal& stop);
  Result<std::string, std::string> local_invitation(transfer::Invitation::Kind kind, StopSignal& stop);
  Result<void, std::string> use(std::string_view text, transfer::Invitation::Kind kind);
  Result<std::string, std::string> answer(std::string_view offer, StopSignal& stop);
  Result<bool, std::string> invite_by_line(std::string_view command, StopSignal& stop);
  Result<bool, std::string> invite_by_code(std::string_view command, StopSignal& stop);
  Result<bool, std::string> join_by_code(const std::string& code, StopSignal& stop);
  Result<bool, std::string> await_open(StopSignal& stop);
  void take_channel(std::shared_ptr<webrtc::DataChannel> channel);
  void on_state(webrtc::ConnectionState state, const std::string& detail);
  void end(End end);

  const LinkOptions& options_;
  std::string label_;
  Handlers handlers_;
  std::FILE* out_;
  Logger& log_;
  crypto::SystemRandom random_;
  mutable std::mutex mutex_;
  bool open_ = false;         // guarded by mutex_
  std::optional<End> ended_;  // guarded by mutex_
  io::Loop loop_;
  std::unique_ptr<webrtc::PeerConnection> connection_;
  std::shared_ptr<webrtc::DataChannel> channel_;
};

}  // namespace kaon::apps
