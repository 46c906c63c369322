// What an offer and its answer agree on.
#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/peer/internal/negotiation_rules.h"

namespace kaon::peer::internal {
namespace {

using sdp::MediaDescription;
using sdp::PayloadFormat;

/// Most streams a section may announce by SSRC.
constexpr size_t kMaxRemoteStreams = 64;

// The offered format an answered one stands for: by number first, since answers should keep the numbers.
const PayloadFormat* find_offered(const MediaDescription& offered, const PayloadFormat& answered) {
  const PayloadFormat* same_number = offered.find_payload(answered.payload_type);
  if (same_number != nullptr && answers_format(*same_number, answered)) return same_number;
  const auto it =
      std::ranges::find_if(offered.payloads, [&](const PayloadFormat& f) { return same_format(f, answered); });
  return it == offered.payloads.end() ? nullptr : &*it;
}

NegotiatedCodec make_codec(const MediaDescription& local, const PayloadFormat& ours, const MediaDescription& remote,
                           const PayloadFormat& theirs) {
  NegotiatedCodec codec;
  codec.kind = codec_kind(ours.name);
  codec.name = ours.name;
  codec.clock_rate = ours.clock_rate;
  codec.channels = ours.channels;
  codec.send_payload_type = theirs.payload_type;
  codec.receive_payload_type = ours.payload_type;
  codec.send_rtx_payload_type = rtx_payload_type(remote, theirs.payload_type);
  codec.receive_rtx_payload_type = rtx_payload_type(local, ours.payload_type);
  if (!codec.send_rtx_payload_type || !codec.receive_rtx_payload_type) {
    codec.send_rtx_payload_type.reset();
    codec.receive_rtx_payload_type.reset();
  }
  codec.send_parameters = theirs.parameters;
  codec.receive_parameters = ours.parameters;
  const auto both = [&](std::string_view value) { return ours.has_feedback(value) && theirs.has_feedback(value); };
  codec.nack = both("nack");
  codec.pli = both("nack pli");
  codec.fir = both("ccm fir");
  codec.remb = both("goog-remb");
  codec.transport_cc = both("transport-cc");
  return codec;
}

std::vector<NegotiatedCodec> agree_codecs(const MediaDescription& offered, const MediaDescription& answered,
                                          bool local_offer) {
  std::vector<NegotiatedCodec> codecs;
  for (const PayloadFormat& format : answered.payloads) {
    const CodecKind kind = codec_kind(format.name);
    if (kind == CodecKind::Rtx || kind == CodecKind::Other) continue;
    const PayloadFormat* offer_format = find_offered(offered, format);
    if (offer_format == nullptr) continue;
    codecs.push_back(local_offer ? make_codec(offered, *offer_format, answered, format)
                                 : make_codec(answered, format, offered, *offer_format));
  }
  return codecs;
}

// RFC 8285 §7: what the answer keeps of the offer, under the offer's id.
std::vector<NegotiatedExtension> agree_extensions(const MediaDescription& offered, const MediaDescription& answered,
                                                  bool local_offer) {
  std::vector<NegotiatedExtension> extensions;
  for (const sdp::Extension& extension : answered.extensions) {
    const auto kind = rtp::extension_of(extension.uri);
    if (!kind || extension.id > 255) continue;
    const auto it = std::ranges::find(offered.extensions, extension.id, &sdp::Extension::id);
    if (it == offered.extensions.end() || it->uri != extension.uri) continue;
    const auto theirs = (local_offer ? extension : *it).direction.value_or(sdp::Direction::SendRecv);
    const auto ours = (local_offer ? *it : extension).direction.value_or(sdp::Direction::SendRecv);
    const sdp::Direction direction = sdp::intersection(ours, sdp::reversed(theirs));
    if (direction == sdp::Direction::Inactive) continue;
    extensions.push_back({*kind, static_cast<uint8_t>(extension.id), direction});
  }
  return extensions;
}

const sdp::SimulcastStream::Alternative* find_stream(const std::vector<sdp::SimulcastStream>& streams,
                                                     std::string_view rid) {
  for (const sdp::SimulcastStream& stream : streams) {
    for (const auto& alternative : stream.alternatives) {
      if (alternative.rid == rid) return &alternative;
    }
  }
  return nullptr;
}

// RFC 8853 §5.3: only layers both name remain; without simulcast in the peer's section the first layer is sent alone,
// without rid.
std::vector<SendEncoding> accepted_encodings(const Transceiver& transceiver, const MediaDescription& local,
                                             const MediaDescription& remote) {
  std::vector<SendEncoding> accepted;
  if (local.simulcast && remote.simulcast) {
    for (const SendEncoding& encoding : transceiver.encodings) {
      const auto* theirs = find_stream(remote.simulcast->recv, encoding.rid);
      if (theirs == nullptr || find_stream(local.simulcast->send, encoding.rid) == nullptr) continue;
      accepted.push_back(encoding);
      accepted.back().active = encoding.active && !theirs->paused;
    }
  }
  if (accepted.empty() && !transceiver.encodings.empty()) {
    accepted.push_back(transceiver.encodings.front());
    accepted.back().rid.clear();
  }
  return accepted;
}

std::vector<std::string> agreed_receive_rids(const MediaDescription& local, const MediaDescription& remote) {
  std::vector<std::string> rids;
  if (!local.simulcast || !remote.simulcast) return rids;
  for (const sdp::SimulcastStream& stream : local.simulcast->recv) {
    const std::string& rid = stream.alternatives.front().rid;
    if (find_stream(remote.simulcast->send, rid) != nullptr) rids.push_back(rid);
  }
  return rids;
}

// RFC 5576: every SSRC with a cname, and FID groups (RFC 4588 §8.8) that say which of them retransmit which.
std::vector<RemoteStream> announced_streams(const MediaDescription& remote) {
  std::vector<RemoteStream> streams;
  std::vector<uint32_t> repair;
  for (const sdp::SsrcGroup& group : remote.ssrc_groups) {
    if (group.semantics != "FID" || group.ssrcs.size() != 2 || streams.size() >= kMaxRemoteStreams) continue;
    streams.push_back({group.ssrcs[0], group.ssrcs[1], {}});
    repair.push_back(group.ssrcs[1]);
  }
  for (const sdp::SsrcAttribute& source : remote.ssrcs) {
    if (std::ranges::find(repair, source.ssrc) != repair.end()) continue;
    auto it = std::ranges::find(streams, source.ssrc, &RemoteStream::ssrc);
    if (it == streams.end()) {
      if (streams.size() >= kMaxRemoteStreams) continue;
      it = streams.insert(streams.end(), {source.ssrc, std::nullopt, {}});
    }
    if (source.name == "cname") it->cname = source.value;
  }
  return streams;
}

// a=msid, or for older peers the same thing among the a=ssrc attributes.
std::vector<sdp::Msid> announced_msids(const MediaDescription& remote) {
  if (!remote.msids.empty()) return remote.msids;
  for (const sdp::SsrcAttribute& source : remote.ssrcs) {
    if (source.name != "msid") continue;
    const size_t space = std::min(source.value.find(' '), source.value.size());
    return {{source.value.substr(0, space), source.value.substr(std::min(space + 1, source.value.size()))}};
  }
  return {};
}

Result<NegotiatedMedia, NegotiationError> agree_media(const Exchange& exchange, size_t index) {
  const MediaDescription& offered = exchange.offer.media[index];
  const MediaDescription& answered = exchange.answer.media[index];
  const MediaDescription& local = exchange.local_offer ? offered : answered;
  const MediaDescription& remote = exchange.local_offer ? answered : offered;
  const Section& section = exchange.sections[index];
  NegotiatedMedia media;
  media.index = index;
  media.mid = offered.mid;
  media.kind = offered.kind();
  media.transceiver = section.transceiver.value_or(TransceiverId{});
  media.rejected = answered.port == 0;
  if (media.rejected) return media;
  const sdp::Direction direction = direction_of(exchange.answer, answered);
  media.direction = exchange.local_offer ? sdp::reversed(direction) : direction;
  media.codecs = agree_codecs(offered, answered, exchange.local_offer);
  if (media.codecs.empty()) return fail(NegotiationError::BadCodecs);
  media.extensions = agree_extensions(offered, answered, exchange.local_offer);
  media.reduced_size_rtcp = offered.rtcp_rsize && answered.rtcp_rsize;
  const auto transceiver = std::ranges::find(exchange.transceivers, media.transceiver, &Transceiver::id);
  if (sdp::sends(media.direction) && transceiver != exchange.transceivers.end()) {
    media.send_encodings = accepted_encodings(*transceiver, local, remote);
  }
  if (sdp::receives(media.direction)) {
    media.remote_streams = announced_streams(remote);
    media.receive_rids = agreed_receive_rids(local, remote);
    media.remote_msids = announced_msids(remote);
  }
  return media;
}

// draft-hancke-tsvwg-snap, "Modifying the Session": what an association began with stays, and one that began without
// gets none. Our association outlives a new DTLS association, so that a new one of the peer's must shake hands.
Result<std::string, NegotiationError> agree_sctp_init(const Exchange& exchange, size_t index, bool new_association) {
  const std::string& offered = exchange.offer.media[index].sctp_init;
  const std::string& answered = exchange.answer.media[index].sctp_init;
  const std::string& remote = exchange.local_offer ? answered : offered;
  // An answer with the offer's own value is an echo of what the peer does not understand.
  const bool both = !offered.empty() && !answered.empty() && offered != answered;
  if (exchange.before == nullptr || !exchange.before->data) {
    if (!both) return std::string();
    if (!sctp_init_bytes(remote)) return fail(NegotiationError::BadSctpInit);
    return remote;
  }
  const std::string& before = exchange.before->data->remote_sctp_init;
  if (both && (new_association || remote != before)) return fail(NegotiationError::BadSctpInit);
  return new_association ? std::string() : before;
}

Result<NegotiatedData, NegotiationError> agree_data(const Exchange& exchange, size_t index, bool new_association) {
  const MediaDescription& offered = exchange.offer.media[index];
  const MediaDescription& answered = exchange.answer.media[index];
  const MediaDescription& remote = exchange.local_offer ? answered : offered;
  NegotiatedData data;
  data.index = index;
  data.mid = offered.mid;
  data.remote_port = remote.sctp_port.value_or(5000);
  data.remote_max_message_size = remote.max_message_size.value_or(65536);
  KAON_TRY(data.remote_sctp_init, agree_sctp_init(exchange, index, new_association));
  return data;
}

// RFC 8842 §5.3; without a=setup RFC 4145 §4 says active for offers and passive for answers.
Result<DtlsRole, NegotiationError> agree_role(const Exchange& exchange, const BundleView& offered_bundle,
                                              const BundleView& answered_bundle) {
  const auto setup_of = [](const sdp::SessionDescription& d, const BundleView& bundle) {
    return transport_of(d, d.media[bundle.sections.front()]).setup;
  };
  const sdp::Setup offered = setup_of(exchange.offer, offered_bundle).value_or(sdp::Setup::Active);
  const sdp::Setup answered = setup_of(exchange.answer, answered_bundle).value_or(sdp::Setup::Passive);
  const bool fits = (answered == sdp::Setup::Active && offered != sdp::Setup::Active) ||
                    (answered == sdp::Setup::Passive && offered != sdp::Setup::Passive);
  if (!fits || offered == sdp::Setup::HoldConn) return fail(NegotiationError::BadSetup);
  const bool answerer_is_client = answered == sdp::Setup::Active;
  return answerer_is_client != exchange.local_offer ? DtlsRole::Client : DtlsRole::Server;
}

// RFC 8445 §6.1.1: the offerer controls, unless exactly one side is lite. The role outlives ICE restarts.
bool agree_controlling(const Exchange& exchange, bool remote_lite) {
  if (exchange.before != nullptr) return exchange.before->ice_controlling;
  if (exchange.local_ice_lite != remote_lite) return remote_lite;
  return exchange.local_offer;
}

bool allows_mixed(const sdp::SessionDescription& description) {
  return description.extmap_allow_mixed ||
         std::ranges::any_of(description.media, [](const MediaDescription& m) { return m.extmap_allow_mixed; });
}

}  // namespace

Result<NegotiatedSession, NegotiationError> negotiate(const Exchange& exchange) {
  KAON_TRY(const BundleView bundle, check_answer(exchange.offer, exchange.answer));
  NegotiatedSession session;
  // The section that stood for the transport in the offer does so even if the answer rejects it: bundle-only ones may
  // say nothing.
  KAON_TRY(const BundleView offered_bundle, check_offer(exchange.offer));
  KAON_TRY(session.remote, exchange.local_offer ? remote_transport(exchange.answer, bundle)
                                                : remote_transport(exchange.offer, offered_bundle));
  KAON_TRY(const TransportChange change, compare_transport(exchange.before, session.remote));
  session.ice_restarted = change.ice_restarted;
  session.new_association = change.new_association;
  if (exchange.before != nullptr) session.dtls_role = exchange.before->dtls_role;
  if (!bundle.sections.empty()) {
    KAON_TRY(const DtlsRole role, agree_role(exchange, offered_bundle, bundle));
    const bool running = exchange.before != nullptr && !exchange.before->bundle.empty() && !session.new_association;
    if (running && role != exchange.before->dtls_role) return fail(NegotiationError::BadSetup);
    session.dtls_role = role;
  }
  const auto says_sped = [](const sdp::SessionDescription& d, const BundleView& view) {
    return !view.sections.empty() && has_sped(transport_of(d, d.media[view.sections.front()]).ice_options);
  };
  session.sped = says_sped(exchange.offer, offered_bundle) && says_sped(exchange.answer, bundle);
  session.ice_controlling = agree_controlling(exchange, session.remote.ice_lite);
  session.extmap_allow_mixed = allows_mixed(exchange.offer) && allows_mixed(exchange.answer);
  if (const auto checked = check_header_encryption(exchange.header_encryption, exchange.answer, bundle); !checked) {
    return fail(checked.error());
  }
  if (encrypts_headers(exchange.offer, offered_bundle) && encrypts_headers(exchange.answer, bundle)) {
    session.header_encryption = exchange.header_encryption;
  }
  for (const size_t i : bundle.sections) session.bundle.push_back(exchange.answer.media[i].mid);
  for (size_t i = 0; i < exchange.answer.media.size(); ++i) {
    const sdp::MediaKind kind = exchange.offer.media[i].kind();
    if (kind == sdp::MediaKind::Audio || kind == sdp::MediaKind::Video) {
      KAON_TRY(NegotiatedMedia media, agree_media(exchange, i));
      session.media.push_back(std::move(media));
    } else if (bundle.contains(i)) {
      KAON_TRY(session.data, agree_data(exchange, i, change.new_association));
    }
  }
  return session;
}

}  // namespace kaon::peer::internal
