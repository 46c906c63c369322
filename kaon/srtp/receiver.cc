#include "kaon/srtp/receiver.h"

#include "kaon/srtp/internal/cryptex.h"
#include "kaon/srtp/internal/master_keys.h"
#include "kaon/srtp/internal/packet_index.h"
#include "kaon/srtp/internal/replay_window.h"
#include "kaon/srtp/internal/roc_carrying.h"
#include "kaon/srtp/internal/stream_table.h"

namespace kaon::srtp {
namespace {

using internal::MasterKey;
using internal::PacketId;
using internal::Replay;
using internal::ReplayWindow;

template <size_t kSize>
using Streams = internal::StreamTable<ReplayWindow<kSize>>;

/// Notes an authenticated packet; `stream` is null for a new SSRC.
template <size_t kSize>
void accept(Streams<kSize>& streams, typename Streams<kSize>::Entry* stream, PacketId id) {
  if (stream == nullptr) {
    if (streams.size() == kMaxReceiveStreams) streams.remove_oldest();
    stream = &streams.add(id.ssrc);
  }
  streams.touch(*stream);
  stream->state.accept(id.index);
}

template <size_t kSize>
std::optional<UnprotectError> check_replay(const ReplayWindow<kSize>& window, uint64_t index) {
  switch (window.check(index)) {
    case Replay::New: return std::nullopt;
    case Replay::Seen: return UnprotectError::Replayed;
    case Replay::TooOld: return UnprotectError::TooOld;
  }
  return std::nullopt;
}

}  // namespace

struct Receiver::State {
  State(Profile p, const KeyingMaterial& first, const ExtensionIds& encrypted)
      : profile(p), roc(p), encrypted_extensions(encrypted), keys(p, first, encrypted.any()) {
    keys.choose_none();
  }

  Result<size_t, UnprotectError> unprotect_rtp(ByteView packet, Bytes out, bool remember);
  Result<size_t, UnprotectError> unprotect_rtcp(ByteView packet, Bytes out);

  Profile profile;
  Cryptex cryptex = Cryptex::Off;
  internal::RocCarrying roc;
  ExtensionIds encrypted_extensions;
  internal::MasterKeys keys;
  Streams<kRtpReplayWindow> rtp_streams;
  Streams<kRtcpReplayWindow> rtcp_streams;
  Counters<UnprotectError> dropped_rtp;
  Counters<UnprotectError> dropped_rtcp;
};

// RFC 3711 §3.3: the index is only a guess, and nothing is remembered, until the tag has proved it.
Result<size_t, UnprotectError> Receiver::State::unprotect_rtp(ByteView packet, Bytes out, bool remember) {
  const std::optional<size_t> header_size = internal::rtp_header_size(packet);
  if (!header_size) return fail(UnprotectError::Malformed);
  const uint32_t ssrc = internal::rtp_ssrc(packet);
  const uint16_t sequence = internal::rtp_sequence(packet);
  const size_t overhead = rtp_overhead(profile) + keys.mki_size() + roc.growth(sequence);
  if (packet.size() < *header_size + overhead) return fail(UnprotectError::Malformed);
  const size_t size = packet.size() - overhead;
  if (out.size() < size) return fail(UnprotectError::BufferTooSmall);
  // RFC 9335 §5.2: the mark tells, and only after negotiation.
  const bool hidden = internal::is_cryptex(packet);
  if (hidden && cryptex == Cryptex::Off) return fail(UnprotectError::HeaderEncrypted);
  if (!hidden && cryptex == Cryptex::Required && internal::has_hidden_parts(packet)) {
    return fail(UnprotectError::HeaderInTheClear);
  }

  PacketId id{ssrc, sequence};
  if (roc.carries(sequence)) id.index = roc.index_of(packet, sequence);
  packet = packet.first(packet.size() - roc.growth(sequence));
  MasterKey* const key = keys.of_packet(packet, keys.any().rtp.mki_from_end());
  if (key == nullptr) return fail(UnprotectError::UnknownKey);

  auto* stream = rtp_streams.find(ssrc);
  if (stream != nullptr) {
    if (!roc.carries(sequence)) id.index = internal::estimate_index(stream->state.highest(), sequence);
    if (const auto error = check_replay(stream->state, id.index)) return fail(*error);
    if (id.index > internal::kMaxRtpIndex) return fail(UnprotectError::AuthenticationFailed);
  }
  const size_t mac_cut = roc.mac_cut(sequence);
  const bool authentic = hidden ? key->rtp.open_cryptex(id, *header_size, packet, out.first(size), mac_cut)
                                : key->rtp.open_rtp(id, *header_size, packet, out.first(size), mac_cut);
  if (!authentic) return fail(UnprotectError::AuthenticationFailed);
  if (key->extensions && !hidden) key->extensions->crypt(id, encrypted_extensions, out.first(*header_size));
  if (remember) accept<kRtpReplayWindow>(rtp_streams, stream, id);
  return size;
}

// RFC 3711 §3.4.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |E|                         SRTCP index                         |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
Result<size_t, UnprotectError> Receiver::State::unprotect_rtcp(ByteView packet, Bytes out) {
  const size_t overhead = rtcp_overhead(profile) + keys.mki_size();
  if (!internal::is_rtcp(packet) || packet.size() < internal::kRtcpClearSize + overhead) {
    return fail(UnprotectError::Malformed);
  }
  const size_t size = packet.size() - overhead;
  if (out.size() < size) return fail(UnprotectError::BufferTooSmall);

  MasterKey* const key = keys.of_packet(packet, keys.any().rtcp.mki_from_end());
  if (key == nullptr) return fail(UnprotectError::UnknownKey);
  auto& rtcp = key->rtcp;
  const uint32_t index_word = load_be32(packet.data() + packet.size() - rtcp.index_word_from_end());
  if ((index_word & internal::kRtcpEncryptedBit) != rtcp.encrypted_bit()) {
    return fail(rtcp.encrypted_bit() != 0 ? UnprotectError::NotEncrypted : UnprotectError::Malformed);
  }
  const PacketId id{internal::rtcp_ssrc(packet), index_word & ~internal::kRtcpEncryptedBit};
  auto* stream = rtcp_streams.find(id.ssrc);
  if (stream != nullptr) {
    if (const auto error = check_replay(stream->state, id.index)) return fail(*error);
  }
  if (!rtcp.open_rtcp(id, packet, out.first(size))) return fail(UnprotectError::AuthenticationFailed);
  accept<kRtcpReplayWindow>(rtcp_streams, stream, id);
  return size;
}

Receiver::Receiver(Profile profile, const KeyingMaterial& keys, const ExtensionIds& encrypted)
    : state_(new State(profile, keys, encrypted)) {}
Receiver::Receiver(Receiver&&) noexcept = default;
Receiver& Receiver::operator=(Receiver&&) noexcept = default;
Receiver::~Receiver() = default;

Profile Receiver::profile() const { return state_->profile; }
Result<void, KeyError> Receiver::add_key(const KeyingMaterial& keys) { return state_->keys.add(keys); }
Result<void, KeyError> Receiver::remove_key(ByteView mki) { return state_->keys.remove(mki); }
void Receiver::set_cryptex(Cryptex cryptex) { state_->cryptex = cryptex; }
void Receiver::set_roc_rate(uint16_t every) { state_->roc.set_rate(every); }

Result<size_t, UnprotectError> Receiver::unprotect_rtp(ByteView packet, Bytes out) {
  Result<size_t, UnprotectError> result = state_->unprotect_rtp(packet, out, true);
  if (!result) state_->dropped_rtp.add(result.error());
  return result;
}

void Receiver::unprotect_rtp(std::span<IncomingRtp> packets) {
  for (IncomingRtp& packet : packets) packet.written = unprotect_rtp(packet.packet, packet.out);
}

Result<size_t, UnprotectError> Receiver::unprotect_rtcp(ByteView packet, Bytes out) {
  Result<size_t, UnprotectError> result = state_->unprotect_rtcp(packet, out);
  if (!result) state_->dropped_rtcp.add(result.error());
  return result;
}

bool Receiver::is_authentic_rtp(ByteView packet, Bytes out) const {
  return state_->unprotect_rtp(packet, out, false).has_value();
}

const Counters<UnprotectError>& Receiver::dropped_rtp() const { return state_->dropped_rtp; }
const Counters<UnprotectError>& Receiver::dropped_rtcp() const { return state_->dropped_rtcp; }

}  // namespace kaon::srtp
