// What `kaon send` and `kaon receive` have in common: one file over one link, and the end of it.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "apps/kaon/transfer_link.h"
#include "apps/kaon/transfer_progress.h"
#include "kaon/transfer/message.h"

namespace kaon::apps {

/// Members with an underscore belong to the loop, but for the link and the state.
class TransferSession {
 public:
  /// Shows progress until the file is there, something fails, or `stop` comes. Gives the exit status.
  int run(StopSignal& stop, std::string_view stopped_hint);

 protected:
  TransferSession(const LinkOptions& options, Logger& log);
  virtual ~TransferSession() = default;

  virtual void on_open() {}
  virtual void on_message(const transfer::Message& message) = 0;
  virtual void on_writable() {}

  /// False if there is no room; on_writable() tells when there is.
  bool send(const transfer::Message& message);
  /// Ends with a sentence, for the other side too unless it is from there.
  void give_up(const std::string& sentence, bool tell_peer = true);
  void finished();
  bool ended() const { return over_; }

  TransferLink link_;
  TransferState state_;

 private:
  std::optional<std::string> error() const;
  void say_goodbye(StopSignal& stop);

  bool over_ = false;
  mutable std::mutex mutex_;
  std::optional<std::string> error_;  // guarded by mutex_
};

}  // namespace kaon::apps
