// Where two programs leave messages for each other: the server's part of a rendezvous.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "kaon/base/random.h"
#include "kaon/base/result.h"
#include "kaon/base/time.h"
#include "kaon/transfer/rendezvous.h"

namespace kaon::transfer {

enum class MailboxError : uint8_t {
  NoSuch,    ///< Never opened, closed, or too old.
  Full,      ///< kMaxMailboxes are open.
  Taken,     ///< There is a message under this number already.
  TooLarge,  ///< More than kMaxRendezvousMessage.
  NotYours,  ///< Only who has opened it may close it.
};

/// Numbered mailboxes of numbered messages, each written once. The numbers are few, so that whoever guesses at a code
/// has no more than kMaxTries attempts. Bounded: kMaxMailboxes of kMessages of kMaxRendezvousMessage bytes.
class Mailboxes {
 public:
  static constexpr size_t kMaxMailboxes = 1000;
  static constexpr size_t kMessagesPerTry = 4;
  static constexpr size_t kMessages = kMaxTries * kMessagesPerTry;
  static constexpr Duration kLifetime = std::chrono::minutes(15);

  explicit Mailboxes(Random& random) : random_(random) {}

  struct Opened {
    uint32_t number = 0;  ///< the lowest that is free, counted from 1
    std::string key;      ///< closes it
  };
  Result<Opened, MailboxError> open(Time now);
  Result<void, MailboxError> put(uint32_t number, size_t message, std::string bytes, Time now);
  /// Nothing yet: an empty optional.
  Result<std::optional<std::string>, MailboxError> get(uint32_t number, size_t message, Time now);
  Result<void, MailboxError> close(uint32_t number, std::string_view key);

 private:
  struct Mailbox {
    std::string key;
    Time until{};
    std::array<std::optional<std::string>, kMessages> messages;
  };
  Mailbox* find(uint32_t number, size_t message, Time now);

  Random& random_;
  std::map<uint32_t, Mailbox> mailboxes_;
};

}  // namespace kaon::transfer
