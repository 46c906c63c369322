#include "apps/kaon/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace kaon::apps {

StopSignal::StopSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  descriptor_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  std::signal(SIGPIPE, SIG_IGN);
}

StopSignal::~StopSignal() { close(descriptor_); }

bool StopSignal::wait(int milliseconds) {
  pollfd entry{descriptor_, POLLIN, 0};
  if (!stopped_ && poll(&entry, 1, milliseconds) == 1) stopped_ = true;
  return stopped_;
}

void StopSignal::reset() {
  signalfd_siginfo taken{};
  while (read(descriptor_, &taken, sizeof taken) > 0) continue;
  stopped_ = false;
}

}  // namespace kaon::apps
