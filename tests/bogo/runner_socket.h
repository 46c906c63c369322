// The runner's side of the shim: a TCP connection that carries packets and orders about time.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/time.h"

namespace kaon::bogo {

struct Packet {
  std::vector<uint8_t> bytes;
};
/// So much time passes; to be acknowledged at once.
struct TimePasses {
  Duration by{};
};
struct NewMtu {
  size_t mtu = 0;
};
/// How far away the next timeout must be; kNoTimeout: there must be none.
struct ExpectTimeout {
  static constexpr uint64_t kNoTimeout = UINT64_MAX;
  uint64_t nanoseconds = 0;
};
struct NewInitialTimeout {
  Duration timeout{};
};
struct End {};
using Order = std::variant<End, Packet, TimePasses, NewMtu, ExpectTimeout, NewInitialTimeout>;

/// Blocking; ends the program if the runner is not there.
class RunnerSocket {
 public:
  RunnerSocket(bool ipv6, uint16_t port, uint64_t shim_id);
  ~RunnerSocket();
  RunnerSocket(const RunnerSocket&) = delete;
  RunnerSocket& operator=(const RunnerSocket&) = delete;

  Order read();
  void write_packet(ByteView packet);
  void acknowledge_time();
  /// Says that nothing more comes, and reads until the runner has said so too.
  void finish();

 private:
  bool read_all(Bytes out);
  uint64_t read_number(size_t size);
  void write_all(ByteView bytes);

  int fd_;
  bool ended_ = false;
};

}  // namespace kaon::bogo
