// SPED (draft-hancke-webrtc-sped): packets of the DTLS handshake carried by connectivity checks and their answers. Here
// they are opaque bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/counters.h"
#include "kaon/ice/types.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/message.h"

namespace kaon::ice::internal {

/// What is to be carried, what has been received, and whether the attributes are written at all. By the draft, and as
/// libwebrtc does where that differs: without empty packets, and the lists outlive messages that carry nothing.
class Sped {
 public:
  /// Packets of one flight; of more, the rest goes its own way.
  static constexpr size_t kMaxPending = 8;
  /// CRC-32 values in one attribute; of more packets received, the oldest are forgotten.
  static constexpr size_t kMaxAcks = 4;
  /// Largest packet carried.
  static constexpr size_t kMaxPacket = 900;
  /// Most that write() adds to a message.
  static constexpr size_t kMaxSize = 4 + 4 * kMaxAcks + 4 + kMaxPacket;

  enum class State : uint8_t {
    Off,      ///< not wanted, or the peer cannot
    Offered,  ///< the peer may use it before its answer is here: what comes is taken and acknowledged
    Active,   ///< checks and answers have the attributes
    Done,     ///< the handshake is over on both sides: only a peer that still carries packets is answered
  };

  explicit Sped(bool offered) : state_(offered ? State::Offered : State::Off) {}

  State state() const { return state_; }
  /// The peer has shown in a check or an answer that it does this.
  bool confirmed() const { return confirmed_; }
  /// Both sides have said that they do this, or not; of a new handshake nothing is left of one before.
  void begin(bool agreed);
  /// What follows are the packets of another flight.
  void begin_flight() { pending_.clear(); }
  /// A packet of the flight; false if it is too large, one too many, or nobody wants it.
  bool add(ByteView packet);
  size_t pending() const { return state_ == State::Active ? pending_.size() : 0; }
  /// The handshake is done here. `flight_arrived`: and that shows that the peer has our last flight.
  void finish(bool flight_arrived);
  /// The peer uses the keys: it has all our flights.
  void end();

  /// The peer's packet came by itself.
  void acknowledge(ByteView packet);
  /// An authenticated check or answer of the peer. The packet it carries, if there is one to be handed on.
  std::optional<ByteView> receive(const stun::Message& message, Counters<Drop>& drops);
  /// Whether check or answer say anything now.
  bool in_checks() const { return state_ == State::Active; }
  bool in_answers() const;
  /// The attributes, with the next packet in turn unless the message is to be small. Before MESSAGE-INTEGRITY.
  void write(stun::Builder& builder, bool small = false);

  const SpedStats& stats() const { return stats_; }

 private:
  struct Packet {
    uint32_t crc = 0;
    std::vector<uint8_t> bytes;
  };
  void prune(ByteView acks, Counters<Drop>& drops);
  void remember(uint32_t crc);

  State state_;
  bool confirmed_ = false;
  bool finished_ = false;         // the handshake here
  bool last_had_packet_ = false;  // the peer's last message
  std::vector<Packet> pending_;
  size_t next_ = 0;
  std::array<uint32_t, kMaxAcks> acks_{};
  size_t ack_count_ = 0;
  SpedStats stats_;
};

}  // namespace kaon::ice::internal
