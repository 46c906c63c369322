// For the tests of this module: stepping loops without sleeping blindly.
#pragma once

#include <poll.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "kaon/io/loop.h"
#include "kaon/io/udp.h"

namespace kaon::io {

/// Steps the loops as an event loop of a user would, by their descriptors and deadlines, until `done()`; false after 10
/// s.
template <class Done>
bool step_until(std::initializer_list<Loop*> loops, Done done) {
  const Time limit = Loop::now() + std::chrono::seconds(10);
  while (!done()) {
    if (Loop::now() > limit) return false;
    std::vector<pollfd> fds;
    Time next = limit;
    for (Loop* loop : loops) {
      fds.push_back({loop->poll_fd(), POLLIN, 0});
      next = std::min(next, loop->next_timeout());
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max(next - Loop::now(), Duration::zero()));
    ::poll(fds.data(), fds.size(), static_cast<int>(wait.count()));
    for (Loop* loop : loops) loop->step();
  }
  return true;
}

/// Keeps what arrives.
class Collector : public UdpHandler {
 public:
  void receive(std::span<const net::Datagram> batch, Time) override {
    for (const net::Datagram& datagram : batch) {
      datagrams.push_back(datagram);
      texts.emplace_back(as_text(datagram.bytes));
      bytes += datagram.bytes.size();
    }
  }
  void writable() override { ++writable_calls; }

  std::vector<net::Datagram> datagrams;  // their bytes are gone
  std::vector<std::string> texts;
  size_t bytes = 0;
  int writable_calls = 0;
};

inline net::Endpoint endpoint(std::string_view text) { return *net::Endpoint::parse(text); }

inline net::Transmit transmit_to(const net::Endpoint& remote, size_t size, size_t segment_size = 0) {
  net::Transmit transmit;
  transmit.remote = remote;
  transmit.size = size;
  transmit.segment_size = segment_size;
  return transmit;
}

}  // namespace kaon::io
