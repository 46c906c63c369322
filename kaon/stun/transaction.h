// The clock of one client transaction.
#pragma once

#include "kaon/base/time.h"
#include "kaon/stun/attribute.h"

namespace kaon::stun {

/// RFC 8489 §6.2.1: over UDP, Rc requests at doubling distances, then Rm times the first distance of waiting; over
/// reliable transports one request and Ti of waiting (§6.2.2).
struct Timing {
  Duration rto = std::chrono::milliseconds(500);
  int requests = 7;                                           ///< Rc
  int last_wait = 16;                                         ///< Rm
  bool reliable = false;                                      ///< TCP or TLS: never sent twice
  Duration reliable_wait = std::chrono::milliseconds(39500);  ///< Ti
};

/// When to send a request again and when to give up. Holds no bytes: the user writes the request when told to.
class Transaction {
 public:
  enum class Step : uint8_t { Wait, Send, TimedOut };

  /// The first handle_timeout() says Send.
  Transaction(const TransactionId& id, const Timing& timing, Time now) : id_(id), timing_(timing), deadline_(now) {}

  const TransactionId& id() const { return id_; }
  Step handle_timeout(Time now);
  Time next_timeout() const { return deadline_; }
  /// Requests sent so far.
  int sent() const { return sent_; }
  /// Time since the first request. An honest RTT only while sent() is 1, because an answer does not tell which one it
  /// answers.
  Duration age(Time now) const { return now - first_sent_; }

 private:
  TransactionId id_;
  Timing timing_;
  Time deadline_;
  Time first_sent_{};
  int sent_ = 0;
};

}  // namespace kaon::stun
