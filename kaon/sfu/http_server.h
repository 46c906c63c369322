// A small HTTP/1.1 server, plain and over TLS, on a loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kaon/base/function.h"
#include "kaon/base/log.h"
#include "kaon/base/result.h"
#include "kaon/net/address.h"

namespace kaon::io {
class Loop;
}

namespace kaon::sfu {

/// Largest request body; more is answered with 413. Far above any session description of a browser.
inline constexpr size_t kMaxHttpBody = 256 * 1024;
/// Largest request line and headers together; more ends the connection.
inline constexpr size_t kMaxHttpHeader = 16 * 1024;
/// Connections at once per server; a new one beyond that is closed at once.
inline constexpr size_t kMaxHttpConnections = 1024;

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  /// Path, percent-decoded, without the query.
  std::string path;
  std::string query;
  HttpHeaders headers;
  std::string body;
  net::Endpoint remote;
  /// The value of the first header of this name, in any letter case; empty if there is none.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;

  /// An answer with a body; adds the content type.
  static HttpResponse with(int status, std::string_view content_type, std::string body);
  /// One sentence of plain text.
  static HttpResponse error(int status, std::string sentence);
};

/// PEM texts of a certificate chain and its key.
struct TlsIdentity {
  std::string certificate;
  std::string private_key;
};

/// Listens and answers. Used on its loop's thread, where the handler runs too; the answer may be given later, on that
/// thread.
class HttpServer {
 public:
  using Respond = Function<void(HttpResponse)>;
  using Handler = Function<void(HttpRequest, Respond)>;

  /// Listens on `address` (port 0: a free one). The error is a sentence for a person: port in use, no such address, bad
  /// certificate.
  static Result<std::unique_ptr<HttpServer>, std::string> listen(io::Loop& loop, net::Endpoint address,
                                                                 std::optional<TlsIdentity> tls, Handler handler,
                                                                 Logger& log);
  ~HttpServer();

  /// With the port that was chosen.
  net::Endpoint address() const;
  /// Ends listening and all connections.
  void close();

 private:
  struct Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace kaon::sfu
