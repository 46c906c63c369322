// Two or more connections on loops with threads of their own, and waiting for what they do.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kaon/container/ivf.h"
#include "kaon/webrtc/peer_connection.h"
#include "kaon_testdata.h"

namespace kaon::webrtc {

/// Above the 30 s that consent needs to notice a peer whose goodbye was lost (RFC 7675 §5.1).
inline constexpr auto kTestLimit = std::chrono::seconds(60);

/// A condition that loops make true and the test waits for.
template <class T>
class Watched {
 public:
  template <class Change>
  void change(Change change) {
    {
      const std::lock_guard lock(mutex_);
      change(value_);
    }
    changed_.notify_all();
  }
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kTestLimit, [&] { return condition(value_); });
  }
  T get() {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  T value_{};
};

/// A connection on its loop, made and destroyed there.
struct Side {
  io::Loop& loop;
  std::unique_ptr<PeerConnection> connection;

  Side(io::Loop& on, PeerConnectionHandlers handlers, Configuration configuration = {}) : loop(on) {
    loop.invoke(
        [&] { connection = std::make_unique<PeerConnection>(loop, std::move(configuration), std::move(handlers)); });
  }
  ~Side() {
    loop.invoke([this] { connection.reset(); });
  }
  template <class Work>
  void on_loop(Work work) {
    loop.invoke([&] { work(*connection); });
  }
};

/// Offer and answer, each on its own loop.
inline void negotiate(Side& offerer, Side& answerer) {
  SessionDescription description;
  const auto set_local = [&](PeerConnection& connection) {
    auto made = connection.set_local_description();
    ASSERT_TRUE(made) << peer::to_string(made.error());
    description = std::move(*made);
  };
  const auto set_remote = [&](PeerConnection& connection) {
    const auto set = connection.set_remote_description(description);
    ASSERT_TRUE(set) << to_string(set.error());
  };
  offerer.on_loop(set_local);
  answerer.on_loop(set_remote);
  answerer.on_loop(set_local);
  offerer.on_loop(set_remote);
}

/// The frames of testdata/media/vp8.ivf.
inline std::vector<std::vector<uint8_t>> vp8_frames() {
  std::ifstream file(std::string(KAON_TESTDATA) + "/media/vp8.ivf", std::ios::binary);
  const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  container::IvfReader reader;
  reader.feed(bytes);
  reader.finish();
  std::vector<std::vector<uint8_t>> frames;
  while (auto frame = reader.next()) {
    if (!*frame) break;
    frames.emplace_back((*frame)->data.begin(), (*frame)->data.end());
  }
  EXPECT_FALSE(frames.empty());
  return frames;
}

}  // namespace kaon::webrtc
