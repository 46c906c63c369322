// Checks and decrypts incoming SRTP and SRTCP packets (RFC 3711, RFC 7714).
#pragma once

#include <memory>
#include <span>

#include "kaon/base/bytes.h"
#include "kaon/base/counters.h"
#include "kaon/base/result.h"
#include "kaon/srtp/profile.h"

namespace kaon::srtp {

/// Why a packet was dropped.
enum class UnprotectError : uint8_t {
  Malformed,             // no RTP or RTCP header, or no room for a tag
  BufferTooSmall,        // the caller's `out`
  Replayed,              // this packet was accepted before
  TooOld,                // behind the replay window
  NotEncrypted,          // SRTCP without the E bit, though the profile encrypts
  UnknownKey,            // its master key identifier is none of ours
  HeaderEncrypted,       // by Cryptex, which was not negotiated
  HeaderInTheClear,      // sources or header extensions that Cryptex should have encrypted
  AuthenticationFailed,  // forged, damaged, of another key, or after a loss of more than 32768 packets
  Count
};

/// A packet of a batch and where it goes, and what came of it.
struct IncomingRtp {
  ByteView packet;
  Bytes out;
  Result<size_t, UnprotectError> written = 0;
};

/// SSRCs with state, for RTP and RTCP each. Beyond it the one unused for longest is forgotten, and with it which of its
/// packets were seen: only the holder of the key can bring that about.
inline constexpr size_t kMaxReceiveStreams = 4096;
/// Packets of a stream that may arrive behind its newest one: a second of fast video, for retransmissions under the
/// same SSRC.
inline constexpr size_t kRtpReplayWindow = 1024;
inline constexpr size_t kRtcpReplayWindow = 128;

/// The receiving direction of one key. One thread at a time. Allocates nothing except for a new SSRC. Only packets
/// whose tag is right change any state.
class Receiver {
 public:
  /// Key and salt have the sizes of the profile (asserted); they are not kept. The values of the header extension
  /// elements `encrypted` are decrypted one by one (RFC 6904), except in packets that Cryptex encrypts.
  Receiver(Profile profile, const KeyingMaterial& keys, const ExtensionIds& encrypted = {});
  Receiver(Receiver&&) noexcept;
  Receiver& operator=(Receiver&&) noexcept;
  ~Receiver();

  Profile profile() const;

  /// Another master key, of another identifier of the same size; the first must have one. Packets tell which they are
  /// of, in any order; the replay windows are of streams, whatever the key.
  [[nodiscard]] Result<void, KeyError> add_key(const KeyingMaterial& keys);
  /// Not the last one. No key may be added twice.
  [[nodiscard]] Result<void, KeyError> remove_key(ByteView mki);

  /// From the next packet on. At first Off.
  void set_cryptex(Cryptex cryptex);

  /// From the next packet on: the sender's set_roc_rate(). Of packets that carry the rollover counter that one counts,
  /// once their tag is right, and not the guess.
  void set_roc_rate(uint16_t every);

  /// Writes the plain packet, packet.size() - rtp_overhead() bytes without the identifier's and the rollover counter's
  /// (RFC 4771, with GCM), and returns its size.
  /// `out` starts exactly at `packet` or does not overlap it. After an error the contents of `out` are worthless, and
  /// the reason has been counted. An extension that Cryptex encrypted comes out with the mark that it had before; of
  /// sources without one an empty extension is left.
  [[nodiscard]] Result<size_t, UnprotectError> unprotect_rtp(ByteView packet, Bytes out);
  /// Each packet of a batch as if it came alone, in order.
  void unprotect_rtp(std::span<IncomingRtp> packets);
  /// The same for a compound packet: packet.size() - rtcp_overhead() bytes without the identifier's.
  [[nodiscard]] Result<size_t, UnprotectError> unprotect_rtcp(ByteView packet, Bytes out);
  /// True for a packet that unprotect_rtp() would take. Changes and counts nothing; `out` as there.
  [[nodiscard]] bool is_authentic_rtp(ByteView packet, Bytes out) const;

  const Counters<UnprotectError>& dropped_rtp() const;
  const Counters<UnprotectError>& dropped_rtcp() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kaon::srtp
