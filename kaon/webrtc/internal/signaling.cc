#include "kaon/ice/candidate.h"
#include "kaon/webrtc/internal/core.h"

namespace kaon::webrtc::internal {
namespace {

bool is_rollback(SdpType type) { return type == SdpType::Rollback; }

}  // namespace

Result<SessionDescription, NegotiationError> Core::create(SdpType type) {
  check_thread();
  if (hosted_ == nullptr) return fail(NegotiationError::Closed);
  const Time now = io::Loop::now();
  const auto made = type == SdpType::Offer ? connection()->create_offer(now) : connection()->create_answer(now);
  touch();
  if (!made) return fail(made.error());
  created_ = made->write();
  return SessionDescription{type, created_};
}

Result<SessionDescription, NegotiationError> Core::set_local() {
  check_thread();
  if (hosted_ == nullptr) return fail(NegotiationError::Closed);
  const SignalingState state = connection()->signaling_state();
  const bool answers = state == SignalingState::HaveRemoteOffer || state == SignalingState::HaveLocalPranswer;
  const SdpType type = answers ? SdpType::Answer : SdpType::Offer;
  if (auto result = set_local(SessionDescription{type, {}}); !result) return fail(result.error());
  return local_description();
}

Result<void, NegotiationError> Core::set_local(const SessionDescription& description) {
  check_thread();
  if (hosted_ == nullptr) return fail(NegotiationError::Closed);
  const bool modified = !is_rollback(description.type) && !description.sdp.empty() && description.sdp != created_;
  if (modified) return fail(NegotiationError::Modified);
  auto result = connection()->set_local_description(description.type, io::Loop::now());
  if (result && !is_rollback(description.type)) after_local_description(description.type);
  told_negotiation_needed_ = false;
  touch();
  return result;
}

// Candidates are told from now on (W3C: gathering begins with the local description).
void Core::after_local_description(SdpType type) {
  local_type_ = type;
  has_local_description_ = true;
  told_negotiation_needed_ = false;
  sdp_mid_ = connection()->first_mid();
  touch();
}

Result<void, DescriptionError> Core::set_remote(const SessionDescription& description) {
  check_thread();
  if (hosted_ == nullptr) return fail(DescriptionError(NegotiationError::Closed));
  sdp::SessionDescription remote;
  if (!is_rollback(description.type)) {
    auto parsed = sdp::SessionDescription::parse(description.sdp);
    if (!parsed) return fail(DescriptionError(parsed.error()));
    remote = std::move(*parsed);
  }
  const auto result = connection()->set_remote_description(description.type, remote, io::Loop::now());
  told_negotiation_needed_ = false;
  touch();
  if (!result) return fail(DescriptionError(result.error()));
  resolve_candidates(remote);
  return {};
}

SessionDescription Core::local_description() const {
  if (hosted_ == nullptr || !has_local_description_) return {};
  return {local_type_, hosted_->connection().local_description()};
}

Result<void, ice::Error> Core::add_candidate(const std::string& line) {
  check_thread();
  if (hosted_ == nullptr) return fail(ice::Error::Closed);
  auto result = connection()->add_remote_candidate(line, io::Loop::now());
  touch();
  if (result || result.error() != ice::Error::Unresolved) return result;
  return resolve_candidate(line);
}

// A name instead of an address, as browsers hide theirs. Names of Multicast DNS only, because a peer could make us look
// up any other, and not too many.
Result<void, ice::Error> Core::resolve_candidate(const std::string& line) {
  const auto candidate = ice::Candidate::parse(line);
  if (!candidate) return fail(ice::Error::BadAddress);
  if (names_resolving_ >= kMaxNamesResolving) return fail(ice::Error::TooMany);
  if (!mdns_) mdns_ = io::Mdns::of(loop_);
  const auto asked = mdns_->resolve(
      candidate->hostname, [weak = weak_from_this(), candidate = *candidate](std::optional<net::IpAddress> address) {
        const auto self = weak.lock();
        if (!self) return;
        --self->names_resolving_;
        if (self->closed_ || !address) return;
        ice::Candidate resolved = candidate;
        resolved.address.ip = *address;
        static_cast<void>(self->connection()->add_remote_candidate(resolved, io::Loop::now()));
        self->touch();
      });
  if (!asked) return fail(asked.error() == mdns::Error::TooMany ? ice::Error::TooMany : ice::Error::Unresolved);
  ++names_resolving_;
  return {};
}

// Those that stand in a description; of all its sections one carries the transport.
void Core::resolve_candidates(const sdp::SessionDescription& remote) {
  for (const sdp::MediaDescription& section : remote.media) {
    for (const std::string& line : section.candidates) {
      const auto candidate = ice::Candidate::parse(line);
      if (candidate && !candidate->hostname.empty()) static_cast<void>(resolve_candidate(line));
    }
    if (!section.candidates.empty()) return;
  }
}

void Core::restart_ice() {
  check_thread();
  if (hosted_ == nullptr) return;
  connection()->restart_ice(io::Loop::now());
  touch();
}

}  // namespace kaon::webrtc::internal
