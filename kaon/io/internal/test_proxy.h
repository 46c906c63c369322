// For tests: an HTTP proxy on loopback, on a thread of its own.
#pragma once

#include <atomic>
#include <boost/asio.hpp>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "kaon/base/base64.h"
#include "kaon/base/text.h"
#include "kaon/net/address.h"

namespace kaon::io {

/// Opens connections by CONNECT, to names that it is told of and to addresses of IPv4.
class TestProxy {
 public:
  /// `credentials`: "USER:PASSWORD" that it wants, or nothing; `names` and where they are, all on 127.0.0.1.
  explicit TestProxy(std::string credentials = {}, std::map<std::string, uint16_t> names = {})
      : credentials_(std::move(credentials)),
        names_(std::move(names)),
        acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}) {
    accept();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~TestProxy() {
    context_.stop();
    thread_.join();
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int tunnels() const { return tunnels_; }
  int refused() const { return refused_; }

 private:
  using tcp = boost::asio::ip::tcp;
  using error_code = boost::system::error_code;
  struct Pair {
    Pair(tcp::socket client, boost::asio::io_context& context) : sockets{std::move(client), tcp::socket(context)} {}
    std::array<tcp::socket, 2> sockets;
    std::array<std::array<char, 4096>, 2> memory{};
    std::string head;
  };
  using Shared = std::shared_ptr<Pair>;

  void accept() {
    acceptor_.async_accept([this](const error_code& failed, tcp::socket socket) {
      if (failed) return;
      const auto pair = std::make_shared<Pair>(std::move(socket), context_);
      boost::asio::async_read_until(pair->sockets[0], boost::asio::dynamic_buffer(pair->head), "\r\n\r\n",
                                    [this, pair](const error_code& error, size_t) {
                                      if (!error) answer(pair);
                                    });
      accept();
    });
  }

  void answer(const Shared& pair) {
    const std::string wanted = cat("Proxy-Authorization: Basic ", to_base64(as_bytes(credentials_)), "\r\n");
    if (!credentials_.empty() && pair->head.find(wanted) == std::string::npos) return refuse(pair, "407 Who Are You");
    constexpr size_t kMethod = 8;  // "CONNECT "
    const std::string target = pair->head.substr(kMethod, pair->head.find(' ', kMethod) - kMethod);
    const auto name = names_.find(target.substr(0, target.rfind(':')));
    const auto address = net::Endpoint::parse(target);
    error_code error;
    tcp::endpoint to(boost::asio::ip::address_v4::loopback(), 0);
    if (name != names_.end()) {
      to.port(name->second);
    } else if (address) {
      to = {boost::asio::ip::make_address(address->ip.to_string()), address->port};
    } else {
      return refuse(pair, "502 Not Found");
    }
    pair->sockets[1].connect(to, error);
    if (error) return refuse(pair, "502 Not There");
    ++tunnels_;
    // In two parts, so that an answer is not one read.
    const std::string_view text = "HTTP/1.1 200 Connection established\r\nX-Of: the proxy\r\n\r\n";
    boost::asio::write(pair->sockets[0], boost::asio::buffer(text.substr(0, 20)), error);
    boost::asio::write(pair->sockets[0], boost::asio::buffer(text.substr(20)), error);
    pump(pair, 0);
    pump(pair, 1);
  }

  void refuse(const Shared& pair, std::string_view status) {
    ++refused_;
    error_code ignored;
    boost::asio::write(pair->sockets[0], boost::asio::buffer(cat("HTTP/1.1 ", status, "\r\n\r\n")), ignored);
  }

  void pump(const Shared& pair, size_t from) {
    auto& memory = pair->memory[from];
    pair->sockets[from].async_read_some(
        boost::asio::buffer(memory), [this, pair, from](const error_code& failed, size_t size) {
          error_code ignored;
          if (failed) return pair->sockets[1 - from].close(ignored), void();
          boost::asio::write(pair->sockets[1 - from], boost::asio::buffer(pair->memory[from].data(), size), ignored);
          pump(pair, from);
        });
  }

  std::string credentials_;
  std::map<std::string, uint16_t> names_;
  boost::asio::io_context context_;
  tcp::acceptor acceptor_;
  std::atomic<int> tunnels_ = 0;
  std::atomic<int> refused_ = 0;
  std::thread thread_;
};

}  // namespace kaon::io
