// Pure rules of offer/answer: what a description must be like, and what two of them agree on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/peer/negotiation_types.h"

namespace kaon::peer::internal {

/// One m= section as both sides know it. Its place in the list is its index, for the life of the connection.
struct Section {
  std::string mid;
  sdp::MediaKind kind = sdp::MediaKind::Audio;
  bool rejected = false;                     ///< Refused or given up: free for another use.
  std::optional<TransceiverId> transceiver;  ///< None for data and for what we do not support.
};

/// Which sections of a description share the transport.
struct BundleView {
  std::vector<size_t> sections;  ///< Live and bundled; the first stands for the transport (RFC 9143 §7.2).
  bool contains(size_t index) const;
};

/// True for the protocols of RTP over DTLS-SRTP, and for sections of data channels in the form of RFC 8841.
bool is_supported(const sdp::MediaDescription& section);

/// The rules every offer must keep, ours and theirs. Sections outside the bundle are no error: the answer rejects them.
Result<BundleView, NegotiationError> check_offer(const sdp::SessionDescription& offer);
/// check_offer(), and that it continues what was agreed: no section vanishes or becomes another while it lives.
Result<BundleView, NegotiationError> check_next_offer(const sdp::SessionDescription& offer,
                                                      const std::vector<Section>& sections);
Result<BundleView, NegotiationError> check_answer(const sdp::SessionDescription& offer,
                                                  const sdp::SessionDescription& answer);

/// Every RTP section in the bundle says a=cryptex, and there is one. RFC 9335 §4: all of a bundle say so, or none.
bool encrypts_headers(const sdp::SessionDescription& description, const BundleView& bundle);
/// What keeps us from going on with a peer whose description this is: RTP without a=cryptex where that is required.
Result<void, NegotiationError> check_header_encryption(HeaderEncryption policy,
                                                       const sdp::SessionDescription& description,
                                                       const BundleView& bundle);

/// The remote's parameters out of the section that stands for the transport.
Result<RemoteTransport, NegotiationError> remote_transport(const sdp::SessionDescription& remote,
                                                           const BundleView& bundle);

/// Whether `next` means new ICE credentials or a new certificate, compared with the session before.
struct TransportChange {
  bool ice_restarted = false;
  bool new_association = false;
};
Result<TransportChange, NegotiationError> compare_transport(const NegotiatedSession* before,
                                                            const RemoteTransport& next);

/// What negotiate() looks at.
struct Exchange {
  const sdp::SessionDescription& offer;
  const sdp::SessionDescription& answer;
  bool local_offer = false;              ///< True if the offer is ours.
  const std::vector<Section>& sections;  ///< With the transceivers of the offer.
  const std::vector<Transceiver>& transceivers;
  bool local_ice_lite = false;
  const NegotiatedSession* before = nullptr;
  HeaderEncryption header_encryption = HeaderEncryption::Off;  ///< Our setting.
};
/// What offer and answer agree on. Checks the answer.
Result<NegotiatedSession, NegotiationError> negotiate(const Exchange& exchange);

}  // namespace kaon::peer::internal
