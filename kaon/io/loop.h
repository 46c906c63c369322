// A loop: one thread, or the caller's own steps, for everything that happens to a set of connections.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "kaon/base/buffer.h"
#include "kaon/base/function.h"
#include "kaon/base/result.h"
#include "kaon/base/time.h"
#include "kaon/io/error.h"
#include "kaon/io/timer_heap.h"
#include "kaon/net/address.h"

namespace kaon::io {

/// Runs on one thread for life: either its own (start) or the caller's (run, step). Methods are for that thread, except
/// where they say "any thread". What is opened on a loop (UdpPort, Driver) must be destroyed before it.
///
/// One turn is: what the sockets brought, what was posted, the timers that are due, then the hooks (which drain the
/// connections that were touched). Handlers are never called inside a call of ours, except those of step() and
/// invoke().
class Loop {
 public:
  /// One run of packets of a driven connection at a time, plus as many again before they must be sent (DESIGN: one
  /// scratch per loop; 64 KiB is the largest run).
  static constexpr size_t kScratchSize = 128 * 1024;
  /// A thread that waits for a timer sleeps to the end of the tick: a hundred connections with a frame each in it wake
  /// it once, not a hundred times, and their packets share system calls. The price is so much delay at most.
  static constexpr Duration kTimerTick = std::chrono::milliseconds(1);

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // --- With its own thread. Any thread.

  void start();
  /// Asks the thread to end after the present turn; what was posted before is still run.
  void stop();
  /// Waits until the thread has ended; not from the loop's own thread.
  void join();

  // --- On the caller's thread. Not after start().

  /// Returns after stop(), which may be called from within or from any thread. Once.
  void run();

  // --- Stepped by the caller, from one thread. Not after start() or run().

  /// Becomes readable when step() has something to do; -1 where the system has no such descriptor. The same for life.
  int poll_fd();
  /// When step() wants to be called even if poll_fd() stays silent; may be in the past, kNever if no timer runs.
  Time next_timeout() const;
  /// Does everything that is ready and returns; never waits.
  void step();

  // --- Any thread.

  /// Runs `work` on the loop, in the order of posting. What is posted after the end of the thread is run never.
  void post(Function<void()> work);
  /// The same for work that is posted again and again: this allocates nothing.
  using Recurring = std::shared_ptr<const Function<void()>>;
  void post(Recurring work);
  /// Runs `work` on the loop and waits for it; at once if this is the loop's thread or if no thread is running. Two
  /// loops that invoke each other lock up: for starting and closing things from outside only.
  void invoke(Function<void()> work);
  /// Makes the loop take a turn; cheap if it has been woken already.
  void wake();
  /// True where methods for the loop's thread may be called: on it, or anywhere while no thread runs.
  bool on_loop_thread() const;
  /// Monotonic time, the one that engines are given.
  static Time now();
  /// Time since 1970, for NTP timestamps and certificates.
  static std::chrono::nanoseconds wall_clock();

  // --- The loop's thread.

  /// `on_due(now)` is called once per deadline; schedule again for more. Valid until remove_timer(), which may be
  /// called from within.
  TimerId add_timer(Function<void(Time)> on_due);
  void schedule(TimerId id, Time deadline);
  void remove_timer(TimerId id);

  /// Called at the end of each turn, or of those for which it was requested: with a port per connection there are as
  /// many hooks as connections, and most have nothing to do.
  enum class HookKind : uint8_t { EveryTurn, OnRequest };
  using HookId = uint32_t;
  HookId add_hook(Function<void(Time)> hook, HookKind kind = HookKind::EveryTurn);
  void remove_hook(HookId id);
  /// The hook is called at the end of this turn; within hooks, of the next, which comes without waiting.
  void request_hook(HookId id);
  /// The next turn comes without waiting.
  void request_turn();

  /// Buffers may be freed on any loop; they are allocated here.
  BufferPool& buffers();
  /// The memory that packets to be sent are written into; one user at a time, within a turn (see Driver).
  Bytes scratch();

  /// Addresses of a host name (or of a literal) in the system's order; the handler is called on this loop, later.
  using ResolveHandler = Function<void(Result<std::vector<net::IpAddress>, IoError>)>;
  void resolve(const std::string& host, ResolveHandler handler);

 private:
  friend struct LoopAccess;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kaon::io
