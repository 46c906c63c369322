// The agent's tables: local and remote candidates, pairs, credentials of a generation.
#pragma once

#include <array>
#include <optional>

#include "kaon/base/strong.h"
#include "kaon/crypto/hash.h"
#include "kaon/ice/types.h"
#include "kaon/stun/message.h"

namespace kaon::ice::internal {

/// Zero is no pair.
using PairId = Strong<struct PairIdTag, uint32_t>;

/// Credentials of both sides with their HMACs keyed once: checks and consent go on for the whole call.
struct Generation {
  Credentials local;
  std::optional<Credentials> remote;
  std::optional<crypto::Hmac> local_key;   // the peer's requests and our responses
  std::optional<crypto::Hmac> remote_key;  // our requests and the peer's responses
  uint32_t number = 0;
};

struct Local {
  Candidate candidate;
  net::Endpoint base;
  uint32_t id = 0;
  uint16_t preference = 0;
  /// False for reflexive ones, which send from the base of another.
  bool sends = false;
};

struct Remote {
  Candidate candidate;
  uint32_t id = 0;
  uint32_t generation = 0;
};

/// One check of ours that may still be answered.
struct Sent {
  stun::TransactionId id;
  Time at{};
  bool use_candidate = false;
  Role role = Role::Controlling;
};

struct Pair {
  /// Checks of one pair that an answer may still come to. With the distances of kRetryDelays this spans two seconds.
  static constexpr size_t kMaxSent = 8;

  PairId id;
  uint32_t generation = 0;
  uint32_t local = 0;           // Local::id
  uint32_t remote = 0;          // Remote::id
  uint32_t reported_local = 0;  // Local::id of the valid pair's candidate, which may be a reflexive one
  Path path;
  uint64_t priority = 0;
  uint8_t kind = 0;  // Agent::kind_of()
  int spread = 0;    // in its kind, lower ones are tried first
  PairState state = PairState::Waiting;
  bool validated = false;  // an authenticated message came over it
  bool nominated = false;
  bool nominating = false;           // controlling: checks carry USE-CANDIDATE
  bool nominate_on_success = false;  // controlled: USE-CANDIDATE came before our own check succeeded
  bool queued = false;               // a check of it waits in outgoing_checks_
  bool triggered = false;            // waits in triggered_, until the time comes that is next_check
  uint32_t nomination_number = 0;
  int attempts = 0;  // checks since the last answer
  Time next_check = kNever;
  int early = 0;  // checks that were repeated before next_check
  Time next_early = kNever;
  Time unanswered_since = kNever;
  Time last_response = Time::min();
  Time last_received = Time::min();
  Time heard_since = kNever;         // the first check of the peer
  Time sent_unheard_since = kNever;  // data has gone out and nothing has come back
  size_t heard_data = 0;             // packets since the last answer to a check, up to kSteady
  Time moved_at = kNever;            // the peer turned up here, while it was somewhere else
  Duration rtt = Duration::zero();   // smoothed
  std::array<Sent, kMaxSent> sent;
  size_t sent_count = 0;  // ever; the newest is sent[(sent_count - 1) % kMaxSent]
  PairCounters counters;
};

/// So many packets of data are a flow, whose pause means something; fewer come and go, and a check for each would cost
/// more than they do.
inline constexpr size_t kSteady = 8;

/// A check that waits for poll_transmit().
struct OutgoingCheck {
  PairId pair;
  stun::TransactionId id;
};

/// So long all checks and answers of a pair carry packets of SPED, if there are any; who is still asking then, or being
/// asked, may have a path that is too small for them, and every other message goes without.
inline constexpr Duration kLargeFor = std::chrono::milliseconds(500);

/// An answer that waits for poll_transmit().
struct Response {
  stun::TransactionId id;
  Path path;
  uint32_t generation = 0;
  bool small = false;  // carries no packet of SPED
  std::optional<stun::ErrorNumber> error;
  stun::AttributeList unknown;
};

}  // namespace kaon::ice::internal
