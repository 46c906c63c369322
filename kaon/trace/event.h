// What a connection tells while it is traced: one typed list, written as JSON lines by json.h. docs/trace.md explains
// each event to people; a test holds that page to this list.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "kaon/base/time.h"

namespace kaon::trace {

enum class Direction : uint8_t { In, Out };
constexpr std::string_view to_string(Direction direction) { return direction == Direction::In ? "in" : "out"; }

// Each event has a name and gives its fields to visit(name, value), in the order in which they are written. Times are
// durations, and become milliseconds.

/// RTCPeerConnectionState of the connection (W3C webrtc §4.3.3).
struct ConnectionState {
  static constexpr std::string_view kName = "connection:state";
  std::string_view state;
  std::string detail;
  void fields(auto&& visit) const {
    visit("state", state);
    visit("detail", std::string_view(detail));
  }
};

struct IceState {
  static constexpr std::string_view kName = "ice:state";
  std::string_view state;
  void fields(auto&& visit) const { visit("state", state); }
};

/// A candidate of either side, as it is signalled: "candidate:…".
struct IceCandidate {
  static constexpr std::string_view kName = "ice:candidate";
  std::string_view side;  ///< "local" or "remote"
  std::string candidate;
  void fields(auto&& visit) const {
    visit("side", side);
    visit("candidate", std::string_view(candidate));
  }
};

/// A candidate pair that is new, or whose state, nomination or selection has changed.
struct IcePair {
  static constexpr std::string_view kName = "ice:pair";
  uint32_t pair = 0;
  std::string local;
  std::string remote;
  std::string_view state;
  bool nominated = false;
  bool selected = false;
  Duration rtt{};
  void fields(auto&& visit) const {
    visit("pair", pair);
    visit("local", std::string_view(local));
    visit("remote", std::string_view(remote));
    visit("state", state);
    visit("nominated", nominated);
    visit("selected", selected);
    visit("rtt_ms", rtt);
  }
};

/// The handshake is done and the peer's certificate fits.
struct DtlsConnected {
  static constexpr std::string_view kName = "dtls:connected";
  std::string_view version;
  std::string_view cipher_suite;
  std::string_view group;
  std::string_view srtp_profile;
  void fields(auto&& visit) const {
    visit("version", version);
    visit("cipher_suite", cipher_suite);
    visit("group", group);
    visit("srtp_profile", srtp_profile);
  }
};

/// Windows and timers of SCTP when they have changed, at most once per kMetricsInterval of the tracer.
struct SctpMetrics {
  static constexpr std::string_view kName = "sctp:metrics";
  uint64_t congestion_window = 0;
  uint64_t slow_start_threshold = 0;
  uint64_t bytes_in_flight = 0;
  uint64_t peer_receive_window = 0;
  Duration smoothed_rtt{};
  Duration rto{};
  void fields(auto&& visit) const {
    visit("congestion_window", congestion_window);
    visit("slow_start_threshold", slow_start_threshold);
    visit("bytes_in_flight", bytes_in_flight);
    visit("peer_receive_window", peer_receive_window);
    visit("smoothed_rtt_ms", smoothed_rtt);
    visit("rto_ms", rto);
  }
};

/// What SCTP found lost since the last such event.
struct SctpLoss {
  static constexpr std::string_view kName = "sctp:loss";
  uint64_t chunks_retransmitted = 0;
  uint64_t fast_retransmits = 0;
  uint64_t timeouts = 0;
  void fields(auto&& visit) const {
    visit("chunks_retransmitted", chunks_retransmitted);
    visit("fast_retransmits", fast_retransmits);
    visit("timeouts", timeouts);
  }
};

/// A generic NACK that was sent or has arrived.
struct Nack {
  static constexpr std::string_view kName = "rtcp:nack";
  Direction direction{};
  uint32_t ssrc = 0;
  uint64_t packets = 0;
  void fields(auto&& visit) const {
    visit("direction", to_string(direction));
    visit("ssrc", ssrc);
    visit("packets", packets);
  }
};

/// A picture loss indication or a full intra request.
struct KeyframeRequest {
  static constexpr std::string_view kName = "rtcp:keyframe_request";
  Direction direction{};
  uint32_t ssrc = 0;
  std::string_view kind;  ///< "pli" or "fir"
  void fields(auto&& visit) const {
    visit("direction", to_string(direction));
    visit("ssrc", ssrc);
    visit("kind", kind);
  }
};

/// Packets dropped for one reason since the last such event of that reason, told about once a second.
struct Drops {
  static constexpr std::string_view kName = "drops";
  std::string_view reason;
  uint64_t packets = 0;
  void fields(auto&& visit) const {
    visit("reason", reason);
    visit("packets", packets);
  }
};

using Event = std::variant<ConnectionState, IceState, IceCandidate, IcePair, DtlsConnected, SctpMetrics, SctpLoss, Nack,
                           KeyframeRequest, Drops>;

/// An event with when and where. The views live for the call that hands the record out.
struct Record {
  Time time;
  /// Which connection: its first local ICE user fragment.
  std::string_view connection;
  const Event& event;
};

}  // namespace kaon::trace
