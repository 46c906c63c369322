// A descriptor that is readable when any of a set is: what a stepped loop shows to its caller's event loop.
#pragma once

#include <vector>

namespace kaon::io {

/// Asio does not give out its own; so the sockets are watched a second time, by a descriptor of ours that nobody waits
/// on but the caller. Costs nothing until fd() is called. Where there is no epoll, fd() is -1 and the rest does
/// nothing.
class ShadowPoll {
 public:
  ShadowPoll() = default;
  ~ShadowPoll();
  ShadowPoll(const ShadowPoll&) = delete;
  ShadowPoll& operator=(const ShadowPoll&) = delete;

  int fd();
  void watch(int fd);
  void watch_writable(int fd, bool on);
  void unwatch(int fd);
  /// Makes fd() readable until clear(). wake() may be called from any thread once fd() has been.
  void wake();
  void clear();

 private:
  struct Watched {
    int fd;
    bool writable;
  };
  void update(int operation, const Watched& watched);

  int epoll_ = -1;
  int event_ = -1;
  std::vector<Watched> watched_;
};

}  // namespace kaon::io
