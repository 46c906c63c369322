// Names of everything that a connection drops, for people and programs: status pages and traces.
#pragma once

#include "kaon/datachannel/channels.h"
#include "kaon/ice/agent.h"
#include "kaon/peer/connection_types.h"
#include "kaon/peer/internal/media.h"
#include "kaon/peer/internal/transport.h"

namespace kaon::peer::internal {

// In the order of the enumerators; an array of another size does not compile.
inline constexpr std::string_view kIceDrops[] = {"ice_not_stun",
                                                 "ice_malformed",
                                                 "ice_not_binding",
                                                 "ice_unknown_local_address",
                                                 "ice_no_username",
                                                 "ice_unknown_ufrag",
                                                 "ice_bad_integrity",
                                                 "ice_unknown_transaction",
                                                 "ice_wrong_source",
                                                 "ice_unknown_attribute",
                                                 "ice_bad_request",
                                                 "ice_role_conflict",
                                                 "ice_too_many_candidates",
                                                 "ice_queue_full",
                                                 "ice_refused_address",
                                                 "ice_old_nomination",
                                                 "ice_bad_embedding",
                                                 "ice_inert"};
inline constexpr std::string_view kPeerDrops[] = {
    "unknown_protocol", "unknown_address",  "held_too_many",        "no_keys",
    "bad_srtp",         "replayed_srtp",    "malformed_rtp",        "malformed_rtcp",
    "unknown_stream",   "too_many_streams", "unknown_payload_type", "queue_full"};
inline constexpr std::string_view kDtlsDrops[] = {"dtls_malformed",
                                                  "dtls_unsupported_version",
                                                  "dtls_unknown_content_type",
                                                  "dtls_wrong_epoch",
                                                  "dtls_replayed",
                                                  "dtls_bad_tag",
                                                  "dtls_unauthenticated",
                                                  "dtls_bad_fragment",
                                                  "dtls_message_too_large",
                                                  "dtls_reassembly_full",
                                                  "dtls_retransmission",
                                                  "dtls_wrong_connection_id",
                                                  "dtls_hello_refused",
                                                  "dtls_early_data_full",
                                                  "dtls_not_polled",
                                                  "dtls_after_close"};
inline constexpr std::string_view kSctpDrops[] = {
    "sctp_too_short",       "sctp_bad_checksum",    "sctp_bad_ports",     "sctp_bad_verification_tag",
    "sctp_bad_bundling",    "sctp_malformed_chunk", "sctp_unknown_chunk", "sctp_unexpected_chunk",
    "sctp_bad_cookie",      "sctp_stale_cookie",    "sctp_bad_sack",      "sctp_old_sack",
    "sctp_bad_heartbeat",   "sctp_duplicate_data",  "sctp_window_full",   "sctp_tsn_out_of_range",
    "sctp_bad_forward_tsn", "sctp_bad_reconfig",    "sctp_bad_ecn",       "sctp_queue_full"};

inline constexpr std::string_view kChannelDrops[] = {
    "channel_malformed_dcep", "channel_unknown_dcep",   "channel_unexpected_open",
    "channel_unexpected_ack", "channel_unknown_stream", "channel_unknown_ppid",
    "channel_invalid_utf8",   "channel_too_many",       "channel_parts_too_large"};

/// Calls visit(name, count) for each counter of one engine that is not zero.
template <class Reason, size_t N>
void visit_drops(const Counters<Reason>& counters, const std::string_view (&names)[N], auto&& visit) {
  static_assert(N == Counters<Reason>::kSize);
  for (size_t i = 0; i < N; ++i) {
    if (const uint64_t count = counters[static_cast<Reason>(i)]; count != 0) visit(names[i], count);
  }
}

/// The same for all engines of a connection; a name may come twice (transport and media). `channels` may be null.
void visit_drops(const Transport& transport, const Media& media, const datachannel::Channels* channels, auto&& visit) {
  visit_drops(transport.ice().drops(), kIceDrops, visit);
  visit_drops(transport.drops(), kPeerDrops, visit);
  visit_drops(media.drops(), kPeerDrops, visit);
  if (const dtls::Connection* dtls = transport.dtls()) visit_drops(dtls->dropped(), kDtlsDrops, visit);
  if (channels == nullptr) return;
  visit_drops(channels->association().drops(), kSctpDrops, visit);
  visit_drops(channels->drops(), kChannelDrops, visit);
}

}  // namespace kaon::peer::internal
