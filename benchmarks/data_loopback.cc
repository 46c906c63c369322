// One data channel between two processes over loopback: rate, and processor time per side.
//   data_loopback [--message BYTES] [--packet BYTES] [--seconds N] [--echo] [--unordered]
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kaon/webrtc/peer_connection.h"

using namespace kaon;
using namespace kaon::webrtc;

namespace {

struct Options {
  size_t message = 65536;
  size_t packet = sctp::kMaxPacketSize;  // SCTP packets are not larger
  double seconds = 8;
  bool echo = false;
  bool unordered = false;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double clock_seconds() { return std::chrono::duration<double>(io::Loop::now().time_since_epoch()).count(); }

void write_text(int fd, const std::string& text) {
  const uint32_t size = static_cast<uint32_t>(text.size());
  if (write(fd, &size, sizeof size) != sizeof size || write(fd, text.data(), size) != size) std::exit(1);
}

std::string read_text(int fd) {
  uint32_t size = 0;
  if (recv(fd, &size, sizeof size, MSG_WAITALL) != sizeof size) std::exit(1);
  std::string text(size, '\0');
  if (recv(fd, text.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) std::exit(1);
  return text;
}

// Counts from the first message on.
struct Meter {
  uint64_t bytes = 0;
  double start = 0;
  double cpu = 0;
  void count(size_t size) {
    if (bytes == 0) start = clock_seconds(), cpu = cpu_seconds();
    bytes += size;
  }
  void print(const char* name) const {
    const double took = clock_seconds() - start;
    const double gigabytes = static_cast<double>(bytes) / 1e9;
    std::printf("%-9s %8.0f Mbit/s  %6.2f CPU-s/GB  %4.0f %% of a core\n", name, 8e3 * gigabytes / took,
                (cpu_seconds() - cpu) / gigabytes, 100 * (cpu_seconds() - cpu) / took);
    std::fflush(stdout);
  }
};

Configuration configuration(const Options& options) {
  Configuration configuration{.loopback = true};
  configuration.data.sctp.max_probed_packet_size = options.packet;
  return configuration;
}

void receive(int signalling, const Options& options) {
  io::Loop loop;
  Meter meter;
  std::shared_ptr<DataChannel> kept;
  const auto on_channel = [&](const std::shared_ptr<DataChannel>& channel) {
    kept = channel;
    channel->set_handlers({.on_message =
                               [&](const Message& message) {
                                 meter.count(message.data.size());
                                 if (options.echo) static_cast<void>(kept->send(message.data));
                               },
                           .on_close = [&](ChannelError) { loop.stop(); }});
  };
  PeerConnection connection(loop, configuration(options), {.on_data_channel = on_channel});
  connection.set_remote_description({SdpType::Offer, read_text(signalling)}).value();
  write_text(signalling, connection.set_local_description().value().sdp);
  loop.run();
  meter.print("receiver");
}

void send(int signalling, const Options& options) {
  io::Loop loop;
  Meter meter;
  size_t echoed = 0;
  const std::vector<uint8_t> message(options.message, 7);
  const size_t high = std::max<size_t>(1 << 20, 4 * options.message);
  std::shared_ptr<DataChannel> channel;
  const auto fill = [&] {
    if (meter.bytes != 0 && clock_seconds() - meter.start > options.seconds) {
      if (channel->state() != ChannelState::Open) return;
      meter.print("sender");
      return channel->close();
    }
    while (channel->buffered_amount() < high && channel->send(ByteView(message))) meter.count(message.size());
  };
  PeerConnection connection(loop, configuration(options));
  channel = connection
                .create_data_channel("bulk", {.ordered = !options.unordered},
                                     {.on_open =
                                          [&] {
                                            channel->set_buffered_amount_low_threshold(high / 2);
                                            fill();
                                          },
                                      .on_message = [&](const Message& m) { echoed += m.data.size(); },
                                      .on_buffered_amount_low = fill,
                                      .on_writable = fill,
                                      .on_close = [&](ChannelError) { loop.stop(); }})
                .value();
  write_text(signalling, connection.set_local_description().value().sdp);
  connection.set_remote_description({SdpType::Answer, read_text(signalling)}).value();
  loop.run();
  if (options.echo) std::printf("echoed    %8.1f MB\n", static_cast<double>(echoed) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--echo") {
      options.echo = true;
    } else if (name == "--unordered") {
      options.unordered = true;
    } else if (name == "--message" && i + 1 < argc) {
      options.message = std::strtoull(argv[++i], nullptr, 10);
    } else if (name == "--packet" && i + 1 < argc) {
      options.packet = std::strtoull(argv[++i], nullptr, 10);
    } else if (name == "--seconds" && i + 1 < argc) {
      options.seconds = std::strtod(argv[++i], nullptr);
    } else {
      std::fprintf(stderr,
                   "usage: data_loopback [--message BYTES] [--packet BYTES] [--seconds N] [--echo] [--unordered]\n");
      return 2;
    }
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 1;
  const pid_t child = fork();
  if (child == 0) {
    receive(ends[0], options);
    return 0;
  }
  send(ends[1], options);
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}
