#include "runner_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace kaon::bogo {

namespace {

int connect_to(bool ipv6, uint16_t port) {
  const int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  v4.sin_port = htons(port);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  v6.sin6_port = htons(port);
  const int done = ipv6 ? connect(fd, reinterpret_cast<const sockaddr*>(&v6), sizeof v6)
                        : connect(fd, reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (done == 0) return fd;
  std::perror("connect");
  std::exit(1);
}

}  // namespace

RunnerSocket::RunnerSocket(bool ipv6, uint16_t port, uint64_t shim_id) : fd_(connect_to(ipv6, port)) {
  std::array<uint8_t, 8> id;
  for (size_t i = 0; i < id.size(); ++i) id[i] = static_cast<uint8_t>(shim_id >> (8 * i));
  write_all(id);
}

RunnerSocket::~RunnerSocket() { close(fd_); }

bool RunnerSocket::read_all(Bytes out) {
  while (!out.empty()) {
    const ssize_t size = ended_ ? 0 : recv(fd_, out.data(), out.size(), 0);
    if (size <= 0) {
      ended_ = true;
      return false;
    }
    out = out.subspan(static_cast<size_t>(size));
  }
  return true;
}

uint64_t RunnerSocket::read_number(size_t size) {
  std::array<uint8_t, 8> bytes{};
  if (!read_all(Bytes(bytes).last(size))) return 0;
  return load_be64(bytes.data());
}

void RunnerSocket::write_all(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t size = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size <= 0) return;  // The runner is gone: the next read() says so.
    bytes = bytes.subspan(static_cast<size_t>(size));
  }
}

Order RunnerSocket::read() {
  std::array<uint8_t, 1> opcode;
  if (!read_all(opcode)) return End{};
  Order order = End{};
  switch (opcode[0]) {
    case 'P': {
      Packet packet{std::vector<uint8_t>(read_number(4))};
      if (read_all(packet.bytes)) order = std::move(packet);
      break;
    }
    case 'T': order = TimePasses{std::chrono::nanoseconds(read_number(8))}; break;
    case 'M': order = NewMtu{read_number(4)}; break;
    case 'E': order = ExpectTimeout{read_number(8)}; break;
    case 'U': order = NewInitialTimeout{std::chrono::milliseconds(read_number(4))}; break;
    default: std::fprintf(stderr, "unknown opcode %u\n", opcode[0]);
  }
  return ended_ ? Order(End{}) : order;
}

void RunnerSocket::write_packet(ByteView packet) {
  std::vector<uint8_t> framed(5 + packet.size());
  framed[0] = 'P';
  store_be32(&framed[1], static_cast<uint32_t>(packet.size()));
  std::copy(packet.begin(), packet.end(), framed.begin() + 5);
  write_all(framed);
}

void RunnerSocket::acknowledge_time() { write_all(std::array<uint8_t, 1>{'t'}); }

void RunnerSocket::finish() {
  shutdown(fd_, SHUT_WR);
  std::array<uint8_t, 4096> rest;
  while (!ended_ && recv(fd_, rest.data(), rest.size(), 0) > 0) {
  }
}

}  // namespace kaon::bogo
