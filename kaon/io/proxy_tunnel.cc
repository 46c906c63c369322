#include "kaon/io/internal/proxy_tunnel.h"

#include <array>
#include <boost/asio.hpp>
#include <memory>
#include <utility>

#include "kaon/base/text.h"

namespace kaon::io {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::string_view kEnd = "\r\n\r\n";

class Tunnel final : public std::enable_shared_from_this<Tunnel> {
 public:
  using Done = std::function<void(std::optional<ProxyProblem>)>;
  Tunnel(tcp::socket& socket, std::string proxy, std::string request, Done done)
      : socket_(socket), proxy_(std::move(proxy)), request_(std::move(request)), done_(std::move(done)) {}

  void start() {
    asio::async_write(socket_, asio::buffer(request_), [self = shared_from_this()](const error_code& failed, size_t) {
      if (failed) return self->fail(failed.message());
      self->wait();
    });
  }

 private:
  void wait() {
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const error_code& failed) {
      if (failed) return self->fail(failed.message());
      self->read();
    });
  }

  // Looks before it takes: what follows the head is the target's.
  void read() {
    std::array<char, 1024> memory{};
    error_code error;
    const size_t there = socket_.receive(asio::buffer(memory), tcp::socket::message_peek, error);
    if (error == asio::error::would_block) return wait();
    if (error) return fail(error.message());
    const size_t before = head_.size();
    head_.append(memory.data(), there);
    const size_t end = head_.find(kEnd, before < kEnd.size() ? 0 : before - kEnd.size());
    if (end != std::string::npos) head_.resize(end + kEnd.size());
    socket_.receive(asio::buffer(memory.data(), head_.size() - before), 0, error);
    const auto answer = parse_proxy_answer(head_);
    if (error || !answer) return fail("it speaks no HTTP");
    if (!*answer) return wait();
    if ((*answer)->status / 100 == 2) return finish(std::nullopt);
    finish(
        ProxyProblem{cat("proxy ", proxy_, " answers ", (*answer)->status, " ", (*answer)->reason), (*answer)->status});
  }

  void fail(std::string reason) { finish(ProxyProblem{cat("proxy ", proxy_, ": ", reason), 0}); }
  void finish(std::optional<ProxyProblem> problem) { std::exchange(done_, nullptr)(std::move(problem)); }

  tcp::socket& socket_;
  std::string proxy_;
  std::string request_;
  std::string head_;
  Done done_;
};

}  // namespace

void open_tunnel(tcp::socket& socket, const HttpProxy& proxy, std::string request,
                 std::function<void(std::optional<ProxyProblem>)> done) {
  std::make_shared<Tunnel>(socket, proxy.name(), std::move(request), std::move(done))->start();
}

}  // namespace kaon::io
