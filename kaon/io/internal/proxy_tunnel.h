// Asking an HTTP proxy for a connection.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <optional>
#include <string>

#include "kaon/io/internal/http_connect.h"

namespace kaon::io {

/// Sends the request on a socket that is connected to the proxy and does not block. `done` is called once, with what is
/// wrong or with nothing: then the socket is a connection to the target, and no byte of that has been read. `done`
/// keeps the socket alive; who closes it has `done` called too. The proxy may take its time.
void open_tunnel(boost::asio::ip::tcp::socket& socket, const HttpProxy& proxy, std::string request,
                 std::function<void(std::optional<ProxyProblem>)> done);

}  // namespace kaon::io
