// Load for a TURN server: clients with a channel each, and one peer that they all talk to, both ways.
//   turn_load SERVER CLIENTS SECONDS BURST channels|indications
//   turn_load SERVER CLIENTS hold
// Each client sends and gets 270 packets of 1,200 bytes a second, BURST at a time (as one UDP_SEGMENT send). Says
// "ready" once all have their channel, begins at a line on standard input, and ends with a line of JSON. With "hold"
// the clients have an allocation each and nothing more, until the line comes.
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/turn_sockets.h"
#include "kaon/base/assert.h"
#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"
#include "kaon/stun/message.h"
#include "kaon/turn/wire.h"

namespace {

using namespace kaon;
using namespace kaon::bench;
using stun::Attribute;
using SteadyClock = std::chrono::steady_clock;

constexpr size_t kPayload = 1200;
constexpr int kPacketsPerSecond = 270;
constexpr uint16_t kChannel = 0x4001;

void send_burst(int fd, const net::Endpoint& to, ByteView bytes, size_t segment) {
  sockaddr_in remote = to_sockaddr(to);
  iovec part{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[kSegmentControl] = {};
  msghdr message{};
  message.msg_name = &remote;
  message.msg_namelen = sizeof remote;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (bytes.size() > segment) set_segment(message, control, segment);
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
  explicit Client(const net::Endpoint& server) : server_(server), fd_(open_socket(server.ip)) { allocate(); }
  Client(const net::Endpoint& server, const net::Endpoint& peer, bool channels, size_t burst) : Client(server) {
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

void wait_for_a_line() {
  std::printf("ready\n");
  std::fflush(stdout);
  (void)std::getchar();
}

// One client after the other until all are there.
int hold(const net::Endpoint& server, size_t count) {
  std::vector<Client> clients;
  clients.reserve(count);
  wait_for_a_line();
  for (size_t i = 0; i < count; ++i) clients.emplace_back(server);
  wait_for_a_line();
  return 0;
}

void raise_descriptors() {
  rlimit limit{};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6 && argc != 4) give_up("SERVER CLIENTS SECONDS BURST channels|indications, or SERVER CLIENTS hold");
  const auto server = net::Endpoint::parse(argv[1]);
  const auto count = parse_number<size_t>(argv[2]);
  if (!server || !count) give_up("a wrong argument");
  raise_descriptors();
  if (argc == 4) return hold(*server, *count);
  const auto seconds = parse_number<int>(argv[3]);
  const auto burst = parse_number<size_t>(argv[4]);
  if (!seconds || !burst || *burst == 0) give_up("a wrong argument");
  const int peer = open_socket(server->ip);
  std::vector<Client> clients;
  clients.reserve(*count);
  for (size_t i = 0; i < *count; ++i) {
    clients.emplace_back(*server, address_of(peer), std::string_view(argv[5]) == "channels", *burst);
  }
  wait_for_a_line();

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
