// ICE over TCP (RFC 6544): the connections of one loop, framed as RFC 4571 says.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kaon/ice/types.h"
#include "kaon/io/http_proxy.h"
#include "kaon/io/loop.h"
#include "kaon/io/sender.h"

namespace kaon::io {

struct PathHash {
  size_t operator()(const ice::Path& path) const {
    return std::hash<net::Endpoint>()(path.local) * 31 + std::hash<net::Endpoint>()(path.remote);
  }
};

/// A connection that another loop has accepted: its descriptor and what has been read from it.
struct AcceptedTcp {
  int descriptor = -1;
  bool v6 = false;
  std::vector<uint8_t> read;
};

/// Each connection is a path: packets go out by their local and remote address and come in with them. To a passive
/// candidate of the peer a connection is opened when there is something to send. A stranger's connection must begin
/// with a Binding request, or it is closed.
class IceTcp {
 public:
  static constexpr size_t kMaxConnections = 8192;
  /// Of those accepted, the ones over which nobody has authenticated yet; the oldest gives way.
  static constexpr size_t kMaxStrangers = 256;
  /// Bytes that wait for one connection; packets beyond are dropped, as a full UDP socket would.
  static constexpr size_t kMaxWaiting = 512 * 1024;
  /// From accept to confirm().
  static constexpr Duration kPatience = std::chrono::seconds(10);
  /// After a connection could not be accepted, usually for want of descriptors.
  static constexpr Duration kAcceptAgain = std::chrono::seconds(1);

  struct Handlers {
    std::function<void(std::span<const net::Datagram>, Time)> on_data;
    /// On which loop the connection of a first packet lives; UdpHandler::kHere for this one.
    std::function<size_t(const net::Datagram&)> home_of;
    std::function<void(size_t home, AcceptedTcp)> give;
    /// An HTTP proxy does not let a connection through, and why.
    std::function<void(const std::string&)> on_proxy_refused;
  };

  /// With a proxy, connections that we open go through it.
  static std::shared_ptr<IceTcp> make(Loop& loop, Handlers handlers, std::optional<HttpProxy> proxy = {});
  virtual ~IceTcp() = default;
  /// For passive candidates, on all of these or, where one is taken, on none: then false.
  virtual bool listen(std::span<const net::Endpoint> locals) = 0;
  virtual void take(AcceptedTcp accepted) = 0;
  /// Who is at the other end has authenticated.
  virtual void confirm(const ice::Path& path) = 0;
  /// Sends a packet or run; drops and counts what cannot be sent. Connects if the local address is an active
  /// candidate's.
  virtual void send(const Outgoing& outgoing) = 0;
  virtual void close(const ice::Path& path) = 0;
  /// The local address of an active candidate, until close_local().
  virtual void add_active(const net::Endpoint& local) = 0;
  /// Closes every connection of an active candidate.
  virtual void close_local(const net::Endpoint& local) = 0;
  virtual void shut() = 0;
  virtual size_t connections() const = 0;
  virtual uint64_t dropped() const = 0;
};

/// The local port of an active candidate is none of the machine's, but names the agent it belongs to.
inline constexpr uint16_t kFirstActivePort = 1;

}  // namespace kaon::io
