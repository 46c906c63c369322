#include "kaon/webrtc/peer_connection.h"

#include "kaon/webrtc/internal/core.h"

namespace kaon::webrtc {

std::string to_string(const DescriptionError& error) {
  if (const auto* parse = std::get_if<sdp::ParseError>(&error)) return parse->to_string();
  return std::string(peer::to_string(std::get<NegotiationError>(error)));
}

PeerConnection::PeerConnection(io::Loop& loop, Configuration configuration, PeerConnectionHandlers handlers)
    : core_(std::make_shared<internal::Core>(loop, std::move(configuration), std::move(handlers))) {
  core_->start();
}
PeerConnection::~PeerConnection() { close(); }

Result<SessionDescription, NegotiationError> PeerConnection::create_offer() { return core_->create(SdpType::Offer); }
Result<SessionDescription, NegotiationError> PeerConnection::create_answer() { return core_->create(SdpType::Answer); }
Result<SessionDescription, NegotiationError> PeerConnection::set_local_description() { return core_->set_local(); }
Result<void, NegotiationError> PeerConnection::set_local_description(const SessionDescription& description) {
  return core_->set_local(description);
}
Result<void, DescriptionError> PeerConnection::set_remote_description(const SessionDescription& description) {
  return core_->set_remote(description);
}
SessionDescription PeerConnection::local_description() const { return core_->local_description(); }
SignalingState PeerConnection::signaling_state() const {
  const peer::Connection* connection = core_->connection();
  return connection == nullptr ? SignalingState::Closed : connection->signaling_state();
}
Result<void, ice::Error> PeerConnection::add_ice_candidate(const IceCandidate& candidate) {
  return core_->add_candidate(candidate.candidate);
}
bool PeerConnection::ice_gathering_complete() const {
  const peer::Connection* connection = core_->connection();
  return connection != nullptr && connection->ice().gathering_done();
}
void PeerConnection::restart_ice() { core_->restart_ice(); }

Result<std::shared_ptr<RtpTransceiver>, NegotiationError> PeerConnection::add_transceiver(
    MediaKind kind, TransceiverInit init, TransceiverHandlers handlers) {
  return core_->add_transceiver(kind, std::move(init), std::move(handlers));
}
Result<std::shared_ptr<RtpTransceiver>, NegotiationError> PeerConnection::add_track(MediaKind kind,
                                                                                    std::vector<std::string> stream_ids,
                                                                                    TransceiverHandlers handlers) {
  return core_->add_track(kind, std::move(stream_ids), std::move(handlers));
}
std::vector<std::shared_ptr<RtpTransceiver>> PeerConnection::transceivers() { return core_->transceivers(); }
Result<std::shared_ptr<DataChannel>, OpenError> PeerConnection::create_data_channel(std::string label,
                                                                                    DataChannelInit init,
                                                                                    DataChannelHandlers handlers) {
  return core_->create_channel(std::move(label), std::move(init), std::move(handlers));
}

ConnectionState PeerConnection::connection_state() const { return core_->state(); }
StatsReport PeerConnection::get_stats() const { return core_->stats(); }
peer::Stats PeerConnection::get_engine_stats() const {
  const peer::Connection* connection = core_->connection();
  return connection == nullptr ? peer::Stats() : connection->stats(io::Loop::now());
}
io::Loop& PeerConnection::loop() const { return core_->loop(); }
void PeerConnection::close() { core_->close(); }

}  // namespace kaon::webrtc
