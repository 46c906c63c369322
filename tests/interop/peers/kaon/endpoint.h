// A connection whose descriptions and candidates travel as lines.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cases.h"
#include "kaon/webrtc/peer_connection.h"
#include "lines.h"

namespace kaon::interop {

/// What --setup, --max-dtls, --path-mtu-discovery, --hide-addresses, --snap, --sped, --ice-transport-policy,
/// --ice-servers, --ice-user and --ice-password say.
webrtc::Configuration configuration_of(const Context& context);

/// The loop's thread only.
class Endpoint {
 public:
  /// `id` tells the connections of a process apart. The handlers for states and candidates are the endpoint's own; what
  /// the caller sets there is called as well.
  Endpoint(io::Loop& loop, Lines& lines, int64_t id, webrtc::Configuration configuration,
           webrtc::PeerConnectionHandlers handlers);

  webrtc::PeerConnection& connection() { return *connection_; }
  void offer();
  /// A line that is a description or a candidate; an offer is answered. Others are nothing to it.
  void handle(const json::object& line);

 private:
  void handle_description(const json::object& description);
  void handle_candidate(const json::value& candidate);
  void tell_local_description();
  void tell(json::object line);

  Lines& lines_;
  int64_t id_;
  std::unique_ptr<webrtc::PeerConnection> connection_;
};

}  // namespace kaon::interop
