// Builders of offers and answers: pure functions of the local state.
#pragma once

#include <string>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/peer/internal/negotiation_rules.h"
#include "kaon/peer/negotiation.h"

namespace kaon::peer::internal {

/// Everything a description of ours is made of.
struct LocalState {
  const NegotiatorConfig& config;
  const LocalTransport& transport;
  const std::vector<Transceiver>& transceivers;
  const NegotiatedSession* session = nullptr;  ///< What holds now; null before the first agreement.
  std::string_view cname;
  uint64_t session_id = 0;
  uint64_t session_version = 0;

  const Transceiver* find(std::optional<TransceiverId> id) const;
  /// Preferences of the transceiver, or the configured codecs.
  const std::vector<Codec>& codecs_of(const Transceiver& transceiver) const;
  const std::vector<SupportedExtension>& extensions_of(sdp::MediaKind kind) const;
};

/// The sections of the next offer: those there are, in their places; what is new takes rejected places first. Mids
/// count up from `next_mid`, which moves on.
std::vector<Section> plan_offer(const std::vector<Section>& sections, const std::vector<Transceiver>& transceivers,
                                bool wants_data, uint32_t& next_mid);
sdp::SessionDescription build_offer(const LocalState& state, const std::vector<Section>& plan);

/// `sections` say which transceiver answers for which section of `offer`; `bundle` which of them may be accepted.
sdp::SessionDescription build_answer(const LocalState& state, const sdp::SessionDescription& offer,
                                     const BundleView& bundle, const std::vector<Section>& sections);

// Parts of both.
sdp::SessionDescription describe_session(const LocalState& state);
/// A section on the transport, without formats.
sdp::MediaDescription describe_section(const LocalState& state, std::string_view mid, sdp::Setup setup);
/// a=msid, and either the SSRCs of the only stream or the rids of all in `encodings`.
void describe_sender(const LocalState& state, const Transceiver& transceiver, std::span<const SendEncoding> encodings,
                     sdp::MediaDescription& section);
/// a=rid and a=simulcast for layers we would receive.
void describe_receive_rids(std::vector<sdp::Rid> rids, sdp::MediaDescription& section);
/// `codec` with its retransmissions at the end of the formats.
void describe_codec(sdp::PayloadFormat format, std::optional<uint8_t> rtx_payload_type, sdp::MediaDescription& section);

}  // namespace kaon::peer::internal
