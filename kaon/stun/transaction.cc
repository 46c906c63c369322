#include "kaon/stun/transaction.h"

namespace kaon::stun {

Transaction::Step Transaction::handle_timeout(Time now) {
  if (now < deadline_) return Step::Wait;
  if (sent_ >= (timing_.reliable ? 1 : timing_.requests)) {
    deadline_ = kNever;
    return Step::TimedOut;
  }
  if (sent_ == 0) first_sent_ = now;
  ++sent_;
  // Distances double; after the last request the wait is Rm times the first one.
  const bool last = sent_ == timing_.requests;
  const Duration wait = timing_.reliable ? timing_.reliable_wait
                        : last           ? timing_.rto * timing_.last_wait
                                         : timing_.rto * (int64_t{1} << (sent_ - 1));
  deadline_ = now + wait;
  return Step::Send;
}

}  // namespace kaon::stun
