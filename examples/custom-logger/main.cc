// Where the library's log lines go is the program's choice: here to standard output, with the time since the start.
#include <cstdio>
#include <iostream>
#include <mutex>

#include "kaon/webrtc/peer_connection.h"

using namespace kaon::webrtc;

class MyLogger : public kaon::Logger {
 public:
  MyLogger() { set_level(kaon::LogLevel::Debug); }

  // Called from every loop that logs, so it must be safe for that. Lines below the level are not even made.
  void write(kaon::LogLevel level, std::string_view module, std::string_view line) override {
    static constexpr const char* kNames[] = {"trace", "debug", "info", "warning", "error"};
    const double seconds = std::chrono::duration<double>(kaon::io::Loop::now() - start_).count();
    const std::lock_guard lock(mutex_);
    std::printf("%8.3f %-7s %-6.*s %.*s\n", seconds, kNames[static_cast<size_t>(level)],
                static_cast<int>(module.size()), module.data(), static_cast<int>(line.size()), line.data());
  }

 private:
  const kaon::Time start_ = kaon::io::Loop::now();
  std::mutex mutex_;
};

int main() {
  MyLogger log;  // outlives the connections
  kaon::io::Loop loop;
  PeerConnection alice(loop, {.log = &log});
  PeerConnection bob(loop, {.log = &log}, {.on_data_channel = [&](const auto&) { loop.stop(); }});
  alice.create_data_channel("x").value();
  bob.set_remote_description(alice.set_local_description().value()).value();
  alice.set_remote_description(bob.set_local_description().value()).value();
  log.line(kaon::LogLevel::Info, "main", "a line of our own, about ", 2, " connections");
  loop.run();
}
