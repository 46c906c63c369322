#include "kaon/transfer/mailboxes.h"

namespace kaon::transfer {

Result<Mailboxes::Opened, MailboxError> Mailboxes::open(Time now) {
  std::erase_if(mailboxes_, [now](const auto& entry) { return entry.second.until <= now; });
  if (mailboxes_.size() >= kMaxMailboxes) return fail(MailboxError::Full);
  uint32_t number = 1;
  for (const auto& [taken, mailbox] : mailboxes_) {
    if (taken != number) break;
    ++number;
  }
  std::array<uint8_t, 16> key;
  random_.fill(key);
  Mailbox& mailbox = mailboxes_[number];
  mailbox.key = to_hex(key);
  mailbox.until = now + kLifetime;
  return Opened{number, mailbox.key};
}

Mailboxes::Mailbox* Mailboxes::find(uint32_t number, size_t message, Time now) {
  const auto it = mailboxes_.find(number);
  if (it == mailboxes_.end() || it->second.until <= now || message >= kMessages) return nullptr;
  return &it->second;
}

Result<void, MailboxError> Mailboxes::put(uint32_t number, size_t message, std::string bytes, Time now) {
  Mailbox* mailbox = find(number, message, now);
  if (mailbox == nullptr) return fail(MailboxError::NoSuch);
  if (bytes.size() > kMaxRendezvousMessage) return fail(MailboxError::TooLarge);
  if (mailbox->messages[message]) return fail(MailboxError::Taken);
  mailbox->messages[message] = std::move(bytes);
  return {};
}

Result<std::optional<std::string>, MailboxError> Mailboxes::get(uint32_t number, size_t message, Time now) {
  const Mailbox* mailbox = find(number, message, now);
  if (mailbox == nullptr) return fail(MailboxError::NoSuch);
  return mailbox->messages[message];
}

Result<void, MailboxError> Mailboxes::close(uint32_t number, std::string_view key) {
  const auto it = mailboxes_.find(number);
  if (it == mailboxes_.end()) return fail(MailboxError::NoSuch);
  if (!equal_in_constant_time(as_bytes(it->second.key), as_bytes(key))) return fail(MailboxError::NotYours);
  mailboxes_.erase(it);
  return {};
}

}  // namespace kaon::transfer
