// What a connection shows to who looks for a fault. Exists only while somebody looks.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "kaon/base/env.h"
#include "kaon/ice/agent.h"
#include "kaon/peer/connection_types.h"
#include "kaon/trace/sink.h"

namespace kaon::peer::internal {

class Media;
class Transport;

/// Stands between the engines of one connection and the program's sink: adds the connection's name and the addresses
/// that engines do not know, writes log lines at trace level, and finds out by comparison what has changed, so that the
/// engines need not tell.
class Tracer final : public trace::Sink {
 public:
  /// Windows and timers of SCTP, and pairs while only data flows, are looked at no more often.
  static constexpr Duration kMetricsInterval = std::chrono::milliseconds(10);
  static constexpr Duration kDropsInterval = std::chrono::seconds(1);
  /// Candidates that are remembered as told; beyond, all are told again.
  static constexpr size_t kMaxToldCandidates = 1024;

  /// Null if there is neither a sink nor a log at trace level; the level is looked at once.
  static std::unique_ptr<Tracer> make(const Env& env);

  void set_connection(std::string name) { connection_ = std::move(name); }
  /// Where packets go from now on.
  void set_path(const ice::Path& path) { path_ = path; }

  /// A datagram as it came, before anything looks into it.
  void received(const net::Datagram& datagram, Time now);
  /// A packet or a run of them as it goes.
  void sent(const net::Transmit& transmit, ByteView bytes, Time now);

  void state_changed(ConnectionState state, const std::string& detail, Time now);
  void secured(const dtls::Connected& connected, Time now);
  /// Tells what has changed since the last call. `channels` may be null.
  void observe(const Transport& transport, const Media& media, const datachannel::Channels* channels, Time now);

  // trace::Sink, for the engines.
  Wants wants() const override { return wants_; }
  void packet(const trace::Packet& packet) override;
  void event(const trace::Record& record) override;

 private:
  struct PairSeen {
    ice::PairState state{};
    bool nominated = false;
    bool selected = false;
    bool operator==(const PairSeen&) const = default;
  };

  Tracer(trace::Sink* sink, Logger& log);
  void tell(trace::Event event, Time now);
  void observe_ice(const ice::Agent& agent, Time now);
  void observe_sctp(const sctp::Stats& stats, Time now);
  void observe_drops(const Transport& transport, const Media& media, const datachannel::Channels* channels, Time now);
  void read_rtcp(const trace::Packet& packet);

  trace::Sink* sink_;  // null for log lines alone
  Logger& log_;
  Wants wants_;
  std::string connection_;
  ice::Path path_;          // of outgoing packets
  ice::Path incoming_;      // of the datagram that is being handled
  bool only_data_ = false;  // was in the last datagram
  bool ended_ = false;
  Time next_ice_ = Time::min();
  Time next_metrics_ = Time::min();
  Time next_drops_ = Time::min();
  std::optional<ice::State> ice_state_;
  std::map<uint32_t, PairSeen> pairs_;
  std::set<std::string> candidates_;
  sctp::Stats sctp_;
  std::map<std::string_view, uint64_t> drops_;
};

}  // namespace kaon::peer::internal
