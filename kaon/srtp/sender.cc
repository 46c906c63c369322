#include "kaon/srtp/sender.h"

#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/srtp/internal/cryptex.h"
#include "kaon/srtp/internal/packet_cipher.h"
#include "kaon/srtp/internal/packet_index.h"
#include "kaon/srtp/internal/sent_window.h"
#include "kaon/srtp/internal/stream_table.h"

namespace kaon::srtp {
namespace {

using internal::PacketCipher;
using internal::PacketId;
using internal::SentWindow;

struct SendStream {
  uint64_t highest = 0;
  uint64_t oldest_known = 0;           // nothing is known about lower indices: they may have been used
  std::unique_ptr<SentWindow> window;  // null if lent to a stream used since
};

}  // namespace

struct Sender::State {
  State(Profile p, const KeyingMaterial& keys)
      : profile(p),
        rtp(PacketCipher::derive(p, internal::Stream::Rtp, keys)),
        rtcp(PacketCipher::derive(p, internal::Stream::Rtcp, keys)) {}

  Result<SendStream*, ProtectError> stream_of(uint32_t ssrc, uint16_t sequence);
  std::unique_ptr<SentWindow> take_window();

  Profile profile;
  bool cryptex = false;
  PacketCipher rtp;
  PacketCipher rtcp;
  internal::StreamTable<SendStream> streams;
  size_t windows = 0;
  // One count for all SSRCs: each sees it grow, with gaps, which is all that RFC 3711 §3.4 needs; so there is no table.
  uint64_t next_rtcp_index = 0;
};

/// A fresh window; beyond the bound that of the stream unused for longest.
std::unique_ptr<SentWindow> Sender::State::take_window() {
  if (windows < kMaxResendingStreams) {
    ++windows;
    return std::make_unique<SentWindow>();
  }
  auto* oldest = streams.oldest_where([](const SendStream& s) { return s.window != nullptr; });
  KAON_ASSERT(oldest != nullptr);
  SendStream& donor = oldest->state;
  std::unique_ptr<SentWindow> window = std::move(donor.window);
  donor.oldest_known = donor.highest + 1;
  *window = SentWindow();
  return window;
}

/// The stream, with a window; new if `ssrc` is.
Result<SendStream*, ProtectError> Sender::State::stream_of(uint32_t ssrc, uint16_t sequence) {
  auto* known = streams.find(ssrc);
  if (known == nullptr) {
    if (streams.size() == kMaxSendStreams) return fail(ProtectError::TooManyStreams);
    std::unique_ptr<SentWindow> window = take_window();
    SendStream& added = streams.add(ssrc).state;
    added.highest = sequence;
    added.window = std::move(window);
    return &added;
  }
  streams.touch(*known);
  if (known->state.window == nullptr) known->state.window = take_window();
  return &known->state;
}

Sender::Sender(Profile profile, const KeyingMaterial& keys) : state_(new State(profile, keys)) {}
Sender::Sender(Sender&&) noexcept = default;
Sender& Sender::operator=(Sender&&) noexcept = default;
Sender::~Sender() = default;

Profile Sender::profile() const { return state_->profile; }
void Sender::set_cryptex(Cryptex cryptex) { state_->cryptex = cryptex != Cryptex::Off; }

size_t Sender::protected_size(ByteView header, size_t payload_size) const {
  const size_t growth = state_->cryptex && !header.empty() ? internal::cryptex_growth(header) : 0;
  return header.size() + growth + payload_size + rtp_overhead(state_->profile);
}

Result<size_t, ProtectError> Sender::protect_rtp(ByteView packet, Bytes out) {
  const std::optional<size_t> header_size = internal::rtp_header_size(packet);
  if (!header_size) return fail(ProtectError::MalformedPacket);
  return protect_rtp(packet.first(*header_size), packet.subspan(*header_size), out);
}

Result<size_t, ProtectError> Sender::protect_rtp(ByteView header, ByteView payload, Bytes out) {
  if (internal::rtp_header_size(header) != header.size()) return fail(ProtectError::MalformedPacket);
  const bool hide = state_->cryptex && internal::has_hidden_parts(header);
  if (hide && !internal::is_encryptable(header)) return fail(ProtectError::NotEncryptable);
  const size_t tag_size = rtp_overhead(state_->profile);
  const size_t size = header.size() + (hide ? internal::cryptex_growth(header) : 0) + payload.size() + tag_size;
  if (out.size() < size) return fail(ProtectError::BufferTooSmall);

  const uint32_t ssrc = internal::rtp_ssrc(header);
  const uint16_t sequence = internal::rtp_sequence(header);
  KAON_TRY(SendStream * stream, state_->stream_of(ssrc, sequence));
  const uint64_t index = internal::estimate_index(stream->highest, sequence);
  if (index > internal::kMaxRtpIndex) return fail(ProtectError::KeyExhausted);
  if (index < stream->oldest_known || stream->highest >= index + kSendWindow) return fail(ProtectError::PacketTooOld);
  if (index > stream->highest) {
    stream->window->advance(stream->highest, index);
    stream->highest = index;
  }

  if (hide) {
    state_->rtp.seal_cryptex(PacketId{ssrc, index}, header, payload, out.first(size));
  } else {
    state_->rtp.seal_rtp(PacketId{ssrc, index}, header, payload, out.first(size));
  }
  const uint32_t tag = load_be32(out.data() + size - tag_size);
  if (stream->window->record(index, tag) == internal::Sent::Different) {
    wipe(out.first(size));
    return fail(ProtectError::PacketReused);
  }
  return size;
}

Result<size_t, ProtectError> Sender::protect_rtcp(ByteView packet, Bytes out) {
  if (!internal::is_rtcp(packet)) return fail(ProtectError::MalformedPacket);
  const size_t size = packet.size() + rtcp_overhead(state_->profile);
  if (out.size() < size) return fail(ProtectError::BufferTooSmall);
  if (state_->next_rtcp_index > internal::kMaxRtcpIndex) return fail(ProtectError::KeyExhausted);
  const PacketId id{internal::rtcp_ssrc(packet), state_->next_rtcp_index++};
  state_->rtcp.seal_rtcp(id, packet, out.first(size));
  return size;
}

}  // namespace kaon::srtp
