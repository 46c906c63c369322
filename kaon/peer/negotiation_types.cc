#include "kaon/peer/negotiation_types.h"

#include <algorithm>

#include "kaon/base/base64.h"
#include "kaon/sctp/association.h"

namespace kaon::peer {

std::string_view to_string(NegotiationError error) {
  switch (error) {
    case NegotiationError::Closed: return "Closed: the connection is closed";
    case NegotiationError::WrongState: return "WrongState: not possible in this signaling state";
    case NegotiationError::Modified: return "Modified: set the description as it was created";
    case NegotiationError::TooManySections: return "TooManySections: too many m= sections";
    case NegotiationError::UnknownTransceiver: return "UnknownTransceiver: there is no such transceiver";
    case NegotiationError::TransceiverStopped: return "TransceiverStopped: the transceiver is stopped";
    case NegotiationError::BadParameter: return "BadParameter: malformed or unsupported argument";
    case NegotiationError::MissingTransport: return "MissingTransport: give a=ice-ufrag, a=ice-pwd and a=fingerprint";
    case NegotiationError::BundleRequired: return "BundleRequired: put all m= sections into one a=group:BUNDLE";
    case NegotiationError::RtcpMuxRequired: return "RtcpMuxRequired: give a=rtcp-mux in every RTP section";
    case NegotiationError::BundleConflict:
      return "BundleConflict: bundled sections use a payload type or a=extmap id for two things";
    case NegotiationError::MissingMid: return "MissingMid: give a=mid in every section";
    case NegotiationError::SectionMismatch: return "SectionMismatch: m= sections do not continue those before";
    case NegotiationError::BadDirection: return "BadDirection: the answer's direction does not fit the offer's";
    case NegotiationError::BadCodecs: return "BadCodecs: the answer accepts a section without a format of the offer";
    case NegotiationError::BadSetup: return "BadSetup: a=setup does not fit the offer or the running association";
    case NegotiationError::FingerprintChanged: return "FingerprintChanged: a new certificate needs an ICE restart";
    case NegotiationError::NewCredentialsRequired:
      return "NewCredentialsRequired: the offer restarts ICE, so the answer needs new credentials";
    case NegotiationError::PlanB: return "PlanB: one track per m= section (Unified Plan), please";
    case NegotiationError::BadSctpInit:
      return "BadSctpInit: a=sctp-init is no INIT chunk, or it changed while its association lives";
    case NegotiationError::HeaderEncryptionRequired:
      return "HeaderEncryptionRequired: give a=cryptex in every RTP section";
    case NegotiationError::NoMedia: return "NoMedia: the offer has no audio or video section that can be accepted";
  }
  return "";
}

std::string_view to_string(SignalingState state) {
  switch (state) {
    case SignalingState::Stable: return "stable";
    case SignalingState::HaveLocalOffer: return "have-local-offer";
    case SignalingState::HaveRemoteOffer: return "have-remote-offer";
    case SignalingState::HaveLocalPranswer: return "have-local-pranswer";
    case SignalingState::HaveRemotePranswer: return "have-remote-pranswer";
    case SignalingState::Closed: return "closed";
  }
  return "";
}

std::string_view to_string(SdpType type) {
  switch (type) {
    case SdpType::Offer: return "offer";
    case SdpType::Pranswer: return "pranswer";
    case SdpType::Answer: return "answer";
    case SdpType::Rollback: return "rollback";
  }
  return "";
}

bool has_sped(const std::vector<std::string>& ice_options) {
  return std::ranges::any_of(ice_options, [](const std::string& option) {
    return option == kSped || option == kGoogSped || option == kOldGoogSped;
  });
}

std::optional<std::vector<uint8_t>> sctp_init_bytes(std::string_view value) {
  std::string padded(value);
  while (padded.size() % 4 != 0) padded += '=';
  auto bytes = from_base64(padded);
  if (bytes && !sctp::is_init_chunk(*bytes)) bytes.reset();
  return bytes;
}

uint8_t NegotiatedMedia::extension_id(ExtensionKind extension) const {
  const auto it = std::ranges::find(extensions, extension, &NegotiatedExtension::kind);
  return it == extensions.end() ? 0 : it->id;
}

const NegotiatedCodec* NegotiatedMedia::find_receive_codec(uint8_t payload_type) const {
  const auto it = std::ranges::find(codecs, payload_type, &NegotiatedCodec::receive_payload_type);
  return it == codecs.end() ? nullptr : &*it;
}

const NegotiatedMedia* NegotiatedSession::find(std::string_view mid) const {
  const auto it = std::ranges::find(media, mid, &NegotiatedMedia::mid);
  return it == media.end() ? nullptr : &*it;
}

}  // namespace kaon::peer
