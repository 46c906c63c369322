// Connections over a TURN server, on real sockets of this machine.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <thread>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/io/turn_host.h"
#include "kaon/turn/server.h"
#include "kaon/webrtc/internal/test_support.h"

namespace kaon::webrtc {
namespace {

using testing::HasSubstr;

/// turn::Server on loopback sockets, on a thread of its own.
class TurnServer {
 public:
  explicit TurnServer(turn::ServerConfig config = default_config()) : server_({random_, log_}, std::move(config)) {
    listening_ = bind_socket(address_);
    thread_ = std::thread([this] { run(); });
  }
  ~TurnServer() {
    stop_ = true;
    thread_.join();
    close(listening_);
    for (const auto& [fd, id] : relays_) close(fd);
  }
  static turn::ServerConfig default_config() {
    turn::ServerConfig config;
    config.users = {{"alice", "secret"}};
    config.peers.allow(*net::IpRange::parse("127.0.0.0/8"));
    config.relay_v6 = false;
    return config;
  }
  std::string url() const { return "turn:" + address_.to_string(); }
  size_t allocations() const { return allocations_; }
  uint64_t packets() const { return packets_; }

 private:
  static sockaddr_in to_system(const net::Endpoint& endpoint) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::copy(endpoint.ip.bytes().begin(), endpoint.ip.bytes().end(), reinterpret_cast<uint8_t*>(&address.sin_addr));
    return address;
  }
  static net::Endpoint from_system(const sockaddr_in& address) {
    return {net::IpAddress::v4(ntohl(address.sin_addr.s_addr)), ntohs(address.sin_port)};
  }
  static int bind_socket(net::Endpoint& bound) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_in address = to_system({net::IpAddress::v4(127, 0, 0, 1), 0});
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    bound = from_system(address);
    return fd;
  }

  void run() {
    while (!stop_) {
      std::vector<pollfd> all{{listening_, POLLIN, 0}};
      for (const auto& [fd, id] : relays_) all.push_back({fd, POLLIN, 0});
      poll(all.data(), all.size(), 20);
      for (const pollfd& entry : all) {
        if (entry.revents != 0) read(entry.fd);
      }
      server_.handle_timeout(io::Loop::now());
      settle();
    }
  }
  void read(int fd) {
    std::array<uint8_t, 2048> memory;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    ssize_t got = 0;
    while ((got = recvfrom(fd, memory.data(), memory.size(), 0, reinterpret_cast<sockaddr*>(&from), &size)) > 0) {
      const Bytes bytes = Bytes(memory).first(static_cast<size_t>(got));
      ++packets_;
      if (fd != listening_) {
        server_.handle_peer_packet(relays_.at(fd), from_system(from), bytes, io::Loop::now());
      } else {
        net::Datagram datagram;
        datagram.local = address_;
        datagram.remote = from_system(from);
        datagram.bytes = bytes;
        server_.handle_packet(datagram, io::Loop::now());
      }
      settle();
    }
  }
  void settle() {
    while (const auto event = server_.poll_event()) {
      if (const auto* open = std::get_if<turn::OpenRelay>(&*event)) {
        net::Endpoint relayed;
        relays_[bind_socket(relayed)] = open->id;
        by_address_[relayed] = relays_.rbegin()->first;
        for (const auto& [fd, id] : relays_) {
          if (id == open->id) by_address_[relayed] = fd;
        }
        server_.relay_opened(open->id, relayed, io::Loop::now());
      } else if (const auto* gone = std::get_if<turn::CloseRelay>(&*event)) {
        std::erase_if(relays_, [&](const auto& entry) {
          if (entry.second == gone->id) close(entry.first);
          return entry.second == gone->id;
        });
      }
    }
    allocations_ = server_.allocations();
    std::vector<uint8_t> memory(turn::Server::kMaxPacket);
    while (const auto transmit = server_.poll_transmit(memory)) {
      const sockaddr_in to = to_system(transmit->remote);
      const int fd = transmit->local == address_ ? listening_ : by_address_.at(transmit->local);
      sendto(fd, memory.data(), transmit->size, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    }
  }

  crypto::SystemRandom random_;
  NullLogger log_;
  turn::Server server_;
  net::Endpoint address_;
  int listening_ = -1;
  std::map<int, turn::RelayId> relays_;
  std::map<net::Endpoint, int> by_address_;
  std::atomic<bool> stop_ = false;
  std::atomic<size_t> allocations_ = 0;
  std::atomic<uint64_t> packets_ = 0;
  std::thread thread_;
};

struct Seen {
  std::string received;
  std::vector<std::string> candidates;
  std::vector<IceCandidateError> errors;
  bool failed = false;
};

Configuration relayed(const std::string& url, IceTransportPolicy policy = IceTransportPolicy::Relay) {
  Configuration configuration;
  configuration.ice_servers = {{.urls = {url}, .username = "alice", .credential = "secret"}};
  configuration.ice_transport_policy = policy;
  configuration.own_port.loopback = true;
  return configuration;
}

/// Two connections that tell each other their candidates, a channel over which one greets and the other answers.
struct Call {
  /// Candidates without `only` in their line are lost on the way: as if what they offer were blocked.
  Call(const Configuration& a, const Configuration& b, std::string lines = "") : only(std::move(lines)) {
    for (io::Loop& loop : loops) loop.start();
    alice.emplace(loops[0], handlers(bob), a);
    PeerConnectionHandlers answering = handlers(alice);
    answering.on_data_channel = [](const std::shared_ptr<DataChannel>& made) {
      made->set_handlers({.on_message = [made = made.get()](const Message& message) {
        made->send(std::string(message.text()) + " yourself").value();
      }});
    };
    bob.emplace(loops[1], std::move(answering), b);
    alice->on_loop([&](PeerConnection& connection) {
      channel =
          connection
              .create_data_channel(
                  "chat", {},
                  {.on_open = [this] { channel->send(std::string("hello")).value(); },
                   .on_message =
                       [this](const Message& message) { seen.change([&](Seen& s) { s.received = message.text(); }); }})
              .value();
    });
    SessionDescription description;
    const auto set_local = [&](PeerConnection& connection) {
      description = connection.set_local_description().value();
      std::istringstream lines_of(std::exchange(description.sdp, ""));
      for (std::string line; std::getline(lines_of, line);) {
        if (!line.starts_with("a=candidate") || line.find(only) != std::string::npos) description.sdp += line + "\n";
      }
    };
    const auto set_remote = [&](PeerConnection& connection) {
      const auto set = connection.set_remote_description(description);
      ASSERT_TRUE(set) << to_string(set.error()) << "\n" << description.sdp;
    };
    alice->on_loop(set_local);
    bob->on_loop(set_remote);
    bob->on_loop(set_local);
    alice->on_loop(set_remote);
  }
  ~Call() {
    // The loops first: what they still have to do may be for the other's connection.
    for (io::Loop& loop : loops) {
      loop.stop();
      loop.join();
    }
    channel.reset();
    alice.reset();
    bob.reset();
  }
  PeerConnectionHandlers handlers(std::optional<Side>& other) {
    PeerConnectionHandlers result;
    result.on_ice_candidate = [this, &other](const IceCandidate& candidate) {
      seen.change([&](Seen& s) { s.candidates.push_back(candidate.candidate); });
      if (other && (candidate.candidate.empty() || candidate.candidate.find(only) != std::string::npos)) {
        other->loop.post([&other, candidate] {
          if (other->connection) static_cast<void>(other->connection->add_ice_candidate(candidate));
        });
      }
    };
    result.on_ice_candidate_error = [this](const IceCandidateError& error) {
      seen.change([&](Seen& s) { s.errors.push_back(error); });
    };
    return result;
  }

  std::string only;
  std::array<io::Loop, 2> loops;
  Watched<Seen> seen;
  std::optional<Side> alice, bob;
  std::shared_ptr<DataChannel> channel;
};

TEST(Relay, CarriesAConnectionWhosePeersMayUseNothingElse) {
  TurnServer server;
  {
    Call call(relayed(server.url()), relayed(server.url()));
    ASSERT_TRUE(call.seen.wait([](const Seen& s) { return s.received == "hello yourself"; }));
    EXPECT_EQ(server.allocations(), 2u);
    EXPECT_GT(server.packets(), 20u);
    const Seen seen = call.seen.get();
    EXPECT_TRUE(seen.errors.empty());
    for (const std::string& candidate : seen.candidates) {
      if (candidate.empty()) continue;
      EXPECT_THAT(candidate, HasSubstr("typ relay raddr 0.0.0.0 rport 9"));
    }
  }
  // Each connection gave its allocation back.
  for (int i = 0; i < 500 && server.allocations() != 0; ++i) poll(nullptr, 0, 10);
  EXPECT_EQ(server.allocations(), 0u);
}

TEST(Relay, OneSideIsEnough) {
  TurnServer server;
  Configuration plain;
  plain.own_port.loopback = true;
  Call call(relayed(server.url()), plain);
  ASSERT_TRUE(call.seen.wait([](const Seen& s) { return s.received == "hello yourself"; }));
  EXPECT_EQ(server.allocations(), 1u);
}

TEST(Relay, WrongPasswordsAndServersThatAreNoneAreToldByUrl) {
  TurnServer server;
  Configuration configuration = relayed(server.url(), IceTransportPolicy::All);
  configuration.ice_servers[0].credential = "wrong";
  configuration.ice_servers.push_back({.urls = {"turn:127.0.0.1:9?transport=tcp"}, .username = "a", .credential = "b"});
  configuration.ice_servers.push_back({.urls = {"turn:nobody.invalid"}, .username = "a", .credential = "b"});
  configuration.ice_servers.push_back({.urls = {"http://example.org"}});
  configuration.ice_servers.push_back({.urls = {"turn:example.org"}});
  Call call(configuration, {.own_port = {.loopback = true}});
  ASSERT_TRUE(call.seen.wait([](const Seen& s) { return s.errors.size() == 5 && !s.received.empty(); }));
  std::map<std::string, IceCandidateError> errors;
  for (const IceCandidateError& error : call.seen.get().errors) errors[error.url] = error;
  EXPECT_EQ(errors[server.url()].error_code, 401);
  EXPECT_THAT(errors[server.url()].error_text, HasSubstr("user or password refused"));
  EXPECT_EQ(errors["turn:127.0.0.1:9?transport=tcp"].error_code, 701);
  EXPECT_THAT(errors["turn:127.0.0.1:9?transport=tcp"].error_text, HasSubstr("refused"));
  EXPECT_THAT(errors["turn:nobody.invalid"].error_text, HasSubstr("no address"));
  EXPECT_EQ(errors["http://example.org"].error_code, 701);
  EXPECT_EQ(errors["turn:example.org"].error_code, 401);
}

/// `kaon turn` as a library, with listeners over TCP and TLS, whose certificate is for 127.0.0.1 and trusted here.
class StreamServer {
 public:
  StreamServer() {
    name_ = (std::filesystem::temp_directory_path() / "kaon-turn-XXXXXX").string();
    EXPECT_NE(mkdtemp(name_.data()), nullptr);
    const std::string make = cat("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2",
                                 " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout ", name_,
                                 "/key.pem -out ", name_, "/certificate.pem 2>/dev/null");
    EXPECT_EQ(std::system(make.c_str()), 0);
    setenv("SSL_CERT_FILE", cat(name_, "/certificate.pem").c_str(), 1);
    io::TurnHostOptions options;
    const net::Endpoint any{net::IpAddress::v4(127, 0, 0, 1), 0};
    options.tcp = options.tls_endpoints = options.dtls = {any};
    options.tls = io::TurnTls{.certificate = read("certificate.pem"), .private_key = read("key.pem")};
    options.relays = {{.bind = any.ip}, {.bind = *net::IpAddress::parse("::1")}};
    options.server = TurnServer::default_config();
    options.server.peers.allow(*net::IpRange::parse("::1/128"));
    loop_.start();
    loop_.invoke([&] {
      auto started = io::TurnHost::start(loop_, std::move(options), {random_, log_}, [](const auto&) {});
      ASSERT_TRUE(started) << started.error();
      host_ = std::move(*started);
      tcp_port = host_->bound(net::Protocol::Tcp)[0].port;
      tls_port = host_->bound(net::Protocol::Tls)[0].port;
      dtls_port = host_->bound(net::Protocol::Dtls)[0].port;
    });
  }
  ~StreamServer() {
    loop_.invoke([&] { host_.reset(); });
    loop_.stop();
    loop_.join();
    std::filesystem::remove_all(name_);
  }
  size_t allocations() const {
    size_t result = 0;
    loop_.invoke([&] { result = host_->server().allocations(); });
    return result;
  }
  uint16_t tcp_port = 0;
  uint16_t tls_port = 0;
  uint16_t dtls_port = 0;

 private:
  std::string read(std::string_view file) const {
    std::ifstream in(cat(name_, "/", file));
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  crypto::SystemRandom random_;
  NullLogger log_;
  std::string name_;
  mutable io::Loop loop_;
  std::unique_ptr<io::TurnHost> host_;
};

TEST(Relay, IsReachedOverTcpTlsAndDtlsToo) {
  const StreamServer server;
  for (const std::string& url :
       {cat("turn:127.0.0.1:", server.tcp_port, "?transport=tcp"), cat("turns:127.0.0.1:", server.tls_port),
        cat("turns:127.0.0.1:", server.dtls_port, "?transport=udp")}) {
    SCOPED_TRACE(url);
    Call call(relayed(url), relayed(url));
    ASSERT_TRUE(call.seen.wait([](const Seen& s) { return s.received == "hello yourself" || !s.errors.empty(); }));
    const Seen seen = call.seen.get();
    for (const IceCandidateError& error : seen.errors) ADD_FAILURE() << error.error_code << " " << error.error_text;
    EXPECT_EQ(seen.received, "hello yourself");
  }
}

TEST(Relay, APeerWithOnlyIpv6IsReachedByTheSameAllocation) {
  const StreamServer server;
  Configuration both = relayed(cat("turn:127.0.0.1:", server.tcp_port, "?transport=tcp"));
  both.relay_families = RelayFamilies::Both;
  Call call(both, both, " ::1 ");
  ASSERT_TRUE(call.seen.wait([](const Seen& s) { return s.received == "hello yourself"; }));
  const Seen seen = call.seen.get();
  EXPECT_TRUE(seen.errors.empty());
  const auto of = [&](std::string_view address) {
    return std::ranges::count_if(seen.candidates, [&](const std::string& c) { return c.find(address) != c.npos; });
  };
  EXPECT_EQ(of(" ::1 "), 2);
  EXPECT_EQ(of(" 127.0.0.1 "), 2);
  EXPECT_EQ(server.allocations(), 2u);
}

TEST(Relay, ACertificateForAnotherNameIsRefused) {
  const StreamServer server;
  for (const std::string& url :
       {cat("turns:localhost:", server.tls_port), cat("turns:localhost:", server.dtls_port, "?transport=udp")}) {
    Call call(relayed(url, IceTransportPolicy::All), {.own_port = {.loopback = true}});
    ASSERT_TRUE(call.seen.wait([](const Seen& s) { return !s.errors.empty(); }));
    EXPECT_EQ(call.seen.get().errors[0].error_code, 701);
    EXPECT_THAT(call.seen.get().errors[0].error_text, HasSubstr("certificate"));
  }
}

TEST(IceTcp, CarriesAConnectionWhereUdpIsBlocked) {
  Configuration tcp;
  tcp.own_port.loopback = tcp.own_port.ice_tcp = true;
  Call call(tcp, tcp, " tcp ");
  ASSERT_TRUE(call.seen.wait([](const Seen& s) { return s.received == "hello yourself"; }));
}

}  // namespace
}  // namespace kaon::webrtc
