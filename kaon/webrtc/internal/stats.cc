// The engine's figures by the names of W3C webrtc-stats.
#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/webrtc/internal/core.h"

namespace kaon::webrtc::internal {
namespace {

constexpr std::string_view kTransportId = "T01";

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string_view to_text(ice::PairState state) {
  switch (state) {
    case ice::PairState::Waiting: return "waiting";
    case ice::PairState::InProgress: return "in-progress";
    case ice::PairState::Succeeded: return "succeeded";
    case ice::PairState::Failed: return "failed";
  }
  return "";
}

std::string_view to_text(MediaKind kind) { return kind == MediaKind::Audio ? "audio" : "video"; }

class Report {
 public:
  Report(const peer::Connection& connection, Time now)
      : connection_(connection),
        engine_(connection.stats(now)),
        timestamp_(std::chrono::duration<double, std::milli>(io::Loop::wall_clock()).count()) {}

  StatsReport build() {
    add_transport();
    for (const ice::PairStats& pair : engine_.candidate_pairs) add_pair(pair);
    for (const peer::InboundStats& stream : engine_.inbound) add(stream);
    for (const peer::OutboundStats& stream : engine_.outbound) add(stream);
    return std::move(report_);
  }

  Stats& entry(std::string id, std::string type) {
    return report_.stats.emplace_back(Stats{std::move(id), std::move(type), timestamp_, {}});
  }

 private:
  void add_transport() {
    const auto& transport = engine_.transport;
    Stats& s = entry(std::string(kTransportId), "transport");
    s.members = {
        {"packetsSent", transport.packets_sent},
        {"packetsReceived", transport.packets_received},
        {"bytesSent", transport.bytes_sent},
        {"bytesReceived", transport.bytes_received},
        {"iceRole", std::string(connection_.ice().role() == ice::Role::Controlling ? "controlling" : "controlled")},
        {"iceLocalUsernameFragment", connection_.ice().local_credentials().ufrag},
        {"iceState", std::string(ice::to_text(connection_.ice().state()))},
        {"dtlsState", std::string(transport.tls_version.empty() ? "new" : "connected")}};
    if (transport.tls_version.empty()) return;
    s.members.emplace_back("tlsVersion", transport.tls_version);
    s.members.emplace_back("dtlsCipher", transport.dtls_cipher);
    s.members.emplace_back("tlsGroup", transport.tls_group);
    s.members.emplace_back("srtpCipher", transport.srtp_cipher);
    for (const ice::PairStats& pair : engine_.candidate_pairs) {
      if (pair.selected) s.members.emplace_back("selectedCandidatePairId", cat("CP", pair.id));
    }
  }

  void add_pair(const ice::PairStats& pair) {
    const std::string local = add_candidate(pair.local, "L", "local-candidate");
    const std::string remote = add_candidate(pair.remote, "R", "remote-candidate");
    entry(cat("CP", pair.id), "candidate-pair").members = {{"transportId", std::string(kTransportId)},
                                                           {"localCandidateId", local},
                                                           {"remoteCandidateId", remote},
                                                           {"state", std::string(to_text(pair.state))},
                                                           {"nominated", pair.nominated},
                                                           {"packetsSent", pair.packets_sent},
                                                           {"packetsReceived", pair.packets_received},
                                                           {"bytesSent", pair.bytes_sent},
                                                           {"bytesReceived", pair.bytes_received},
                                                           {"totalRoundTripTime", seconds(pair.total_rtt)},
                                                           {"currentRoundTripTime", seconds(pair.current_rtt)},
                                                           {"requestsReceived", pair.requests_received},
                                                           {"requestsSent", pair.requests_sent},
                                                           {"responsesReceived", pair.responses_received},
                                                           {"responsesSent", pair.responses_sent},
                                                           {"consentRequestsSent", pair.consent_requests_sent}};
  }

  std::string add_candidate(const ice::Candidate& candidate, std::string_view prefix, std::string_view type) {
    // Neither the id nor the address tells what a name hides (draft-ietf-mmusic-mdns-ice-candidates §3.3.1).
    const std::string host = candidate.hostname.empty() ? candidate.address.ip.to_string() : candidate.hostname;
    std::string id = cat(prefix, candidate.foundation, "-", host, ":", candidate.address.port);
    if (report_.find(id) != nullptr) return id;
    entry(id, std::string(type)).members = {
        {"transportId", std::string(kTransportId)},
        {"address", host},
        {"port", uint64_t{candidate.address.port}},
        {"protocol", std::string(candidate.protocol == net::Protocol::Udp ? "udp" : "tcp")},
        {"candidateType", std::string(ice::to_text(candidate.type))},
        {"priority", uint64_t{candidate.priority}},
        {"foundation", candidate.foundation}};
    return id;
  }

  const peer::Transceiver* transceiver(peer::TransceiverId id) const {
    const auto all = connection_.transceivers();
    const auto it = std::ranges::find(all, id, &peer::Transceiver::id);
    return it == all.end() ? nullptr : &*it;
  }

  void add_stream(Stats& s, peer::TransceiverId id, uint32_t ssrc) const {
    s.members = {{"ssrc", uint64_t{ssrc}}, {"transportId", std::string(kTransportId)}};
    if (const auto* t = transceiver(id)) {
      s.members.emplace_back("kind", std::string(to_text(t->kind)));
      s.members.emplace_back("mid", t->mid);
    }
  }

  std::string add_codec(packetizer::Codec codec) {
    std::string id = cat("COT01_", packetizer::encoding_name(codec));
    if (report_.find(id) != nullptr) return id;
    entry(id, "codec").members = {
        {"mimeType", cat(packetizer::is_video(codec) ? "video/" : "audio/", packetizer::encoding_name(codec))},
        {"clockRate", uint64_t{packetizer::clock_rate(codec)}},
        {"transportId", std::string(kTransportId)}};
    return id;
  }

  void add(const peer::InboundStats& stream) {
    const std::string codec = stream.codec ? add_codec(*stream.codec) : std::string();
    Stats& s = entry(cat("I", stream.ssrc), "inbound-rtp");
    add_stream(s, stream.transceiver, stream.ssrc);
    if (!codec.empty()) s.members.emplace_back("codecId", codec);
    s.members.insert(s.members.end(), {{"packetsReceived", stream.packets_received},
                                       {"bytesReceived", stream.bytes_received},
                                       {"packetsLost", stream.packets_lost},
                                       {"jitter", seconds(stream.jitter)},
                                       {"retransmittedPacketsReceived", stream.retransmitted_packets_received},
                                       {"framesReceived", stream.frames_received},
                                       {"nackCount", stream.nack_count},
                                       {"pliCount", stream.pli_count}});
    if (stream.resolution.width == 0) return;
    s.members.emplace_back("frameWidth", uint64_t{stream.resolution.width});
    s.members.emplace_back("frameHeight", uint64_t{stream.resolution.height});
  }

  void add(const peer::OutboundStats& stream) {
    const std::string id = cat("O", stream.ssrc);
    const std::string remote_id = cat("RI", stream.ssrc);
    Stats& s = entry(id, "outbound-rtp");
    add_stream(s, stream.transceiver, stream.ssrc);
    s.members.insert(s.members.end(), {{"remoteId", remote_id},
                                       {"packetsSent", stream.packets_sent},
                                       {"bytesSent", stream.bytes_sent},
                                       {"retransmittedPacketsSent", stream.retransmitted_packets_sent},
                                       {"framesSent", stream.frames_sent},
                                       {"nackCount", stream.nack_count},
                                       {"pliCount", stream.pli_count}});
    Stats& r = entry(remote_id, "remote-inbound-rtp");
    add_stream(r, stream.transceiver, stream.ssrc);
    r.members.insert(r.members.end(), {{"localId", id},
                                       {"packetsLost", stream.remote_packets_lost},
                                       {"fractionLost", stream.remote_fraction_lost},
                                       {"jitter", seconds(stream.remote_jitter)}});
    if (stream.remote_round_trip_time) {
      r.members.emplace_back("roundTripTime", seconds(*stream.remote_round_trip_time));
    }
  }

  const peer::Connection& connection_;
  peer::Stats engine_;
  double timestamp_;
  StatsReport report_;
};

}  // namespace

StatsReport Core::stats() const {
  check_thread();
  if (hosted_ == nullptr) return {};
  const peer::Connection& connection = hosted_->connection();
  Report report(connection, io::Loop::now());
  report.entry("P", "peer-connection").members = {{"dataChannelsOpened", uint64_t{channels_.size()}}};
  for (const auto& [id, channel] : channels_) {
    const auto stats = connection.channels()->stats(id);
    Stats& s = report.entry(cat("D", id.value()), "data-channel");
    s.members = {{"label", channel->label()},
                 {"protocol", channel->protocol()},
                 {"state", std::string(datachannel::to_string(channel->state()))}};
    if (const auto stream = channel->id()) s.members.emplace_back("dataChannelIdentifier", uint64_t{*stream});
    if (!stats) continue;
    s.members.insert(s.members.end(), {{"messagesSent", stats->messages_sent},
                                       {"bytesSent", stats->bytes_sent},
                                       {"messagesReceived", stats->messages_received},
                                       {"bytesReceived", stats->bytes_received}});
  }
  return report.build();
}

}  // namespace kaon::webrtc::internal
