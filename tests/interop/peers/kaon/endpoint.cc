#include "endpoint.h"

#include <sstream>

#include "kaon/base/text.h"

namespace kaon::interop {

using webrtc::ConnectionState;
using webrtc::IceCandidate;
using webrtc::SdpType;

webrtc::Configuration configuration_of(const Context& context) {
  const Options& options = context.options;
  webrtc::Configuration configuration;
  configuration.trace = context.trace;
  configuration.snap = options.text("snap") != "0";
  configuration.sped = options.text("sped") != "0";
  if (const std::string setup = options.text("setup"); !setup.empty()) {
    configuration.negotiation.answer_setup = setup == "active" ? sdp::Setup::Active : sdp::Setup::Passive;
  }
  if (options.text("max-dtls") == "1.2") configuration.max_dtls_version = dtls::Version::Dtls12;
  if (options.text("header-encryption") == "require") {
    configuration.negotiation.header_encryption = peer::HeaderEncryption::Require;
  }
  if (options.text("path-mtu-discovery") == "0") configuration.data.sctp.max_probed_packet_size = 0;
  if (const int64_t most = options.number("max-message-size", 0); most > 0) {
    configuration.data.sctp.max_message_size = static_cast<size_t>(most);
  }
  configuration.own_port.hide_addresses = options.text("hide-addresses") == "1";
  if (options.text("ice-transport-policy") == "relay") {
    configuration.ice_transport_policy = webrtc::IceTransportPolicy::Relay;
  }
  std::istringstream servers(options.text("ice-servers"));
  for (std::string url; std::getline(servers, url, ',');) {
    configuration.ice_servers.push_back(
        {.urls = {url}, .username = options.text("ice-user"), .credential = options.text("ice-password")});
  }
  return configuration;
}

Endpoint::Endpoint(io::Loop& loop, Lines& lines, int64_t id, webrtc::Configuration configuration,
                   webrtc::PeerConnectionHandlers handlers)
    : lines_(lines), id_(id) {
  handlers.on_ice_candidate = [this,
                               also = std::move(handlers.on_ice_candidate)](const IceCandidate& candidate) mutable {
    if (candidate.candidate.empty()) {
      tell({{"candidate", nullptr}});
    } else {
      tell({{"candidate", {{"candidate", candidate.candidate}, {"sdpMid", candidate.sdp_mid}}}});
    }
    if (also) also(candidate);
  };
  handlers.on_connection_state = [this, also = std::move(handlers.on_connection_state)](
                                     ConnectionState state, const std::string& detail) mutable {
    if (state == ConnectionState::Connected) tell({{"event", "connected"}});
    if (state == ConnectionState::Failed) tell({{"error", cat("the connection failed: ", detail)}});
    if (also) also(state, detail);
  };
  connection_ = std::make_unique<webrtc::PeerConnection>(loop, std::move(configuration), std::move(handlers));
}

void Endpoint::offer() { tell_local_description(); }

void Endpoint::handle(const json::object& line) {
  if (const json::value* description = line.if_contains("description");
      description != nullptr && description->is_object()) {
    handle_description(description->as_object());
  } else if (const json::value* candidate = line.if_contains("candidate")) {
    handle_candidate(*candidate);
  }
}

void Endpoint::handle_description(const json::object& description) {
  const SdpType type = text_of(description, "type") == "offer" ? SdpType::Offer : SdpType::Answer;
  if (const auto set = connection_->set_remote_description({type, text_of(description, "sdp")}); !set) {
    tell({{"error", cat("the remote description was refused: ", webrtc::to_string(set.error()))}});
  } else if (type == SdpType::Offer) {
    tell_local_description();
  }
}

// The connection itself keeps candidates that come before the description.
void Endpoint::handle_candidate(const json::value& candidate) {
  if (!candidate.is_object()) return;
  const json::object& object = candidate.as_object();
  const IceCandidate parsed{.candidate = text_of(object, "candidate"), .sdp_mid = text_of(object, "sdpMid")};
  if (const auto added = connection_->add_ice_candidate(parsed); !added) {
    tell({{"event", "candidate refused"}, {"candidate", parsed.candidate}});
  }
}

void Endpoint::tell_local_description() {
  const auto set = connection_->set_local_description();
  if (!set) {
    tell({{"error", cat("no local description: ", peer::to_string(set.error()))}});
    return;
  }
  tell({{"description", {{"type", peer::to_string(set->type)}, {"sdp", set->sdp}}}});
}

void Endpoint::tell(json::object line) {
  if (id_ != 0) line["id"] = id_;
  lines_.write(line);
}

}  // namespace kaon::interop
