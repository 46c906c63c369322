#include "kaon/peer/internal/tracer.h"

#include <algorithm>
#include <bit>

#include "kaon/peer/internal/drop_names.h"
#include "kaon/rtcp/message.h"
#include "kaon/srtp/profile.h"
#include "kaon/trace/text2pcap.h"

namespace kaon::peer::internal {
namespace {

std::string_view to_text(ice::PairState state) {
  switch (state) {
    case ice::PairState::Waiting: return "waiting";
    case ice::PairState::InProgress: return "in-progress";
    case ice::PairState::Succeeded: return "succeeded";
    case ice::PairState::Failed: return "failed";
  }
  return "";
}

std::string address_of(const ice::Candidate& candidate) { return candidate.address.to_string(); }

}  // namespace

Tracer::Tracer(trace::Sink* sink, Logger& log) : sink_(sink), log_(log) {
  if (sink_ != nullptr) wants_ = sink_->wants();
}

std::unique_ptr<Tracer> Tracer::make(const Env& env) {
  if (env.trace == nullptr && !env.log.enabled(LogLevel::Trace)) return nullptr;
  return std::unique_ptr<Tracer>(new Tracer(env.trace, env.log));
}

// -- packets ---------------------------------------------------------------------------------------------------------

void Tracer::received(const net::Datagram& datagram, Time now) {
  incoming_ = {datagram.local, datagram.remote, datagram.protocol};
  only_data_ = !datagram.bytes.empty() && datagram.bytes[0] > 3;
  if (!wants_.wire) return;
  sink_->packet({trace::Layer::Wire,
                 trace::Direction::In,
                 now,
                 datagram.local,
                 datagram.remote,
                 connection_,
                 datagram.bytes,
                 {}});
}

void Tracer::sent(const net::Transmit& transmit, ByteView bytes, Time now) {
  if (!wants_.wire) return;
  const size_t segment = transmit.segment_size != 0 ? transmit.segment_size : transmit.size;
  for (ByteView rest = bytes.first(transmit.size); !rest.empty();) {
    const ByteView one = rest.first(std::min(segment, rest.size()));
    sink_->packet(
        {trace::Layer::Wire, trace::Direction::Out, now, transmit.local, transmit.remote, connection_, one, {}});
    rest = rest.subspan(one.size());
  }
}

void Tracer::packet(const trace::Packet& given) {
  trace::Packet packet = given;
  packet.connection = connection_;
  if (packet.remote.ip.is_none()) {
    const ice::Path& path = packet.direction == trace::Direction::In ? incoming_ : path_;
    packet.local = path.local;
    packet.remote = path.remote;
  }
  if (log_.enabled(LogLevel::Trace)) log_.write(LogLevel::Trace, to_string(packet.layer), text2pcap_line(packet));
  if (wants_.clear) sink_->packet(packet);
  if (wants_.events && packet.layer == trace::Layer::Rtcp) read_rtcp(packet);
}

// -- events ----------------------------------------------------------------------------------------------------------

void Tracer::event(const trace::Record& record) {
  if (wants_.events) sink_->event({record.time, connection_, record.event});
}

void Tracer::tell(trace::Event event, Time now) { this->event({now, connection_, event}); }

void Tracer::read_rtcp(const trace::Packet& packet) {
  const auto compound = rtcp::Compound::parse(packet.bytes);
  if (!compound) return;
  for (const rtcp::PacketView& view : *compound) {
    const auto message = rtcp::parse_message(view);
    if (!message) continue;
    if (const auto* nack = std::get_if<rtcp::Nack>(&*message)) {
      uint64_t packets = 0;
      for (const rtcp::NackItem& item : nack->items)
        packets += 1 + static_cast<uint64_t>(std::popcount(item.following));
      tell(trace::Nack{packet.direction, nack->head.media.value(), packets}, packet.time);
    } else if (const auto* pli = std::get_if<rtcp::PictureLossIndication>(&*message)) {
      tell(trace::KeyframeRequest{packet.direction, pli->head.media.value(), "pli"}, packet.time);
    } else if (const auto* fir = std::get_if<rtcp::FullIntraRequest>(&*message)) {
      for (const rtcp::FullIntraItem& item : fir->items)
        tell(trace::KeyframeRequest{packet.direction, item.media.value(), "fir"}, packet.time);
    }
  }
}

void Tracer::state_changed(ConnectionState state, const std::string& detail, Time now) {
  ended_ = state == ConnectionState::Closed || state == ConnectionState::Failed;
  tell(trace::ConnectionState{to_string(state), detail}, now);
}

void Tracer::secured(const dtls::Connected& connected, Time now) {
  const auto profile = srtp::profile_from_id(connected.srtp_profile);
  tell(trace::DtlsConnected{connected.version == dtls::Version::Dtls13 ? "1.3" : "1.2",
                            dtls::to_string(connected.cipher_suite), crypto::to_string(connected.group),
                            profile ? srtp::to_string(*profile) : ""},
       now);
}

void Tracer::observe(const Transport& transport, const Media& media, const datachannel::Channels* channels, Time now) {
  if (!wants_.events) return;
  // Pairs are compared after every packet that may have changed them, and seldom while data flows.
  if (!only_data_ || now >= next_ice_) {
    next_ice_ = now + kMetricsInterval;
    observe_ice(transport.ice(), now);
  }
  if (channels != nullptr) observe_sctp(channels->association().stats(), now);
  if (now >= next_drops_ || ended_) {
    next_drops_ = now + kDropsInterval;
    observe_drops(transport, media, channels, now);
  }
}

void Tracer::observe_ice(const ice::Agent& agent, Time now) {
  if (ice_state_ != agent.state()) {
    ice_state_ = agent.state();
    tell(trace::IceState{ice::to_text(*ice_state_)}, now);
  }
  if (candidates_.size() > kMaxToldCandidates) candidates_.clear();
  const auto tell_new = [&](std::string_view side, const std::vector<ice::Candidate>& candidates) {
    for (const ice::Candidate& candidate : candidates) {
      std::string line = candidate.to_string();
      if (candidates_.insert(cat(side, line)).second) tell(trace::IceCandidate{side, std::move(line)}, now);
    }
  };
  tell_new("local", agent.local_candidates());
  tell_new("remote", agent.remote_candidates());
  std::map<uint32_t, PairSeen> pairs;
  for (const ice::PairStats& pair : agent.pair_stats()) {
    const PairSeen seen{pair.state, pair.nominated, pair.selected};
    pairs[pair.id] = seen;
    const auto before = pairs_.find(pair.id);
    if (before != pairs_.end() && before->second == seen) continue;
    tell(trace::IcePair{pair.id, address_of(pair.local), address_of(pair.remote), to_text(pair.state), pair.nominated,
                        pair.selected, pair.current_rtt},
         now);
  }
  pairs_ = std::move(pairs);
}

void Tracer::observe_sctp(const sctp::Stats& stats, Time now) {
  const trace::SctpLoss loss{stats.chunks_retransmitted - sctp_.chunks_retransmitted,
                             stats.fast_retransmits - sctp_.fast_retransmits, stats.timeouts - sctp_.timeouts};
  if (loss.chunks_retransmitted + loss.fast_retransmits + loss.timeouts != 0) {
    tell(loss, now);
    sctp_.chunks_retransmitted = stats.chunks_retransmitted;
    sctp_.fast_retransmits = stats.fast_retransmits;
    sctp_.timeouts = stats.timeouts;
  }
  if (now < next_metrics_ && !ended_) return;
  const bool same = stats.congestion_window == sctp_.congestion_window &&
                    stats.slow_start_threshold == sctp_.slow_start_threshold && stats.rto == sctp_.rto &&
                    stats.bytes_in_flight == sctp_.bytes_in_flight &&
                    stats.peer_receive_window == sctp_.peer_receive_window;
  if (same) return;
  next_metrics_ = now + kMetricsInterval;
  sctp_ = stats;
  tell(trace::SctpMetrics{stats.congestion_window, stats.slow_start_threshold, stats.bytes_in_flight,
                          stats.peer_receive_window, stats.smoothed_rtt, stats.rto},
       now);
}

void Tracer::observe_drops(const Transport& transport, const Media& media, const datachannel::Channels* channels,
                           Time now) {
  std::map<std::string_view, uint64_t> drops;
  visit_drops(transport, media, channels, [&](std::string_view name, uint64_t count) { drops[name] += count; });
  for (const auto& [reason, count] : drops) {
    // A DTLS association that began anew counts from zero.
    const uint64_t before = drops_[reason];
    if (count != before) tell(trace::Drops{reason, count > before ? count - before : count}, now);
  }
  drops_ = std::move(drops);
}

}  // namespace kaon::peer::internal
