// Load for a TURN server: clients with a channel each, and one peer that they all talk to, both ways.
//   turn_load SERVER CLIENTS SECONDS BURST channels|indications
// Each client sends and gets 270 packets of 1,200 bytes a second, BURST at a time (as one UDP_SEGMENT send). Says
// "ready" once all have their channel, begins at a line on standard input, and ends with a line of JSON.
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "kaon/base/assert.h"
#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"
#include "kaon/stun/message.h"
#include "kaon/turn/wire.h"

namespace {

using namespace kaon;
using stun::Attribute;
using SteadyClock = std::chrono::steady_clock;

constexpr size_t kPayload = 1200;
constexpr int kPacketsPerSecond = 270;
constexpr uint16_t kChannel = 0x4001;

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "turn_load: %s\n", what);
  std::exit(1);
}

sockaddr_in to_sockaddr(const net::Endpoint& endpoint) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(endpoint.port);
  std::memcpy(&out.sin_addr, endpoint.ip.bytes().data(), 4);
  return out;
}

int open_socket(const net::IpAddress& ip) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in local = to_sockaddr({ip, 0});
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) give_up("no socket");
  const int size = 4 << 20;
  (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  // Else the sender, which is the server, would be billed for taking runs apart again.
  const int on = 1;
  (void)::setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
  return fd;
}

net::Endpoint address_of(int fd) {
  sockaddr_in local{};
  socklen_t size = sizeof local;
  (void)::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size);
  return {net::IpAddress::v4(ntohl(local.sin_addr.s_addr)), ntohs(local.sin_port)};
}

void send_burst(int fd, const net::Endpoint& to, ByteView bytes, size_t segment) {
  sockaddr_in remote = to_sockaddr(to);
  iovec part{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {};
  msghdr message{};
  message.msg_name = &remote;
  message.msg_namelen = sizeof remote;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (bytes.size() > segment) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_UDP;
    head->cmsg_type = UDP_SEGMENT;
    head->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const auto size = static_cast<uint16_t>(segment);
    std::memcpy(CMSG_DATA(head), &size, sizeof size);
  }
  (void)::sendmsg(fd, &message, MSG_DONTWAIT);
}

/// Datagrams of this size waiting on the socket, read and counted; a read may hold a run of them.
uint64_t drain(int fd, size_t datagram) {
  constexpr size_t kReads = 16;
  constexpr size_t kReadSize = 65536;
  static std::vector<uint8_t> memory(kReads * kReadSize);
  mmsghdr messages[kReads] = {};
  iovec parts[kReads];
  for (size_t i = 0; i < kReads; ++i) {
    parts[i] = {&memory[i * kReadSize], kReadSize};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  uint64_t total = 0;
  while (true) {
    const int count = ::recvmmsg(fd, messages, kReads, MSG_DONTWAIT, nullptr);
    if (count <= 0) return total;
    for (int i = 0; i < count; ++i) total += messages[i].msg_len / datagram;
  }
}

class Client {
 public:
  Client(const net::Endpoint& server, const net::Endpoint& peer, bool channels, size_t burst)
      : server_(server), fd_(open_socket(server.ip)) {
    allocate();
    permit(peer, channels);
    std::vector<uint8_t> packet(2048);
    if (channels) {
      turn::write_channel_header(packet.data(), kChannel, kPayload);
      packet.resize(turn::kChannelHeader + kPayload);
    } else {
      stun::Builder builder(packet, stun::Method::Send, stun::Class::Indication, {});
      builder.add_xor_address(Attribute::XorPeerAddress, peer).add(Attribute::Data, std::vector<uint8_t>(kPayload));
      packet.resize(builder.finish().size());
    }
    segment_ = packet.size();
    for (size_t i = 0; i < burst; ++i) burst_.insert(burst_.end(), packet.begin(), packet.end());
  }

  void send() const { send_burst(fd_, server_, burst_, segment_); }
  int fd() const { return fd_; }
  /// Bytes of one packet, both ways.
  size_t segment() const { return segment_; }
  const net::Endpoint& relayed() const { return relayed_; }

 private:
  template <class Fill>
  std::vector<uint8_t> ask(stun::Method method, Fill fill) {
    std::vector<uint8_t> memory(1024);
    crypto::SystemRandom random;
    stun::Builder builder(memory, method, stun::Class::Request, stun::TransactionId::random(random));
    fill(builder);
    if (!nonce_.empty()) {
      builder.add_text(Attribute::Username, "u").add_text(Attribute::Realm, realm_).add_text(Attribute::Nonce, nonce_);
      const auto key = stun::long_term_key("u", realm_, "p");
      builder.add_integrity(crypto::Hmac(crypto::HashAlgorithm::Sha1, key.view()));
    }
    const ByteView request = builder.finish();
    for (int attempt = 0; attempt < 5; ++attempt) {
      send_burst(fd_, server_, request, request.size());
      pollfd entry{fd_, POLLIN, 0};
      if (::poll(&entry, 1, 1000) != 1) continue;
      std::vector<uint8_t> answer(2048);
      const ssize_t size = ::recv(fd_, answer.data(), answer.size(), 0);
      answer.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
      if (stun::Message::parse(answer)) return answer;
    }
    give_up("no answer");
  }

  void allocate() {
    const auto udp = [](auto& b) {
      b.add_u32(Attribute::RequestedTransport, turn::requested_transport(turn::kTransportUdp));
    };
    const auto challenge = ask(stun::Method::Allocate, udp);
    const auto message = stun::Message::parse(challenge);
    realm_ = message->text(Attribute::Realm).value_or("");
    nonce_ = message->text(Attribute::Nonce).value_or("");
    const auto answer = ask(stun::Method::Allocate, udp);
    relayed_ = stun::Message::parse(answer)->xor_address(Attribute::XorRelayedAddress).value_or(net::Endpoint{});
    if (relayed_.port == 0) give_up("no relay");
  }

  void permit(const net::Endpoint& peer, bool channels) {
    const auto method = channels ? stun::Method::ChannelBind : stun::Method::CreatePermission;
    const auto answer = ask(method, [&](auto& b) {
      if (channels) b.add_u32(Attribute::ChannelNumber, uint32_t{kChannel} << 16);
      b.add_xor_address(Attribute::XorPeerAddress, peer);
    });
    if (stun::Message::parse(answer)->error_code()) give_up("no permission");
  }

  net::Endpoint server_;
  int fd_;
  std::string realm_;
  std::string nonce_;
  net::Endpoint relayed_;
  std::vector<uint8_t> burst_;
  size_t segment_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) give_up("SERVER CLIENTS SECONDS BURST channels|indications");
  const auto server = net::Endpoint::parse(argv[1]);
  const auto count = parse_number<size_t>(argv[2]);
  const auto seconds = parse_number<int>(argv[3]);
  const auto burst = parse_number<size_t>(argv[4]);
  if (!server || !count || !seconds || !burst || *burst == 0) give_up("a wrong argument");
  const int peer = open_socket(server->ip);
  std::vector<Client> clients;
  clients.reserve(*count);
  for (size_t i = 0; i < *count; ++i) {
    clients.emplace_back(*server, address_of(peer), std::string_view(argv[5]) == "channels", *burst);
  }
  std::printf("ready\n");
  std::fflush(stdout);
  (void)std::getchar();

  const std::vector<uint8_t> payload(*burst * kPayload);
  const auto interval = std::chrono::nanoseconds(1'000'000'000LL * static_cast<int64_t>(*burst) / kPacketsPerSecond);
  const auto step = interval / static_cast<int64_t>(*count);
  const auto begin = SteadyClock::now();
  uint64_t turns = 0;
  uint64_t received = 0;
  const auto collect = [&] {
    received += drain(peer, kPayload);
    for (const Client& client : clients) received += drain(client.fd(), client.segment());
  };
  // One client after the other, evenly over the interval.
  for (auto due = begin; due < begin + std::chrono::seconds(*seconds); due += step, ++turns) {
    std::this_thread::sleep_until(due);
    const Client& client = clients[turns % clients.size()];
    client.send();
    send_burst(peer, client.relayed(), payload, kPayload);
    if (turns % 16 == 0) collect();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  collect();
  std::printf("{\"sent\": %llu, \"received\": %llu}\n", static_cast<unsigned long long>(2 * turns * *burst),
              static_cast<unsigned long long>(received));
  return 0;
}
