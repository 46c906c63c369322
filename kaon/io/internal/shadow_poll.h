// A descriptor that is readable when any of a set is: what a stepped loop shows to its caller's event loop.
#pragma once

#include <cstdint>
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
  /// For reading.
  void watch(int fd);
  /// Of one that is watched. Not for reading: while nobody reads from it.
  void watch_readable(int fd, bool on) { change(fd, kReadable, on); }
  void watch_writable(int fd, bool on) { change(fd, kWritable, on); }
  void unwatch(int fd);
  /// Makes fd() readable until clear(). wake() may be called from any thread once fd() has been.
  void wake();
  void clear();

 private:
  static constexpr uint8_t kWatched = 1;
  static constexpr uint8_t kReadable = 2;
  static constexpr uint8_t kWritable = 4;
  void change(int fd, uint8_t what, bool on);
  void update(int operation, int fd, uint8_t watch);

  int epoll_ = -1;
  int event_ = -1;
  std::vector<uint8_t> watched_;  // by descriptor, for a server watches as many as it has clients
};

}  // namespace kaon::io
