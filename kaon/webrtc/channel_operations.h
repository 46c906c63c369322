// What co_await sees of a data channel. An operation lives in the frame of the coroutine that awaits it, which is all
// the memory it needs; who destroys the coroutine ends the waiting.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>

#include "kaon/base/result.h"
#include "kaon/datachannel/channels.h"

namespace kaon::webrtc {

class DataChannel;
class DetachedChannel;

namespace internal {

/// A coroutine in the list of those that wait for the same.
class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { leave(); }

 protected:
  std::coroutine_handle<> coroutine_;

 private:
  friend class WaiterList;
  void leave() {
    if (next_ == nullptr) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
};

/// First come, first served.
class WaiterList {
 public:
  WaiterList() { end_.next_ = end_.previous_ = &end_; }
  bool empty() const { return end_.next_ == &end_; }
  Waiter& front() { return *end_.next_; }
  void push_back(Waiter& waiter) {
    waiter.next_ = &end_;
    waiter.previous_ = end_.previous_;
    end_.previous_->next_ = &waiter;
    end_.previous_ = &waiter;
  }
  void take_all(WaiterList& other) {
    while (!other.empty()) {
      Waiter& first = other.front();
      first.leave();
      push_back(first);
    }
  }
  /// No longer in the list. What resume() runs may destroy anything, this list too.
  std::coroutine_handle<> pop_front() {
    Waiter& first = front();
    first.leave();
    return first.coroutine_;
  }
  void resume_all() {
    while (!empty()) pop_front().resume();
  }

 private:
  Waiter end_;
};

}  // namespace internal

/// Of DataChannel::async_send() and DetachedChannel::write(). Await it at once, and once.
class [[nodiscard]] SendOperation : public internal::Waiter {
 public:
  /// For `co_await`, as the next two.
  bool await_ready();
  /// Until the loop has what was waited for.
  void await_suspend(std::coroutine_handle<> coroutine);
  /// What `co_await` gives.
  Result<void, datachannel::SendError> await_resume() const { return result_; }

 private:
  friend class DataChannel;
  SendOperation(std::shared_ptr<DataChannel> channel, ByteView bytes, bool binary)
      : channel_(std::move(channel)), bytes_(bytes), binary_(binary) {}
  /// False: to be tried again.
  bool attempt();

  std::shared_ptr<DataChannel> channel_;
  ByteView bytes_;
  bool binary_;
  Result<void, datachannel::SendError> result_ = fail(datachannel::SendError::NotOpen);  // if waiting is in vain
};

/// What DetachedChannel::read() found.
struct ReadResult {
  /// Bytes written, from the front; 0 for an empty message.
  size_t size = 0;
  /// Of the message that they belong to; text otherwise.
  bool binary = false;
  /// The message ends here; otherwise the next read() goes on with it.
  bool end_of_message = false;
};

/// Of DetachedChannel::read(). Await it at once, and once.
class [[nodiscard]] ReadOperation : public internal::Waiter {
 public:
  /// For `co_await`, as the next two.
  bool await_ready();
  /// Until the loop has what was waited for.
  void await_suspend(std::coroutine_handle<> coroutine);
  /// What `co_await` gives.
  std::optional<ReadResult> await_resume() const { return result_; }

 private:
  friend class DataChannel;
  friend class DetachedChannel;
  ReadOperation(std::shared_ptr<DataChannel> channel, Bytes into) : channel_(std::move(channel)), into_(into) {}

  std::shared_ptr<DataChannel> channel_;
  Bytes into_;
  std::optional<ReadResult> result_;  // nothing if waiting is in vain
};

}  // namespace kaon::webrtc
