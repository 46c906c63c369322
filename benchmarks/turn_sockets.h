// UDP sockets of the programs around the TURN and ICE benches.
#pragma once

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kaon/net/address.h"

namespace kaon::bench {

[[noreturn]] inline void give_up(const char* what) {
  std::fprintf(stderr, "load: %s\n", what);
  std::exit(1);
}

inline sockaddr_in to_sockaddr(const net::Endpoint& endpoint) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(endpoint.port);
  std::memcpy(&out.sin_addr, endpoint.ip.bytes().data(), 4);
  return out;
}

/// On a free port, or the one that is given; reads may hold runs of datagrams.
inline int open_socket(const net::IpAddress& ip, uint16_t port = 0) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in local = to_sockaddr({ip, port});
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) give_up("no socket");
  const int size = 4 << 20;
  (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  // Else the sender, which is the server, would be billed for taking runs apart again.
  const int on = 1;
  (void)::setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
  return fd;
}

inline net::Endpoint to_endpoint(const sockaddr_in& address) {
  return {net::IpAddress::v4(ntohl(address.sin_addr.s_addr)), ntohs(address.sin_port)};
}

inline net::Endpoint address_of(int fd) {
  sockaddr_in local{};
  socklen_t size = sizeof local;
  (void)::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size);
  return to_endpoint(local);
}

/// Names the size of the datagrams that a send of several is cut into; `control` holds kSegmentControl bytes.
inline constexpr size_t kSegmentControl = CMSG_SPACE(sizeof(uint16_t));
inline void set_segment(msghdr& message, char* control, size_t segment) {
  message.msg_control = control;
  message.msg_controllen = kSegmentControl;
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_UDP;
  head->cmsg_type = UDP_SEGMENT;
  head->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  const auto size = static_cast<uint16_t>(segment);
  std::memcpy(CMSG_DATA(head), &size, sizeof size);
}

}  // namespace kaon::bench
