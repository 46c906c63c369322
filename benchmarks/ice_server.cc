// ICE connections on one UDP port, as a server has them: without DTLS, so that what is measured is ICE and its mux.
//   ice_server IP CONNECTIONS
// Says "PORT" first, then a line "UFRAG PASSWORD" per connection, whose peers benchmarks/ice_load.cc is. A word on
// standard input is answered with how many datagrams came over checked paths, "quit" ends.
#include <unistd.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "kaon/base/assert.h"
#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/ice/agent.h"
#include "kaon/ice/mux.h"
#include "kaon/io/asio.h"
#include "kaon/io/driver.h"
#include "kaon/io/loop.h"
#include "kaon/io/udp.h"

namespace {

using namespace kaon;

constexpr const char* kPasswordOfPeers = "passwordofthebenchsload";

class Server final : public io::UdpHandler {
 public:
  Server(io::Loop& loop, const net::IpAddress& ip) : mux_(random_.u64()) {
    const io::UdpPort::Member member{&loop, this};
    auto port = io::UdpPort::open(std::span(&member, 1), {.bind = {{ip, 0}}});
    KAON_ASSERT(port.has_value());
    port_ = std::move(*port);
    driver_ = std::make_unique<io::Driver>(loop, port_->shard(0));
  }
  uint16_t port() const { return port_->port(); }
  uint64_t received() const { return received_; }

  const ice::Credentials& add(size_t number) {
    const ice::ConnectionId id(connections_.size());
    connections_.push_back(std::make_unique<Connection>(*this, id));
    Connection& connection = *connections_.back();
    ice::Agent& agent = connection.agent;
    const Time now = io::Loop::now();
    KAON_ASSERT(mux_.add(id, agent.local_credentials().ufrag, agent.transaction_tag()).has_value());
    KAON_ASSERT(agent.add_local_candidate({.address = port_->bound().front()}, now).has_value());
    agent.end_of_local_candidates(now);
    KAON_ASSERT(agent.set_remote_credentials({cat("load", number), kPasswordOfPeers}, false, now).has_value());
    connection.handle = driver_->attach(connection);
    return agent.local_credentials();
  }

  void receive(std::span<const net::Datagram> batch, Time now) override {
    for (const net::Datagram& datagram : batch) {
      const auto id = mux_.route(datagram);
      if (id) driver_->receive(connections_[id->value()]->handle, {&datagram, 1}, now);
    }
  }
  void writable() override { driver_->writable(); }

 private:
  struct Connection final : io::Driven {
    Connection(Server& of, ice::ConnectionId number) : server(of), id(number), agent({of.random_, of.log_}, {}) {}
    void receive(std::span<const net::Datagram> batch, Time now) override {
      for (const net::Datagram& datagram : batch) {
        if (stun::is_stun(datagram.bytes)) {
          agent.handle_packet(datagram, now);
        } else if (agent.source_of(datagram.local, datagram.remote) == ice::Source::Validated) {
          agent.count_received({datagram.local, datagram.remote}, 1, datagram.bytes.size(), now);
          ++server.received_;
        }
      }
    }
    void handle_timeout(Time now) override { agent.handle_timeout(now); }
    Time next_timeout() const override { return agent.next_timeout(); }
    std::optional<net::Transmit> poll_transmit(Bytes out) override { return agent.poll_transmit(out); }
    void dispatch() override {
      while (const auto event = agent.poll_event()) {
        const auto* validated = std::get_if<ice::PathValidated>(&*event);
        if (validated != nullptr) KAON_ASSERT(server.mux_.bind(id, validated->path).has_value());
      }
    }
    Server& server;
    ice::ConnectionId id;
    ice::Agent agent;
    io::ConnectionHandle handle;
  };

  crypto::SystemRandom random_;
  NullLogger log_;
  ice::Mux mux_;
  std::unique_ptr<io::UdpPort> port_;
  std::unique_ptr<io::Driver> driver_;
  std::vector<std::unique_ptr<Connection>> connections_;
  uint64_t received_ = 0;
};

// Lines of standard input, on the loop.
class Words {
 public:
  Words(io::Loop& loop, const Server& server)
      : loop_(loop), server_(server), input_(io::asio_context(loop), ::dup(0)) {}
  void wait() {
    boost::asio::async_read_until(input_, buffer_, '\n', [this](const auto& error, size_t size) {
      const auto* text = static_cast<const char*>(buffer_.data().data());
      if (error || std::string_view(text, size) == "quit\n") return loop_.stop();
      buffer_.consume(size);
      std::printf("%llu\n", static_cast<unsigned long long>(server_.received()));
      std::fflush(stdout);
      wait();
    });
  }

 private:
  io::Loop& loop_;
  const Server& server_;
  boost::asio::posix::stream_descriptor input_;
  boost::asio::streambuf buffer_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto ip = argc == 3 ? net::IpAddress::parse(argv[1]) : std::nullopt;
  if (!ip) {
    std::fputs("usage: ice_server IP CONNECTIONS\n", stderr);
    return 2;
  }
  io::Loop loop;
  Server server(loop, *ip);
  std::printf("%u\n", server.port());
  const size_t count = std::strtoull(argv[2], nullptr, 10);
  for (size_t i = 0; i < count; ++i) {
    const ice::Credentials& credentials = server.add(i);
    std::printf("%s %s\n", credentials.ufrag.c_str(), credentials.password.c_str());
  }
  std::fflush(stdout);
  Words words(loop, server);
  words.wait();
  loop.run();
}
