// What a Negotiator remembers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kaon/peer/internal/negotiation_build.h"
#include "kaon/peer/negotiation.h"

namespace kaon::peer {

namespace internal {

/// A description made and not yet set.
struct Created {
  SdpType type = SdpType::Offer;
  sdp::SessionDescription description;
  std::vector<Section> plan;  ///< Of an offer.
  uint32_t next_mid = 0;
  bool outdated = false;  ///< Something changed since; a new one would differ.
};

/// An offer without its final answer: everything that a rollback throws away.
struct Pending {
  bool local = false;
  sdp::SessionDescription offer;
  std::string provisional_answer;
  std::vector<Section> sections;
  std::vector<TransceiverId> associated;  ///< Got their mid by this offer.
  std::vector<TransceiverId> described;   ///< Lost their `changed` mark by it.
  // Of a remote offer.
  BundleView bundle;
  RemoteTransport remote;
  bool restarts_ice = false;
};

}  // namespace internal

struct Negotiator::State {
  State(Env environment, NegotiatorConfig configuration);

  Env env;
  NegotiatorConfig config;
  LocalTransport transport;
  std::string cname;
  uint64_t session_id = 0;
  uint64_t version = 1;
  uint32_t next_transceiver = 1;
  uint32_t next_mid = 0;
  bool wants_data = false;
  SignalingState signaling = SignalingState::Stable;
  std::vector<Transceiver> transceivers;
  std::vector<internal::Section> sections;  ///< As agreed last.
  std::string current_local;
  std::string current_remote;
  std::string described_ufrag;  ///< Of ours, in the last local description.
  std::optional<NegotiatedSession> session;
  std::optional<internal::Pending> pending;
  std::optional<internal::Created> created;

  Transceiver* find(TransceiverId id);
  Result<Transceiver*, NegotiationError> find_live(TransceiverId id);
  void mark_changed(Transceiver& transceiver);
  bool has_transport() const;
  internal::LocalState local_state() const;
  uint32_t new_ssrc();
  std::string random_text(size_t size);
  std::vector<SendEncoding> new_encodings(const std::vector<std::string>& rids);

  Result<internal::Created, NegotiationError> make_offer();
  Result<internal::Created, NegotiationError> make_answer();
  Result<void, NegotiationError> set_local(SdpType type, internal::Created description);
  void apply_local_offer(internal::Created offer);
  Result<void, NegotiationError> apply_remote_offer(const sdp::SessionDescription& offer);
  Result<void, NegotiationError> check_sctp_init(const sdp::SessionDescription& offer) const;
  /// The end of an exchange, by an answer of either side.
  Result<void, NegotiationError> apply_answer(SdpType type, const sdp::SessionDescription& answer);
  void roll_back();

 private:
  void describe_transceivers();
  void associate(const sdp::SessionDescription& offer);
  TransceiverId transceiver_for(const sdp::SessionDescription& offer, const sdp::MediaDescription& section);
  void conclude(const sdp::SessionDescription& answer);
  void settle_transceiver(const NegotiatedMedia& media);
};

}  // namespace kaon::peer
