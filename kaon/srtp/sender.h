// Protects outgoing RTP and RTCP packets (RFC 3711, RFC 7714).
#pragma once

#include <memory>
#include <span>

#include "kaon/base/bytes.h"
#include "kaon/base/result.h"
#include "kaon/srtp/profile.h"

namespace kaon::srtp {

enum class ProtectError : uint8_t {
  MalformedPacket,  // no RTP or RTCP header, or in the form with two parts not exactly a header
  BufferTooSmall,   // `out` has no room for the packet and its overhead
  NotEncryptable,   // Cryptex is on and the header extension is none of RFC 8285 without "appbits"
  PacketReused,     // other bytes went out under this SSRC and sequence number before
  PacketTooOld,     // so far behind the newest that we cannot tell whether it went out before
  TooManyStreams,   // kMaxSendStreams SSRCs have been used with this key
  KeyExhausted,     // 2^48 RTP packets of one SSRC, or 2^31 RTCP packets: the connection needs a new handshake
};

/// A packet of a batch: header, payload and output as for one packet, and what came of it.
struct OutgoingRtp {
  ByteView header;
  ByteView payload;
  Bytes out;
  Result<size_t, ProtectError> written = 0;
};

/// SSRCs that one key may ever protect. None is forgotten, because forgetting how far a stream came means to encrypt
/// twice with the same key stream when it returns.
inline constexpr size_t kMaxSendStreams = 16384;
/// How many of them, last used first, may also resend: 2 KiB each, allocated with the first packet.
inline constexpr size_t kMaxResendingStreams = 1024;
/// How far behind the newest packet of a stream another may be.
inline constexpr size_t kSendWindow = 512;

/// The sending direction of one key. One thread at a time. Allocates nothing except for a new SSRC.
///
/// Sequence numbers may come out of order and with gaps; the rollover counter is kept here. The first of a stream
/// should be below 32768, or a loss at its start may leave the receiver with the wrong counter (RFC 3711 §3.3.1). A
/// packet may be sent again (a retransmission without RTX) if all of it is the same as before, header extensions
/// included: the result is then the same too. Anything else under the same sequence number is refused, since it would
/// give away the payloads and, with GCM, the authentication key.
class Sender {
 public:
  /// Key and salt have the sizes of the profile (asserted); they are not kept. The values of the header extension
  /// elements `encrypted` go out encrypted one by one (RFC 6904), except in packets that Cryptex encrypts.
  Sender(Profile profile, const KeyingMaterial& keys, const ExtensionIds& encrypted = {});
  Sender(Sender&&) noexcept;
  Sender& operator=(Sender&&) noexcept;
  ~Sender();

  Profile profile() const;

  /// Another master key, of another identifier of the same size; the first must have one.
  [[nodiscard]] Result<void, KeyError> add_key(const KeyingMaterial& keys);
  /// Not the one that is sent with. Its identifier may then name another; no key may be added twice.
  [[nodiscard]] Result<void, KeyError> remove_key(ByteView mki);
  /// From the next packet on, for all streams; at first the key given at construction. Sequence numbers and rollover
  /// counters go on. What went out before cannot be sent again: that is what RTX is for.
  [[nodiscard]] Result<void, KeyError> use_key(ByteView mki);

  /// From the next packet on. A packet with sources or header extensions goes out with these encrypted; others are as
  /// ever. At first Off.
  void set_cryptex(Cryptex cryptex);
  /// From the next packet on, every packet whose sequence number `every` divides carries the rollover counter (RFC
  /// 4771), so that receivers who join late, or lost more than 32768 packets, find it. The profile must be able to
  /// (asserted). Zero: none does, as at first. Both sides have to agree on it by other means.
  ///
  /// With AES-CM and NULL such a packet has only 6 bytes of MAC.
  void set_roc_rate(uint16_t every);
  /// Bytes of the protected packet: `header` as below, so many bytes of payload, identifier and tag; four more if
  /// Cryptex is on and there are sources but no extension, and roc_overhead() if it carries the rollover counter. A
  /// header that is none counts with its size.
  size_t protected_size(ByteView header, size_t payload_size) const;

  /// Writes the protected packet, protected_size() bytes, and returns its size. `out` starts exactly at `packet` or
  /// does not overlap it. After an error the contents of `out` are worthless.
  [[nodiscard]] Result<size_t, ProtectError> protect_rtp(ByteView packet, Bytes out);
  /// The same with the parts of the packet apart: `header` up to and with its extension, then the payload with any
  /// padding. So many receivers' headers go with one shared payload, in one pass. `payload` may be at its place in
  /// `out`.
  [[nodiscard]] Result<size_t, ProtectError> protect_rtp(ByteView header, ByteView payload, Bytes out);
  /// Each packet of a batch as if it came alone, in order: one that fails keeps none of the others back.
  void protect_rtp(std::span<OutgoingRtp> packets);
  /// Writes the protected compound packet, packet.size() + rtcp_overhead() bytes and those of the
  /// identifier. Same overlap rule.
  [[nodiscard]] Result<size_t, ProtectError> protect_rtcp(ByteView packet, Bytes out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kaon::srtp
