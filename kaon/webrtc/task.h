// The least that a coroutine needs as its type.
#pragma once

#include <coroutine>
#include <exception>
#include <utility>

namespace kaon::webrtc {

/// A coroutine that begins when it is called and runs on the loop: to be kept while it may go on. Destroying the Task
/// ends it where it waits. Another coroutine may `co_await` its end. An exception that leaves it ends the program. Any
/// other coroutine type that can await will do as well.
class [[nodiscard]] Task {
 public:
  /// What the compiler asks of a coroutine type.
  struct promise_type {
    /// Goes on at the end.
    std::coroutine_handle<> waiting = std::noop_coroutine();

    /// What the caller gets.
    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    /// At once.
    std::suspend_never initial_suspend() noexcept { return {}; }
    /// The frame stays until the Task is destroyed.
    auto final_suspend() noexcept {
      struct Resume {
        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> ended) noexcept {
          return ended.promise().waiting;
        }
        void await_resume() noexcept {}
      };
      return Resume{};
    }
    /// There is no result.
    void return_void() {}
    /// Nobody is there to catch it.
    void unhandled_exception() { std::terminate(); }
  };

  /// Of no coroutine.
  Task() = default;
  /// Leaves `other` empty.
  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  /// Swaps: the former coroutine ends with `other`.
  Task& operator=(Task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  /// Ends the coroutine where it waits.
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  /// It has come to its end.
  bool done() const { return !coroutine_ || coroutine_.done(); }

  /// For `co_await`, as the next two.
  bool await_ready() const { return done(); }
  /// Until it has ended.
  void await_suspend(std::coroutine_handle<> waiting) { coroutine_.promise().waiting = waiting; }
  /// There is no result.
  void await_resume() const {}

 private:
  explicit Task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
  std::coroutine_handle<promise_type> coroutine_;
};

}  // namespace kaon::webrtc
