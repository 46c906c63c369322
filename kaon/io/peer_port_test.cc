// Peer connections over real sockets: many of them, on several loops behind one port, and one whose address changes.
#include "kaon/io/peer_port.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/io/internal/test_support.h"
#include "kaon/io/loop.h"

namespace kaon::io {
namespace {

using namespace std::chrono_literals;

// Ends a test that waits for what never comes.
constexpr auto kPatience = 20s;

bool wait_until(const std::function<bool()>& condition) {
  const Time end = Loop::now() + kPatience;
  while (!condition()) {
    if (Loop::now() > end) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

// One side of a connection: echoes every message back, or counts what came.
class Side final : public PeerHandler {
 public:
  explicit Side(bool echoes) : echoes_(echoes) {}

  void on_event(HostedPeer&, peer::Event event, Time) override {
    if (const auto* changed = std::get_if<peer::StateChanged>(&event)) state = changed->state;
  }
  void on_drain(HostedPeer& peer, Time now) override {
    bool answered = false;
    while (auto event = peer.connection().poll_channel_event()) {
      if (const auto* opened = std::get_if<datachannel::ChannelOpened>(&*event)) {
        channel = opened->channel;
        open = true;
      } else if (const auto* message = std::get_if<datachannel::MessageReceived>(&*event)) {
        ++messages;
        if (echoes_) answered |= peer.connection().send_binary(message->channel, message->payload, now).has_value();
      }
    }
    if (answered) peer.touch();
  }

  HostedPeer* hosted = nullptr;
  std::atomic<peer::ConnectionState> state = peer::ConnectionState::New;
  std::atomic<bool> open = false;
  std::atomic<int> messages = 0;
  datachannel::ChannelId channel;

 private:
  bool echoes_;
};

// A server port on several loops, and for each client a port of its own on one loop: addresses tell connections apart.
class Ports {
 public:
  explicit Ports(size_t server_loops) {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(Loop::wall_clock());
    certificate_ = crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random_, now);
    for (size_t i = 0; i < server_loops; ++i) server_loops_.push_back(std::make_unique<Loop>());
    std::vector<Loop*> loops;
    for (auto& loop : server_loops_) loops.push_back(loop.get());
    for (Loop* loop : loops) loop->start();
    client_loop_.start();
    server = *PeerPort::open(loops, options(), {random_, log_});
  }
  ~Ports() {
    clients_.clear();
    server.reset();
    client_loop_.stop();
    client_loop_.join();
    for (auto& loop : server_loops_) loop->stop();
    for (auto& loop : server_loops_) loop->join();
  }

  // Connects one more pair; `edit` may change the descriptions on their way.
  void connect(Side& offerer, Side& answerer, size_t server_loop, const std::function<std::string(std::string)>& edit) {
    Loop* const client_loops[] = {&client_loop_};
    clients_.push_back(*PeerPort::open(client_loops, options(), {random_, log_}));
    std::string offer;
    client_loop_.invoke([&] {
      offerer.hosted = clients_.back()->shard(0).create(config(), offerer);
      auto& connection = offerer.hosted->connection();
      const Time now = Loop::now();
      ASSERT_TRUE(connection.open_channel({.label = "test"}, now));
      ASSERT_TRUE(connection.create_offer(now));
      ASSERT_TRUE(connection.set_local_description(peer::SdpType::Offer, now));
      offer = edit(connection.local_description());
      offerer.hosted->touch();
    });
    std::string answer;
    server_loops_[server_loop]->invoke([&] {
      answerer.hosted = server->shard(server_loop).create(config(), answerer);
      auto& connection = answerer.hosted->connection();
      const Time now = Loop::now();
      ASSERT_TRUE(connection.set_remote_description(peer::SdpType::Offer, *sdp::SessionDescription::parse(offer), now));
      ASSERT_TRUE(connection.set_local_description(peer::SdpType::Answer, now));
      answer = edit(connection.local_description());
      answerer.hosted->touch();
    });
    client_loop_.invoke([&] {
      const Time now = Loop::now();
      ASSERT_TRUE(offerer.hosted->connection().set_remote_description(peer::SdpType::Answer,
                                                                      *sdp::SessionDescription::parse(answer), now));
      offerer.hosted->touch();
    });
  }
  void on_server(size_t loop, const std::function<void()>& work) { server_loops_[loop]->invoke(work); }
  void send(Side& from, int count) {
    client_loop_.invoke([&] {
      for (int i = 0; i < count; ++i) {
        EXPECT_TRUE(from.hosted->connection().send_binary(from.channel, as_bytes("a message"), Loop::now()));
      }
      from.hosted->touch();
    });
  }
  uint64_t handed_over() {
    uint64_t sum = 0;
    for (size_t i = 0; i < server->size(); ++i) {
      server_loops_[i]->invoke([&] { sum += server->shard(i).udp_stats().handed_over; });
    }
    return sum;
  }

  std::unique_ptr<PeerPort> server;

 private:
  static PeerPortOptions options() {
    PeerPortOptions options;
    options.udp.bind = {{net::IpAddress::v4(127, 0, 0, 1), 0}};
    options.loopback = true;
    return options;
  }
  peer::Config config() {
    peer::Config config{.certificate = *certificate_};
    return config;
  }

  crypto::SystemRandom random_;
  NullLogger log_;
  std::optional<crypto::Certificate> certificate_;
  std::vector<std::unique_ptr<Loop>> server_loops_;
  Loop client_loop_;
  std::vector<std::unique_ptr<PeerPort>> clients_;
};

#ifdef __linux__
// On loopback the kernel refuses a closed port by ICMP. The error may come to any of the loops' sockets.
TEST(PeerPort, ACheckThatIcmpRefusesFailsAtOnceOnWhicheverLoop) {
  std::vector<std::unique_ptr<Side>> offerers, answerers;  // outlive the ports
  Ports ports(4);
  for (size_t i = 0; i < 4; ++i) {
    offerers.push_back(std::make_unique<Side>(false));
    answerers.push_back(std::make_unique<Side>(true));
    ports.connect(*offerers[i], *answerers[i], i, [](std::string sdp) { return sdp; });
    ASSERT_TRUE(wait_until([&] { return offerers[i]->open.load(); }));
    const net::Endpoint closed = [] {
      Loop loop;
      Collector nobody;
      const UdpPort::Member member{&loop, &nobody};
      return (*UdpPort::open(std::span(&member, 1), {.bind = {endpoint("127.0.0.1:0")}}))->bound()[0];
    }();
    const Time start = Loop::now();
    ports.on_server(i, [&] {
      auto& hosted = *answerers[i]->hosted;
      const std::string line = cat("candidate:9 1 udp 2130706431 127.0.0.1 ", closed.port, " typ host");
      ASSERT_TRUE(hosted.connection().add_remote_candidate(line, Loop::now()));
      hosted.touch();
    });
    const auto failed = [&] {
      bool found = false;
      ports.on_server(i, [&] {
        for (const auto& pair : answerers[i]->hosted->connection().ice().pair_stats()) {
          found = found || (pair.remote.address == closed && pair.state == ice::PairState::Failed);
        }
      });
      return found;
    };
    ASSERT_TRUE(wait_until(failed)) << i;
    EXPECT_LT(Loop::now() - start, 2s) << "it has been asked again and again";
  }
}
#endif

TEST(PeerPort, TwoHundredConnectionsOnFourLoopsLoseNothing) {
  constexpr size_t kConnections = 200;
  constexpr int kMessages = 20;
  std::vector<std::unique_ptr<Side>> clients;  // outlive the ports, whose loops call them
  std::vector<std::unique_ptr<Side>> servers;
  Ports ports(4);
  for (size_t i = 0; i < kConnections; ++i) {
    clients.push_back(std::make_unique<Side>(false));
    servers.push_back(std::make_unique<Side>(true));
    ports.connect(*clients[i], *servers[i], i % 4, [](std::string sdp) { return sdp; });
  }
  for (auto& side : clients) ASSERT_TRUE(wait_until([&] { return side->open.load(); }));
  for (auto& side : clients) ports.send(*side, kMessages);
  for (size_t i = 0; i < kConnections; ++i) {
    EXPECT_TRUE(wait_until([&] { return clients[i]->messages == kMessages; })) << "connection " << i;
    EXPECT_EQ(servers[i]->messages, kMessages);
  }
  EXPECT_EQ(ports.server->shard(0).connections(), kConnections / 4);
  EXPECT_GT(ports.handed_over(), 0u) << "the kernel spreads packets by address, not by connection";
}

// A NAT between client and server, whose outer address can change.
class Relay {
 public:
  explicit Relay(uint16_t server_port) : server_(address(server_port)) {
    inner_ = bound(&port_);
    outer_ = bound(nullptr);
    thread_ = std::thread([this] { run(); });
  }
  ~Relay() {
    stop_ = true;
    thread_.join();
    close(inner_);
    close(outer_);
  }
  uint16_t port() const { return port_; }
  void rebind() { rebind_ = true; }

 private:
  static sockaddr_in address(uint16_t port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(port);
    return a;
  }
  static int bound(uint16_t* port) {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in a = address(0);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    socklen_t size = sizeof a;
    getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size);
    if (port != nullptr) *port = ntohs(a.sin_port);
    return fd;
  }
  void run() {
    uint8_t bytes[65536];
    while (!stop_) {
      if (rebind_.exchange(false)) {
        close(outer_);
        outer_ = bound(nullptr);
      }
      pollfd ready[] = {{inner_, POLLIN, 0}, {outer_, POLLIN, 0}};
      poll(ready, 2, 5);
      if ((ready[0].revents & POLLIN) != 0) {
        socklen_t size = sizeof client_;
        const ssize_t n = recvfrom(inner_, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&client_), &size);
        if (n > 0)
          sendto(outer_, bytes, static_cast<size_t>(n), 0, reinterpret_cast<sockaddr*>(&server_), sizeof server_);
      }
      if ((ready[1].revents & POLLIN) != 0) {
        const ssize_t n = recv(outer_, bytes, sizeof bytes, 0);
        if (n > 0)
          sendto(inner_, bytes, static_cast<size_t>(n), 0, reinterpret_cast<sockaddr*>(&client_), sizeof client_);
      }
    }
  }

  int inner_ = -1;
  int outer_ = -1;
  uint16_t port_ = 0;
  sockaddr_in server_;
  sockaddr_in client_{};
  std::atomic<bool> stop_ = false;
  std::atomic<bool> rebind_ = false;
  std::thread thread_;
};

TEST(PeerPort, APeerWhoseAddressChangesMidCallLosesNoMessage) {
  Side client(false);  // outlives the ports, whose loops call it
  Side server(true);
  Ports ports(4);
  Relay relay(ports.server->port());
  const std::string relayed =
      "a=candidate:1 1 udp 2130706431 127.0.0.1 " + std::to_string(relay.port()) + " typ host\r\n";
  int descriptions = 0;
  // The offer tells no address; the answer's only one is the relay's.
  ports.connect(client, server, 2, [&](std::string sdp) {
    const bool answer = ++descriptions == 2;
    bool first = true;
    std::string out;
    for (size_t at = 0; at < sdp.size();) {
      const size_t end = sdp.find("\r\n", at) + 2;
      const std::string line = sdp.substr(at, end - at);
      at = end;
      if (!line.starts_with("a=candidate:")) {
        out += line;
      } else if (answer && std::exchange(first, false)) {
        out += relayed;
      }
    }
    return out;
  });
  ASSERT_TRUE(wait_until([&] { return client.open.load(); }));
  for (int round = 1; round <= 2; ++round) {
    ports.send(client, 10);
    EXPECT_TRUE(wait_until([&] { return client.messages == 10 * round; })) << "after " << round - 1 << " changes";
    relay.rebind();
  }
}

}  // namespace
}  // namespace kaon::io
