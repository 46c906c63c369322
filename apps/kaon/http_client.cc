#include "apps/kaon/http_client.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>

#include "kaon/base/text.h"

namespace kaon::apps {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

constexpr auto kTimeout = std::chrono::seconds(30);

// Runs the context until the operation that was just started has ended.
template <class Start>
beast::error_code run(asio::io_context& context, Start start) {
  beast::error_code result = asio::error::timed_out;
  start([&result](beast::error_code error, auto&&...) { result = error; });
  context.restart();
  context.run();
  return result;
}

template <class Stream>
Result<HttpReply, std::string> exchange(asio::io_context& context, Stream& stream,
                                        http::request<http::string_body>& request, const Url& url) {
  beast::flat_buffer buffer;
  http::response<http::string_body> response;
  auto error = run(context, [&](auto done) { http::async_write(stream, request, done); });
  if (!error) error = run(context, [&](auto done) { http::async_read(stream, buffer, response, done); });
  if (error) return fail(cat(url.to_string(), ": ", error.message(), "."));
  HttpReply reply{.status = static_cast<int>(response.result_int()), .headers = {}, .body = std::move(response.body())};
  for (const auto& field : response) reply.headers.emplace_back(field.name_string(), field.value());
  return reply;
}

}  // namespace

std::string HttpReply::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (beast::iequals(key, {name.data(), name.size()})) return value;
  }
  return {};
}

std::optional<Url> Url::parse(std::string_view text) {
  Url url;
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  url.scheme = text.substr(0, colon);
  if (url.scheme != "http" && url.scheme != "https") return std::nullopt;
  text.remove_prefix(colon + 3);
  const size_t slash = text.find('/');
  std::string_view authority = text.substr(0, slash);
  url.target = slash == std::string_view::npos ? "/" : std::string(text.substr(slash));
  const size_t port = authority.rfind(':');
  if (port != std::string_view::npos && authority.find(']', port) == std::string_view::npos) {
    url.port = authority.substr(port + 1);
    authority = authority.substr(0, port);
  } else {
    url.port = url.scheme == "https" ? "443" : "80";
  }
  if (authority.starts_with('[') && authority.ends_with(']')) authority = authority.substr(1, authority.size() - 2);
  url.host = authority;
  if (url.host.empty() || !parse_number<uint16_t>(url.port)) return std::nullopt;
  return url;
}

std::optional<Url> Url::resolve(std::string_view location) const {
  if (location.starts_with("http://") || location.starts_with("https://")) return parse(location);
  Url url = *this;
  if (location.starts_with('/')) {
    url.target = location;
  } else {
    url.target = url.target.substr(0, url.target.rfind('/') + 1) + std::string(location);
  }
  return url;
}

std::string Url::to_string() const {
  const std::string authority = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return cat(scheme, "://", authority, ":", port, target);
}

Result<HttpReply, std::string> http_request(const Url& url, std::string_view method,
                                            const std::vector<std::pair<std::string, std::string>>& headers,
                                            const std::string& body, bool insecure) {
  asio::io_context context;
  beast::error_code error;
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(url.host, url.port, error);
  if (error) return fail(cat("The name '", url.host, "' cannot be resolved: ", error.message(), "."));

  http::request<http::string_body> request;
  request.method_string({method.data(), method.size()});
  request.target(url.target);
  request.version(11);
  request.set(http::field::host, url.host + ":" + url.port);
  request.set(http::field::user_agent, "kaon");
  request.keep_alive(false);
  for (const auto& [name, value] : headers) request.set(name, value);
  request.body() = body;
  request.prepare_payload();

  beast::tcp_stream plain(context);
  plain.expires_after(kTimeout);
  error = run(context, [&](auto done) { plain.async_connect(found, done); });
  if (error) return fail(cat("No connection to ", url.host, ":", url.port, ": ", error.message(), "."));
  if (url.scheme == "http") return exchange(context, plain, request, url);

  asio::ssl::context tls(asio::ssl::context::tls_client);
  static_cast<void>(tls.set_default_verify_paths(error));
  tls.set_verify_mode(insecure ? asio::ssl::verify_none : asio::ssl::verify_peer);
  beast::ssl_stream<beast::tcp_stream> stream(std::move(plain), tls);
  if (!insecure) stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
  SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
  error = run(context, [&](auto done) { stream.async_handshake(asio::ssl::stream_base::client, done); });
  if (error) return fail(cat(url.host, ": TLS: ", error.message(), ". For a self-signed certificate give --insecure."));
  return exchange(context, stream, request, url);
}

}  // namespace kaon::apps
