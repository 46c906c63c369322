#include "kaon/io/internal/shadow_poll.h"

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace kaon::io {

ShadowPoll::~ShadowPoll() {
  if (epoll_ >= 0) ::close(epoll_);
  if (event_ >= 0) ::close(event_);
}

void ShadowPoll::update(int operation, int fd, uint8_t watch) {
  if (epoll_ < 0) return;
  epoll_event event{};
  event.events = ((watch & kReadable) != 0 ? EPOLLIN : 0u) | ((watch & kWritable) != 0 ? EPOLLOUT : 0u);
  event.data.fd = fd;
  ::epoll_ctl(epoll_, operation, fd, &event);
}

int ShadowPoll::fd() {
  if (epoll_ >= 0) return epoll_;
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  event_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  update(EPOLL_CTL_ADD, event_, kReadable);
  for (size_t fd = 0; fd < watched_.size(); ++fd) {
    if (watched_[fd] != 0) update(EPOLL_CTL_ADD, static_cast<int>(fd), watched_[fd]);
  }
  wake();  // what was posted before anybody could see it
  return epoll_;
}

void ShadowPoll::watch(int fd) {
  const auto place = static_cast<size_t>(fd);
  if (place >= watched_.size()) watched_.resize(place + 1);
  watched_[place] = kWatched | kReadable;
  update(EPOLL_CTL_ADD, fd, watched_[place]);
}

void ShadowPoll::change(int fd, uint8_t what, bool on) {
  const auto place = static_cast<size_t>(fd);
  if (place >= watched_.size() || watched_[place] == 0 || ((watched_[place] & what) != 0) == on) return;
  watched_[place] ^= what;
  update(EPOLL_CTL_MOD, fd, watched_[place]);
}

void ShadowPoll::unwatch(int fd) {
  const auto place = static_cast<size_t>(fd);
  if (place >= watched_.size()) return;
  watched_[place] = 0;
  update(EPOLL_CTL_DEL, fd, 0);
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
void ShadowPoll::change(int, uint8_t, bool) {}
void ShadowPoll::unwatch(int) {}
void ShadowPoll::wake() {}
void ShadowPoll::clear() {}
void ShadowPoll::update(int, const Watched&) {}

}  // namespace kaon::io

#endif
