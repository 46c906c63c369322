// From the engine's events to the handlers. Each handler may close or destroy the connection: nothing of it is touched
// afterwards without a look at closed_.
#include "kaon/webrtc/internal/core.h"
#include "kaon/webrtc/internal/dispatch.h"
#include "kaon/webrtc/internal/environment.h"

namespace kaon::webrtc::internal {

void Core::on_event(io::HostedPeer&, peer::Event event, Time) {
  const Dispatch dispatch(*this);
  std::visit([this](const auto& e) { handle(e); }, event);
}

void Core::on_drain(io::HostedPeer&, Time) {
  const Dispatch dispatch(*this);
  tell_early_candidates();
  drain_channels();
  drain_media();
  tell_negotiation_needed();
}

// -- connection ------------------------------------------------------------------------------------------------------

// The engine gathers from the start; handlers hear of it after the local description (W3C §4.4.1.5).
void Core::handle(const peer::LocalCandidate& event) {
  if (has_local_description_) return tell_candidate(event.line);
  early_candidates_.push_back(event.line);
}

void Core::handle(const peer::GatheringDone&) {
  if (has_local_description_) return tell_candidate({});
  early_candidates_.emplace_back();
}

void Core::tell_early_candidates() {
  if (!has_local_description_) return;
  for (std::string& line : std::exchange(early_candidates_, {})) {
    if (closed_) return;
    tell_candidate(std::move(line));
  }
}

void Core::tell_candidate(std::string line) {
  const auto handlers = handlers_;
  if (!handlers->on_ice_candidate) return;
  const IceCandidate candidate{std::move(line), sdp_mid_, connection()->ice().local_credentials().ufrag};
  handlers->on_ice_candidate(candidate);
}

void Core::handle(const peer::StateChanged& event) {
  const auto handlers = handlers_;
  if (handlers->on_connection_state) handlers->on_connection_state(event.state, event.detail);
}

void Core::handle(const dtls::KeyLogLine& event) { append_key_log(event.line); }

// -- media -----------------------------------------------------------------------------------------------------------

void Core::handle(const peer::TrackAdded& event) {
  const auto handlers = handlers_;
  if (!handlers->on_track) return;
  TrackEvent track{transceiver(event.transceiver), {}};
  for (const sdp::Msid& msid : event.msids) {
    if (msid.stream != "-") track.streams.push_back(msid.stream);
  }
  handlers->on_track(track);
}

void Core::handle(const peer::TrackRemoved& event) {
  const auto handlers = transceiver(event.transceiver)->handlers_;
  if (handlers->on_ended) handlers->on_ended();
}

void Core::handle(const peer::KeyframeRequested& event) {
  const auto handlers = transceiver(event.transceiver)->handlers_;
  if (handlers->on_keyframe_request) handlers->on_keyframe_request();
}

void Core::drain_media() {
  while (!closed_) {
    auto received = connection()->poll_media();
    if (!received) break;
    const auto handlers = transceiver(received->transceiver)->handlers_;
    if (handlers->on_rtp) handlers->on_rtp({received->codec, received->layer, std::move(received->packet)});
  }
  while (!closed_) {
    const auto frame = connection()->poll_frame();
    if (!frame) return;
    tell_frame(*frame);
  }
}

void Core::tell_frame(const peer::MediaFrame& frame) {
  const auto to = transceiver(frame.transceiver);
  const auto handlers = to->handlers_;
  if (!handlers->on_frame) return;
  // A copy, so that the handler may call anything while it looks at the bytes, and a transform may change them.
  bytes_.assign(frame.data.begin(), frame.data.end());
  if (const auto transform = to->receiver_.transform_) {
    TransformFrame changing{frame.codec, bytes_, frame.info.keyframe, frame.timestamp};
    if (!transform->transform(changing)) return;
  }
  handlers->on_frame({.codec = frame.codec,
                      .data = bytes_,
                      .keyframe = frame.info.keyframe,
                      .resolution = frame.info.resolution,
                      .timestamp = frame.timestamp,
                      .after_loss = frame.after_loss,
                      .layer = frame.layer});
}

}  // namespace kaon::webrtc::internal
