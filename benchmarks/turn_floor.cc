// What relaying costs at least on this machine: the system calls of a TURN server, in batches and runs, and nothing
// else.
//   turn_floor ADDR:PORT
// Everybody is let in, every client has one peer, the first it names; no timers, no permissions, no credentials.
#include <sys/epoll.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "benchmarks/turn_sockets.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/message.h"
#include "kaon/turn/wire.h"

namespace {

using namespace kaon;
using namespace kaon::bench;
using stun::Attribute;

constexpr size_t kBatch = 16;
constexpr size_t kReadSize = 65536;
constexpr size_t kMaxRun = 64;  // datagrams of a read
constexpr size_t kMaxHeader = 48;

struct Client {
  sockaddr_in address{};
  int relay = -1;
  sockaddr_in peer{};
  /// In front of each packet to the client, but for an indication's lengths, which are always the same here.
  std::vector<uint8_t> header;
  /// In front of each packet from the client.
  size_t strip = 0;
};

/// Datagrams that wait to be sent from one socket, in one system call.
class Batch {
 public:
  void add(const sockaddr_in& to, ByteView header, ByteView bytes, size_t strip, size_t segment) {
    const size_t i = count_++;
    to_[i] = to;
    msghdr& message = messages_[i].msg_hdr;
    message = {};
    message.msg_name = &to_[i];
    message.msg_namelen = sizeof to_[i];
    message.msg_iov = parts_[i];
    for (size_t at = 0; at + strip < bytes.size() && message.msg_iovlen + 2 <= 2 * kMaxRun; at += segment) {
      const size_t size = std::min(segment, bytes.size() - at);
      if (!header.empty()) parts_[i][message.msg_iovlen++] = {const_cast<uint8_t*>(header.data()), header.size()};
      parts_[i][message.msg_iovlen++] = {const_cast<uint8_t*>(&bytes[at + strip]), size - strip};
    }
    if (bytes.size() > segment) set_segment(message, control_[i], segment - strip + header.size());
  }
  void send(int fd) {
    if (count_ != 0) (void)::sendmmsg(fd, messages_, static_cast<unsigned>(count_), MSG_DONTWAIT);
    count_ = 0;
  }

 private:
  mmsghdr messages_[kBatch] = {};
  sockaddr_in to_[kBatch] = {};
  iovec parts_[kBatch][2 * kMaxRun] = {};
  alignas(cmsghdr) char control_[kBatch][kSegmentControl] = {};
  size_t count_ = 0;
};

class Floor {
 public:
  explicit Floor(const net::Endpoint& local) : ip_(local.ip), listener_(open_socket(local.ip, local.port)) {
    watch(listener_);
  }

  [[noreturn]] void run() {
    while (true) {
      epoll_event events[64];
      const int ready = ::epoll_wait(epoll_, events, 64, -1);
      for (int i = 0; i < ready; ++i) {
        if (events[i].data.fd == listener_) {
          from_clients();
        } else {
          from_peer(*by_relay_[events[i].data.fd]);
        }
      }
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    (void)::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  template <class Each>
  void read(int fd, Each each) {
    static std::vector<uint8_t> memory(kBatch * kReadSize);
    alignas(cmsghdr) static char control[kBatch][CMSG_SPACE(sizeof(int))];
    static sockaddr_in from[kBatch];
    mmsghdr messages[kBatch] = {};
    iovec parts[kBatch];
    for (size_t i = 0; i < kBatch; ++i) {
      parts[i] = {&memory[i * kReadSize], kReadSize};
      msghdr& message = messages[i].msg_hdr;
      message.msg_iov = &parts[i];
      message.msg_iovlen = 1;
      message.msg_name = &from[i];
      message.msg_namelen = sizeof from[i];
      message.msg_control = control[i];
      message.msg_controllen = sizeof control[i];
    }
    const int count = ::recvmmsg(fd, messages, kBatch, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(i);
      size_t segment = messages[at].msg_len;
      msghdr& message = messages[at].msg_hdr;
      for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_level != SOL_UDP || head->cmsg_type != UDP_GRO) continue;
        int size = 0;
        std::memcpy(&size, CMSG_DATA(head), sizeof size);
        segment = static_cast<size_t>(size);
      }
      if (segment > 0) each(from[at], Bytes(&memory[at * kReadSize], messages[at].msg_len), segment);
    }
  }

  void from_clients() {
    int fd = -1;
    read(listener_, [&](const sockaddr_in& from, Bytes bytes, size_t segment) {
      Client& client = client_of(from);
      const bool indication = bytes.size() > 1 && bytes[0] == 0 && bytes[1] == 0x16;
      if (bytes[0] < 4 && !indication) return answer(client, bytes);
      if (fd != client.relay) batch_.send(std::exchange(fd, client.relay));
      batch_.add(client.peer, {}, bytes, client.strip, segment);
    });
    batch_.send(fd);
  }

  void from_peer(Client& client) {
    read(client.relay, [&](const sockaddr_in&, Bytes bytes, size_t segment) {
      batch_.add(client.address, client.header, bytes, 0, segment);
    });
    batch_.send(listener_);
  }

  Client& client_of(const sockaddr_in& from) {
    const uint64_t key = uint64_t{from.sin_addr.s_addr} << 16 | from.sin_port;
    std::unique_ptr<Client>& client = clients_[key];
    if (client) return *client;
    client = std::make_unique<Client>();
    client->address = from;
    client->relay = open_socket(ip_);
    by_relay_[client->relay] = client.get();
    watch(client->relay);
    return *client;
  }

  // A success, whatever is asked.
  void answer(Client& client, ByteView request) {
    const auto message = stun::Message::parse(request);
    if (!message) return;
    if (const auto peer = message->xor_address(Attribute::XorPeerAddress)) {
      client.peer = to_sockaddr(*peer);
      set_headers(client, *message, *peer);
    }
    std::vector<uint8_t> memory(256);
    stun::Builder builder(memory, message->method(), stun::Class::Success, message->transaction_id());
    builder.add_xor_address(Attribute::XorRelayedAddress, address_of(client.relay));
    const ByteView bytes = builder.finish();
    (void)::sendto(listener_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&client.address),
                   sizeof client.address);
  }

  static void set_headers(Client& client, const stun::Message& asked, const net::Endpoint& peer) {
    if (const auto number = asked.u32(Attribute::ChannelNumber)) {
      client.header.resize(turn::kChannelHeader);
      turn::write_channel_header(client.header.data(), static_cast<uint16_t>(*number >> 16), kPayload);
    } else {
      std::vector<uint8_t> memory(kPayload + kMaxHeader);
      stun::Builder builder(memory, stun::Method::Data, stun::Class::Indication, {});
      builder.add_xor_address(Attribute::XorPeerAddress, peer).add(Attribute::Data, std::vector<uint8_t>(kPayload));
      memory.resize(builder.finish().size() - kPayload);
      client.header = std::move(memory);
    }
    client.strip = client.header.size();
  }

  static constexpr size_t kPayload = 1200;  // of turn_load

  net::IpAddress ip_;
  int epoll_ = ::epoll_create1(0);
  int listener_;
  std::unordered_map<uint64_t, std::unique_ptr<Client>> clients_;
  std::unordered_map<int, Client*> by_relay_;
  Batch batch_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto local = argc == 2 ? net::Endpoint::parse(argv[1]) : std::nullopt;
  if (!local) give_up("ADDR:PORT");
  Floor(*local).run();
}
