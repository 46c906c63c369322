#include "kaon/io/loop.h"

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <latch>
#include <mutex>
#include <thread>

#include "kaon/io/asio.h"
#include "kaon/io/internal/endpoints.h"
#include "kaon/io/internal/loop_access.h"
#include "kaon/io/internal/shadow_poll.h"

namespace kaon::io {
namespace {

using boost::asio::ip::udp;

// How many handlers one step() runs before it lets the caller breathe.
constexpr int kHandlersPerStep = 64;
// Results of Asio's resolver thread do not show in poll_fd(): a stepped loop looks this often while it waits for one.
constexpr Duration kResolvePoll = std::chrono::milliseconds(10);

// What was posted: work for once, or work that is posted again and again.
struct Posted {
  Function<void()> once;
  Loop::Recurring recurring;
  void operator()() const { recurring ? (*recurring)() : once(); }
};

// Asio's memory for the one wake-up that can be under way: it is given back before the handler runs.
class WakeMemory {
 public:
  template <class T>
  struct Allocator {
    using value_type = T;
    WakeMemory* memory;
    template <class U>
    Allocator(const Allocator<U>& other) : memory(other.memory) {}  // NOLINT(google-explicit-constructor)
    explicit Allocator(WakeMemory* of) : memory(of) {}
    T* allocate(size_t count) {
      static_assert(alignof(T) <= alignof(std::max_align_t));
      const bool used = memory->used_.exchange(true, std::memory_order_acquire);
      KAON_ASSERT(!used && count * sizeof(T) <= sizeof(bytes_));
      return reinterpret_cast<T*>(memory->bytes_);
    }
    void deallocate(T*, size_t) { memory->used_.store(false, std::memory_order_release); }
    bool operator==(const Allocator& other) const { return memory == other.memory; }
  };

 private:
  alignas(std::max_align_t) std::byte bytes_[256];
  std::atomic<bool> used_ = false;
};

Time end_of_tick(Time time) {
  const auto tick = Loop::kTimerTick.count();
  return Time(Duration((time.time_since_epoch().count() + tick - 1) / tick * tick));
}

std::chrono::steady_clock::time_point to_steady(Time time) {
  return std::chrono::steady_clock::time_point(time.time_since_epoch());
}

}  // namespace

struct Loop::Impl {
  enum class Mode : uint8_t { Stepped, Running, Ended };
  struct Wake {
    using allocator_type = WakeMemory::Allocator<void>;
    Impl* impl;
    allocator_type get_allocator() const { return allocator_type(&impl->wake_memory); }
    void operator()() const { impl->on_wake(); }
  };

  WakeMemory wake_memory;  // outlives the context
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{context.get_executor()};
  boost::asio::steady_timer timer{context};
  Time armed = kNever;
  udp::resolver resolver{context};
  size_t resolving = 0;

  TimerHeap heap;
  std::vector<Function<void(Time)>> on_due;  // by timer
  std::vector<TimerId> due;                  // in this turn; kept for its memory
  struct Hook {
    Function<void(Time)> call;  // empty: free
    HookKind kind = HookKind::EveryTurn;
    bool requested = false;  // stands in requested_hooks
  };
  std::vector<Hook> hooks;
  size_t every_turn_hooks = 0;
  std::vector<HookId> free_hooks;
  std::vector<HookId> requested_hooks;
  std::vector<HookId> called_hooks;  // in this turn; kept for its memory
  bool turn_requested = false;
  bool in_turn = false;

  std::mutex mutex;
  std::vector<Posted> posted;  // guarded by mutex
  Mode mode = Mode::Stepped;   // written under mutex
  std::atomic<bool> threaded{false};
  std::atomic<std::thread::id> owner{};
  std::atomic<bool> woken{false};
  std::atomic<bool> stopping{false};
  std::atomic<bool> shadowed{false};
  std::thread thread;

  std::vector<Posted> running;  // the posted work of this turn; kept for its memory
  ShadowPoll shadow;
  BufferPool pool;
  std::unique_ptr<uint8_t[]> scratch = std::make_unique_for_overwrite<uint8_t[]>(kScratchSize);
  std::unique_ptr<uint8_t[]> receive_memory;
  std::vector<net::Datagram> datagrams;
  std::shared_ptr<void> udp_messages;
  std::weak_ptr<Mdns> mdns;
  std::shared_ptr<NetworkMonitor> network_monitor;

  void post(Posted work, Loop& loop);
  void on_wake();
  void run_posted();
  bool has_posted();
  void arm();
  void fire_timers();
  void end_turn();
  void call_hooks();
  void run();
};

void Loop::Impl::on_wake() {
  woken.store(false, std::memory_order_release);
  run_posted();
}

void Loop::Impl::run_posted() {
  {
    const std::lock_guard lock(mutex);
    std::swap(posted, running);
  }
  for (const auto& work : running) work();
  running.clear();
}

void Loop::Impl::post(Posted work, Loop& loop) {
  {
    const std::lock_guard lock(mutex);
    if (mode == Mode::Ended) return;
    posted.push_back(std::move(work));
  }
  loop.wake();
}

bool Loop::Impl::has_posted() {
  const std::lock_guard lock(mutex);
  return !posted.empty();
}

// The one timer of Asio follows the soonest deadline, but only to the front: a deadline that moves back, as most do
// with every packet, costs no system call; the timer fires early once and finds nothing due. What falls due within one
// tick shares a wake-up.
void Loop::Impl::arm() {
  Time next = heap.next();
  if (next >= armed) return;
  if (next > Loop::now()) next = end_of_tick(next);
  if (next >= armed) return;
  armed = next;
  timer.expires_at(to_steady(next));
  timer.async_wait([this](const boost::system::error_code& error) {
    if (!error) armed = kNever;
  });
}

void Loop::Impl::fire_timers() {
  if (heap.next() == kNever) return;
  // Time stands still within the turn, so that a timer which sets itself to "now" gets its next call in the next turn
  // only.
  const Time time = Loop::now();
  if (heap.next() > time) return;
  due.clear();
  TimerId id;
  while (heap.pop_due(time, id)) due.push_back(id);
  for (const TimerId timer_id : due) {
    // Whoever was removed, or set anew, by one before it has no call to expect now.
    if (on_due[timer_id.value()] && heap.deadline(timer_id) == kNever) on_due[timer_id.value()](time);
  }
}

void Loop::Impl::end_turn() {
  fire_timers();
  turn_requested = false;
  if (every_turn_hooks != 0 || !requested_hooks.empty()) call_hooks();
}

void Loop::Impl::call_hooks() {
  const Time time = Loop::now();
  for (size_t i = 0; every_turn_hooks != 0 && i < hooks.size(); ++i) {
    if (hooks[i].call && hooks[i].kind == HookKind::EveryTurn) hooks[i].call(time);
  }
  std::swap(requested_hooks, called_hooks);
  for (const HookId id : called_hooks) {
    // Whoever was removed before its turn, and who came to its place, has no call to expect.
    if (std::exchange(hooks[id].requested, false)) hooks[id].call(time);
  }
  called_hooks.clear();
}

void Loop::Impl::run() {
  owner.store(std::this_thread::get_id());
  in_turn = true;
  while (!stopping.load(std::memory_order_acquire)) {
    if (turn_requested || heap.next() <= Loop::now()) {
      context.poll_one();
    } else {
      arm();
      context.run_one();
    }
    end_turn();
  }
  in_turn = false;
  while (true) {
    {
      const std::lock_guard lock(mutex);
      if (posted.empty()) {
        mode = Mode::Ended;
        break;
      }
    }
    run_posted();
    end_turn();
  }
}

Loop::Loop() : impl_(std::make_unique<Impl>()) {}

Loop::~Loop() {
  stop();
  join();
  // A stepped loop may have been left with work; what that owns must go before the loop does.
  while (impl_->has_posted()) impl_->run_posted();
  impl_->network_monitor.reset();
}

void Loop::start() {
  const std::lock_guard lock(impl_->mutex);
  KAON_ASSERT(impl_->mode == Impl::Mode::Stepped && !impl_->shadowed);
  impl_->mode = Impl::Mode::Running;
  impl_->threaded = true;
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

void Loop::run() {
  {
    const std::lock_guard lock(impl_->mutex);
    KAON_ASSERT(impl_->mode == Impl::Mode::Stepped && !impl_->shadowed);
    impl_->mode = Impl::Mode::Running;
    impl_->owner = std::this_thread::get_id();
    impl_->threaded = true;
  }
  impl_->run();
  impl_->threaded = false;
}

void Loop::stop() {
  impl_->stopping.store(true, std::memory_order_release);
  wake();
}

void Loop::join() {
  if (!impl_->thread.joinable()) return;
  KAON_ASSERT(impl_->thread.get_id() != std::this_thread::get_id());
  impl_->thread.join();
  impl_->threaded = false;
}

int Loop::poll_fd() {
  KAON_ASSERT(!impl_->threaded);
  const int fd = impl_->shadow.fd();
  impl_->shadowed = fd >= 0;
  return fd;
}

Time Loop::next_timeout() const {
  if (impl_->turn_requested) return now();
  return impl_->resolving == 0 ? impl_->heap.next() : std::min(impl_->heap.next(), now() + kResolvePoll);
}

void Loop::step() {
  KAON_ASSERT(!impl_->threaded && !impl_->in_turn);
  impl_->in_turn = true;
  impl_->shadow.clear();
  int handlers = 0;
  while (handlers < kHandlersPerStep && impl_->context.poll_one() > 0) ++handlers;
  impl_->end_turn();
  if (handlers == kHandlersPerStep || impl_->turn_requested) impl_->shadow.wake();
  impl_->in_turn = false;
}

void Loop::post(Function<void()> work) { impl_->post({std::move(work), nullptr}, *this); }
void Loop::post(Recurring work) { impl_->post({nullptr, std::move(work)}, *this); }

void Loop::invoke(Function<void()> work) {
  if (on_loop_thread()) return work();
  std::latch done(1);
  {
    std::unique_lock lock(impl_->mutex);
    if (impl_->mode != Impl::Mode::Running) {
      lock.unlock();
      return work();
    }
    impl_->posted.push_back({[&] {
                               work();
                               done.count_down();
                             },
                             nullptr});
  }
  wake();
  done.wait();
}

void Loop::wake() {
  if (impl_->woken.exchange(true, std::memory_order_acq_rel)) return;
  boost::asio::post(impl_->context, Impl::Wake{impl_.get()});
  if (impl_->shadowed) impl_->shadow.wake();
}

bool Loop::on_loop_thread() const {
  return !impl_->threaded.load(std::memory_order_relaxed) ||
         impl_->owner.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

Time Loop::now() {
  return Time(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

std::chrono::nanoseconds Loop::wall_clock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
}

TimerId Loop::add_timer(Function<void(Time)> on_due) {
  KAON_ASSERT(on_loop_thread() && on_due);
  const TimerId id = impl_->heap.add();
  if (impl_->on_due.size() <= id.value()) impl_->on_due.resize(id.value() + 1);
  impl_->on_due[id.value()] = std::move(on_due);
  return id;
}

void Loop::schedule(TimerId id, Time deadline) {
  const bool first = deadline < impl_->heap.next();
  impl_->heap.schedule(id, deadline);
  // Set between two steps: the caller's event loop has to ask for next_timeout() again.
  if (first && !impl_->in_turn) request_turn();
}

void Loop::remove_timer(TimerId id) {
  impl_->heap.remove(id);
  // The callable may be running just now, so it is not destroyed before the next turn.
  post([keep = std::move(impl_->on_due[id.value()])] {});
}

Loop::HookId Loop::add_hook(Function<void(Time)> hook, HookKind kind) {
  KAON_ASSERT(on_loop_thread() && hook);
  HookId id;
  if (impl_->free_hooks.empty()) {
    id = static_cast<HookId>(impl_->hooks.size());
    impl_->hooks.emplace_back();
  } else {
    id = impl_->free_hooks.back();
    impl_->free_hooks.pop_back();
  }
  impl_->hooks[id] = {std::move(hook), kind, false};
  if (kind == HookKind::EveryTurn) ++impl_->every_turn_hooks;
  return id;
}

void Loop::remove_hook(HookId id) {
  if (impl_->hooks[id].kind == HookKind::EveryTurn) --impl_->every_turn_hooks;
  impl_->hooks[id] = {};
  impl_->free_hooks.push_back(id);
}

void Loop::request_hook(HookId id) {
  if (std::exchange(impl_->hooks[id].requested, true)) return;
  impl_->requested_hooks.push_back(id);
  request_turn();
}

void Loop::request_turn() {
  if (std::exchange(impl_->turn_requested, true) || impl_->in_turn) return;
  wake();
}

BufferPool& Loop::buffers() { return impl_->pool; }

Bytes Loop::scratch() { return {impl_->scratch.get(), kScratchSize}; }

void Loop::resolve(const std::string& host, ResolveHandler handler) {
  ++impl_->resolving;
  auto shared = std::make_shared<ResolveHandler>(std::move(handler));
  impl_->resolver.async_resolve(
      host, "", [this, shared](const boost::system::error_code& error, const udp::resolver::results_type& results) {
        --impl_->resolving;
        if (error) return (*shared)(fail(IoError::HostNotFound));
        std::vector<net::IpAddress> addresses;
        for (const auto& entry : results) addresses.push_back(from_asio(entry.endpoint().address()));
        (*shared)(std::move(addresses));
      });
}

boost::asio::io_context& LoopAccess::context(Loop& loop) { return loop.impl_->context; }
boost::asio::io_context& asio_context(Loop& loop) { return LoopAccess::context(loop); }

Bytes LoopAccess::receive_memory(Loop& loop) {
  constexpr size_t kSize = kReadsPerBatch * kReadSize;
  auto& memory = loop.impl_->receive_memory;
  if (memory == nullptr) memory = std::make_unique_for_overwrite<uint8_t[]>(kSize);
  return {memory.get(), kSize};
}

std::vector<net::Datagram>& LoopAccess::datagrams(Loop& loop) { return loop.impl_->datagrams; }
std::shared_ptr<void>& LoopAccess::udp_messages(Loop& loop) { return loop.impl_->udp_messages; }
std::weak_ptr<Mdns>& LoopAccess::mdns(Loop& loop) { return loop.impl_->mdns; }
std::shared_ptr<NetworkMonitor>& LoopAccess::network_monitor(Loop& loop) { return loop.impl_->network_monitor; }

void LoopAccess::watch(Loop& loop, int fd) { loop.impl_->shadow.watch(fd); }
void LoopAccess::watch_readable(Loop& loop, int fd, bool on) { loop.impl_->shadow.watch_readable(fd, on); }
void LoopAccess::watch_writable(Loop& loop, int fd, bool on) { loop.impl_->shadow.watch_writable(fd, on); }
void LoopAccess::unwatch(Loop& loop, int fd) { loop.impl_->shadow.unwatch(fd); }

}  // namespace kaon::io
