#include "kaon/io/internal/shadow_poll.h"

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace kaon::io {

ShadowPoll::~ShadowPoll() {
  if (epoll_ >= 0) ::close(epoll_);
  if (event_ >= 0) ::close(event_);
}

void ShadowPoll::update(int operation, const Watched& watched) {
  if (epoll_ < 0) return;
  epoll_event event{};
  event.events = EPOLLIN | (watched.writable ? EPOLLOUT : 0u);
  event.data.fd = watched.fd;
  ::epoll_ctl(epoll_, operation, watched.fd, &event);
}

int ShadowPoll::fd() {
  if (epoll_ >= 0) return epoll_;
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  event_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  update(EPOLL_CTL_ADD, {event_, false});
  for (const Watched& watched : watched_) update(EPOLL_CTL_ADD, watched);
  wake();  // what was posted before anybody could see it
  return epoll_;
}

void ShadowPoll::watch(int fd) {
  watched_.push_back({fd, false});
  update(EPOLL_CTL_ADD, watched_.back());
}

void ShadowPoll::watch_writable(int fd, bool on) {
  for (Watched& watched : watched_) {
    if (watched.fd != fd || watched.writable == on) continue;
    watched.writable = on;
    update(EPOLL_CTL_MOD, watched);
  }
}

void ShadowPoll::unwatch(int fd) {
  update(EPOLL_CTL_DEL, {fd, false});
  std::erase_if(watched_, [&](const Watched& watched) { return watched.fd == fd; });
}

void ShadowPoll::wake() {
  const uint64_t one = 1;
  if (event_ >= 0) (void)!::write(event_, &one, sizeof one);
}

void ShadowPoll::clear() {
  uint64_t count;
  if (event_ >= 0) (void)!::read(event_, &count, sizeof count);
}

}  // namespace kaon::io

#else

namespace kaon::io {

ShadowPoll::~ShadowPoll() = default;
int ShadowPoll::fd() { return -1; }
void ShadowPoll::watch(int) {}
void ShadowPoll::watch_writable(int, bool) {}
void ShadowPoll::unwatch(int) {}
void ShadowPoll::wake() {}
void ShadowPoll::clear() {}
void ShadowPoll::update(int, const Watched&) {}

}  // namespace kaon::io

#endif
