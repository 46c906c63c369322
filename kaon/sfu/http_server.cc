#include "kaon/sfu/http_server.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <ctime>

#include "kaon/base/text.h"
#include "kaon/io/asio.h"

namespace kaon::sfu {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

// RFC 9110 §5.6.7; who has a clock says what it shows (§6.6.1).
std::string date_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 40> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

constexpr auto kIdleTimeout = std::chrono::seconds(30);
// What a refused client may still send before it reads why.
constexpr size_t kMaxLinger = 32 * 1024 * 1024;
constexpr size_t kLingerRead = 64 * 1024;
constexpr auto kLingerTimeout = std::chrono::seconds(10);

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

// Percent-decoding of a path; nothing if a sequence is malformed or stands for NUL.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto byte = i + 2 < text.size() ? parse_number<uint8_t>(text.substr(i + 1, 2), 16) : std::nullopt;
    if (!byte || *byte == 0) return std::nullopt;
    out += static_cast<char>(*byte);
    i += 2;
  }
  return out;
}

net::Endpoint to_endpoint(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  if (address.is_v4()) return {net::IpAddress::from_bytes(address.to_v4().to_bytes()), endpoint.port()};
  return {net::IpAddress::from_bytes(address.to_v6().to_bytes()).unmapped(), endpoint.port()};
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

HttpResponse HttpResponse::with(int status, std::string_view content_type, std::string body) {
  return {status, {{"Content-Type", std::string(content_type)}}, std::move(body)};
}

HttpResponse HttpResponse::error(int status, std::string sentence) {
  return with(status, "text/plain; charset=utf-8", std::move(sentence) + "\n");
}

// What all connections share. Sessions hold it weakly, so that closing the server ends them at their next step.
struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(asio::io_context& context, Handler request_handler, Logger& logger)
      : acceptor(context), handler(std::move(request_handler)), log(logger) {}

  void accept();
  void start(tcp::socket socket);

  tcp::acceptor acceptor;
  std::optional<asio::ssl::context> tls;
  Handler handler;
  Logger& log;
  size_t connections = 0;
  bool closed = false;
};

namespace {

// One connection: requests one after another, kept alive between them.
template <class Stream>
class Connection : public std::enable_shared_from_this<Connection<Stream>> {
 public:
  using Server = HttpServer;
  Connection(Stream stream, net::Endpoint remote, Function<void(HttpRequest, HttpServer::Respond)> forward,
             Function<void()> on_end)
      : stream_(std::move(stream)),
        remote_(remote),
        forward_(std::move(forward)),
        on_end_(std::move(on_end)),
        buffer_(kMaxHttpHeader + kMaxHttpBody) {}
  ~Connection() { on_end_(); }

  void start() {
    lowest().expires_after(kIdleTimeout);
    if constexpr (std::is_same_v<Stream, beast::tcp_stream>) {
      read();
    } else {
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](beast::error_code error) {
                                if (!error) self->read();
                              });
    }
  }

 private:
  auto& lowest() { return beast::get_lowest_layer(stream_); }

  void read() {
    parser_.emplace();
    parser_->body_limit(kMaxHttpBody);
    parser_->header_limit(kMaxHttpHeader);
    lowest().expires_after(kIdleTimeout);
    http::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](beast::error_code error, size_t) { self->read_done(error); });
  }

  void read_done(beast::error_code error) {
    if (error) return unreadable(error);
    auto& message = parser_->get();
    keep_alive_ = message.keep_alive();
    version_ = message.version();
    HttpRequest request;
    request.method = std::string(message.method_string());
    const std::string_view target(message.target().data(), message.target().size());
    const size_t question = target.find('?');
    auto path = decode(target.substr(0, question));
    if (!path) return respond(HttpResponse::error(400, "The path has a malformed percent sequence."));
    request.path = std::move(*path);
    if (question != std::string_view::npos) request.query = target.substr(question + 1);
    for (const auto& field : message) request.headers.emplace_back(field.name_string(), field.value());
    request.body = std::move(message.body());
    request.remote = remote_;
    head_ = request.method == "HEAD";
    lowest().expires_never();
    forward_(std::move(request),
             [self = this->shared_from_this()](HttpResponse response) { self->respond(std::move(response)); });
  }

  // Where the next request would begin is unknown, so the connection ends.
  void unreadable(beast::error_code error) {
    const bool malformed = error.category() == beast::error_code(http::error::bad_version).category();
    if (!malformed || error == http::error::end_of_stream || error == http::error::partial_message) return finish();
    keep_alive_ = false;
    head_ = false;
    version_ = 11;
    linger_ = kMaxLinger;
    if (error == http::error::body_limit) {
      return respond(HttpResponse::error(413, "The request body is larger than 256 KiB."));
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      return respond(HttpResponse::error(431, "The request line and headers are larger than 16 KiB."));
    }
    respond(HttpResponse::error(400, "This is not a well-formed HTTP request."));
  }

  void respond(HttpResponse response) {
    http::response<http::string_body> message(static_cast<http::status>(response.status), version_);
    message.set(http::field::date, date_now());
    for (auto& [name, value] : response.headers) message.insert(name, value);
    message.keep_alive(keep_alive_);
    if (head_) {
      message.content_length(response.body.size());
    } else {
      message.body() = std::move(response.body);
      message.prepare_payload();
    }
    message_.emplace(std::move(message));
    lowest().expires_after(kIdleTimeout);
    http::async_write(stream_, *message_, [self = this->shared_from_this()](beast::error_code error, size_t) {
      if (error || !self->keep_alive_) return self->finish();
      self->read();
    });
  }

  void finish() {
    beast::error_code ignored;
    lowest().socket().shutdown(tcp::socket::shutdown_send, ignored);
    if (linger_ == 0) return;
    lowest().expires_after(kLingerTimeout);
    linger();
  }

  // Closing while a client still sends would reset the connection, and the client would not see its answer: so what it
  // sends is read and thrown away.
  void linger() {
    buffer_.clear();
    lowest().async_read_some(buffer_.prepare(kLingerRead),
                             [self = this->shared_from_this()](beast::error_code error, size_t size) {
                               self->linger_ -= std::min(self->linger_, size);
                               if (!error && self->linger_ != 0) self->linger();
                             });
  }

  Stream stream_;
  net::Endpoint remote_;
  Function<void(HttpRequest, HttpServer::Respond)> forward_;
  Function<void()> on_end_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> message_;
  bool keep_alive_ = true;
  bool head_ = false;
  size_t linger_ = 0;
  unsigned version_ = 11;
};

}  // namespace

void HttpServer::Impl::accept() {
  acceptor.async_accept([weak = weak_from_this()](beast::error_code error, tcp::socket socket) {
    const auto self = weak.lock();
    if (!self || self->closed) return;
    if (!error && self->connections < kMaxHttpConnections) self->start(std::move(socket));
    self->accept();
  });
}

void HttpServer::Impl::start(tcp::socket socket) {
  beast::error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return;
  socket.set_option(tcp::no_delay(true), error);
  ++connections;
  auto forward = [weak = weak_from_this()](HttpRequest request, Respond respond) {
    const auto self = weak.lock();
    if (!self || self->closed) return respond(HttpResponse::error(503, "The server is shutting down."));
    self->handler(std::move(request), std::move(respond));
  };
  auto on_end = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) --self->connections;
  };
  if (tls) {
    using Stream = beast::ssl_stream<beast::tcp_stream>;
    std::make_shared<Connection<Stream>>(Stream(beast::tcp_stream(std::move(socket)), *tls), to_endpoint(peer),
                                         std::move(forward), std::move(on_end))
        ->start();
  } else {
    std::make_shared<Connection<beast::tcp_stream>>(beast::tcp_stream(std::move(socket)), to_endpoint(peer),
                                                    std::move(forward), std::move(on_end))
        ->start();
  }
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { close(); }

Result<std::unique_ptr<HttpServer>, std::string> HttpServer::listen(io::Loop& loop, net::Endpoint address,
                                                                    std::optional<TlsIdentity> tls, Handler handler,
                                                                    Logger& log) {
  auto impl = std::make_shared<Impl>(io::asio_context(loop), std::move(handler), log);
  beast::error_code error;
  if (tls) {
    impl->tls.emplace(asio::ssl::context::tls_server);
    impl->tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                           asio::ssl::context::no_tlsv1_1);
    impl->tls->use_certificate_chain(asio::buffer(tls->certificate), error);
    if (error) return fail(cat("The certificate cannot be used: ", error.message()));
    impl->tls->use_private_key(asio::buffer(tls->private_key), asio::ssl::context::pem, error);
    if (error) return fail(cat("The private key cannot be used: ", error.message()));
  }
  const auto ip = asio::ip::make_address(address.ip.to_string(), error);
  if (error) return fail(cat("'", address.ip, "' is no address to listen on."));
  const tcp::endpoint endpoint(ip, address.port);
  impl->acceptor.open(endpoint.protocol(), error);
  if (!error) impl->acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) impl->acceptor.bind(endpoint, error);
  if (!error) impl->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(cat("Cannot listen on ", address, ": ", error.message(), "."));
  impl->accept();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

net::Endpoint HttpServer::address() const {
  beast::error_code error;
  return to_endpoint(impl_->acceptor.local_endpoint(error));
}

void HttpServer::close() {
  if (impl_->closed) return;
  impl_->closed = true;
  beast::error_code ignored;
  impl_->acceptor.close(ignored);
}

}  // namespace kaon::sfu
