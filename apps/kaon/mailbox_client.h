// Mailboxes of a `kaon serve`, over HTTP.
#pragma once

#include <optional>
#include <string>

#include "apps/kaon/http_client.h"
#include "kaon/base/bytes.h"

namespace kaon::apps {

class StopSignal;

/// One mailbox, opened by us or by the other side. Blocks; errors are sentences.
class MailboxClient {
 public:
  MailboxClient(std::string server, std::string token, bool insecure)
      : server_(std::move(server)), token_(std::move(token)), insecure_(insecure) {}
  /// Closes it if we have opened it.
  ~MailboxClient();
  MailboxClient(const MailboxClient&) = delete;
  MailboxClient& operator=(const MailboxClient&) = delete;

  /// Its number.
  Result<uint32_t, std::string> open();
  void use(uint32_t number) { number_ = number; }

  /// False if somebody else has written this message before.
  Result<bool, std::string> put(size_t message, ByteView bytes);
  /// Nothing if it is not there yet.
  Result<std::optional<std::string>, std::string> get(size_t message);
  /// Waits for it. Nothing if `stop` came first.
  Result<std::optional<std::string>, std::string> await(size_t message, StopSignal& stop);

 private:
  Result<HttpReply, std::string> request(std::string_view method, const std::string& path, std::string body = {});
  std::string path_of(size_t message) const;

  std::string server_, token_;
  bool insecure_;
  uint32_t number_ = 0;
  std::string key_;
};

}  // namespace kaon::apps
