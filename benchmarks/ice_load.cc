// Peers of ICE connections that a server has on one UDP port, each with a socket of its own.
//   ice_load IP PORT CONNECTIONS SECONDS < credentials
// Standard input has a line "UFRAG PASSWORD" per connection, the server's. Peer number N has the ufrag "loadN" and the
// password kPassword, controls, and nominates with its first check. Says "ready" once each has answered a check of the
// server and got an answer to its own; then reads words: "send" sends kRate datagrams a second for SECONDS, each over a
// connection drawn at random, and says "sent COUNT"; "quit" ends. Checks are answered all the time.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "benchmarks/turn_sockets.h"
#include "kaon/base/assert.h"
#include "kaon/base/random.h"
#include "kaon/base/text.h"
#include "kaon/ice/candidate.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"
#include "kaon/stun/message.h"

namespace {

using namespace kaon;
using namespace kaon::bench;
using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* kPassword = "passwordofthebenchsload";
constexpr size_t kAtOnce = 32;  // connections under way
constexpr int kRate = 20'000;
constexpr uint64_t kMostAtOnce = 100;
constexpr size_t kPayload = 100;
constexpr milliseconds kRetry{500};
constexpr std::chrono::seconds kLongest{100};  // until all are connected

struct Peer {
  int fd = -1;
  std::string username;
  std::optional<crypto::Hmac> key;  // the server's
  SteadyClock::time_point asked;
  bool was_answered = false;
  bool has_answered = false;
  bool up() const { return was_answered && has_answered; }
};

class Load {
 public:
  Load(const net::Endpoint& server, size_t count) : server_(server), own_key_(stun::short_term_key(kPassword)) {
    epoll_ = epoll_create1(0);
    peers_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      std::string ufrag, password;
      KAON_ASSERT(bool(std::cin >> ufrag >> password));
      peers_[i].username = cat(ufrag, ":load", i);
      peers_[i].key = stun::short_term_key(password);
    }
  }

  void connect() {
    size_t begun = 0, up = 0;
    const auto limit = SteadyClock::now() + kLongest;
    while (up < peers_.size()) {
      if (SteadyClock::now() > limit) give_up("the server does not answer");
      for (; begun < peers_.size() && begun - up < kAtOnce; ++begun) open(begun);
      receive(1);
      const auto now = SteadyClock::now();
      up = 0;
      for (size_t i = 0; i < begun; ++i) {
        up += peers_[i].up();
        if (!peers_[i].was_answered && now - peers_[i].asked > kRetry) check(peers_[i]);
      }
    }
  }

  // Where the machine lets it wait, it sends less, and never a burst that would be lost before the server sees it.
  uint64_t send(int seconds) {
    auto begin = SteadyClock::now();
    const uint64_t total = static_cast<uint64_t>(seconds) * kRate;
    std::array<uint8_t, kPayload> datagram{};
    datagram[0] = 0x80;
    uint64_t sent = 0;
    while (sent < total) {
      const auto passed = std::chrono::duration<double>(SteadyClock::now() - begin).count();
      auto due = std::min(total, static_cast<uint64_t>(passed * kRate));
      if (due > sent + kMostAtOnce) {
        begin += std::chrono::duration_cast<SteadyClock::duration>(
            std::chrono::duration<double>(static_cast<double>(due - sent - kMostAtOnce) / kRate));
        due = sent + kMostAtOnce;
      }
      for (; sent < due; ++sent) {
        const Peer& peer = peers_[random_.below(peers_.size())];
        static_cast<void>(::send(peer.fd, datagram.data(), datagram.size(), 0));
      }
      receive(1);
    }
    return sent;
  }

  void receive(int wait_ms) {
    std::array<epoll_event, 256> events{};
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
    for (int i = 0; i < count; ++i) take(peers_[events[static_cast<size_t>(i)].data.u64]);
  }

 private:
  void open(size_t index) {
    Peer& peer = peers_[index];
    peer.fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    KAON_ASSERT(peer.fd >= 0);
    const sockaddr_in remote = to_sockaddr(server_);
    KAON_ASSERT(::connect(peer.fd, reinterpret_cast<const sockaddr*>(&remote), sizeof remote) == 0);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = index}};
    KAON_ASSERT(epoll_ctl(epoll_, EPOLL_CTL_ADD, peer.fd, &event) == 0);
    check(peer);
  }

  void check(Peer& peer) {
    stun::Builder builder(memory_, stun::Method::Binding, stun::Class::Request, stun::TransactionId::random(random_));
    builder.add_text(stun::Attribute::Username, peer.username);
    builder.add_u64(stun::Attribute::IceControlling, 1);
    builder.add_flag(stun::Attribute::UseCandidate);
    builder.add_u32(stun::Attribute::Priority, ice::candidate_priority(ice::CandidateType::PeerReflexive, 65535));
    builder.add_integrity(*peer.key).add_fingerprint();
    const ByteView bytes = builder.finish();
    static_cast<void>(::send(peer.fd, bytes.data(), bytes.size(), 0));
    peer.asked = SteadyClock::now();
  }

  void take(Peer& peer) {
    std::array<uint8_t, 1500> in;
    for (ssize_t size; (size = ::recv(peer.fd, in.data(), in.size(), 0)) > 0;) {
      const auto message = stun::Message::parse(ByteView(in).first(static_cast<size_t>(size)));
      if (!message) continue;
      if (message->message_class() == stun::Class::Success) peer.was_answered = true;
      if (message->message_class() != stun::Class::Request) continue;
      stun::Builder builder(memory_, stun::Method::Binding, stun::Class::Success, message->transaction_id());
      builder.add_xor_address(stun::Attribute::XorMappedAddress, server_);
      builder.add_integrity(own_key_).add_fingerprint();
      const ByteView bytes = builder.finish();
      static_cast<void>(::send(peer.fd, bytes.data(), bytes.size(), 0));
      peer.has_answered = true;
    }
  }

  net::Endpoint server_;
  crypto::Hmac own_key_;
  int epoll_ = -1;
  SeededRandom random_{1};
  std::vector<Peer> peers_;
  std::array<uint8_t, 512> memory_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto ip = argc == 5 ? net::IpAddress::parse(argv[1]) : std::nullopt;
  if (!ip) {
    std::fputs("usage: ice_load IP PORT CONNECTIONS SECONDS\n", stderr);
    return 2;
  }
  const size_t count = std::strtoull(argv[3], nullptr, 10);
  const rlimit files{count + 100, count + 100};
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
    std::fprintf(stderr, "%zu sockets are more than this user may have\n", count);
    return 1;
  }
  Load load({*ip, static_cast<uint16_t>(std::atoi(argv[2]))}, count);
  load.connect();
  std::puts("ready");
  std::fflush(stdout);
  std::string words;  // read without std::cin, which would hide from poll() what it has read ahead
  while (true) {
    pollfd input{.fd = 0, .events = POLLIN, .revents = 0};
    if (::poll(&input, 1, 0) > 0) {
      char letter = 0;
      if (::read(0, &letter, 1) != 1) return 0;
      if (letter != '\n') {
        words += letter;
        continue;
      }
      if (words == "quit") return 0;
      if (words == "send") {
        std::printf("sent %llu\n", static_cast<unsigned long long>(load.send(std::atoi(argv[4]))));
        std::fflush(stdout);
      }
      words.clear();
    }
    load.receive(10);
  }
}
