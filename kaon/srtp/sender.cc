#include "kaon/srtp/sender.h"

#include <algorithm>
#include <cstring>

#include "kaon/base/assert.h"
#include "kaon/srtp/internal/cryptex.h"
#include "kaon/srtp/internal/master_keys.h"
#include "kaon/srtp/internal/packet_index.h"
#include "kaon/srtp/internal/roc_carrying.h"
#include "kaon/srtp/internal/sent_window.h"
#include "kaon/srtp/internal/stream_table.h"

namespace kaon::srtp {
namespace {

using internal::MasterKey;
using internal::PacketCipher;
using internal::PacketId;
using internal::SentWindow;

/// Into the room that the cipher left for it.
void write_mki(const MasterKey& key, const PacketCipher& cipher, Bytes packet) {
  std::ranges::copy(key.mki, packet.end() - static_cast<ptrdiff_t>(cipher.mki_from_end()));
}

struct SendStream {
  uint64_t highest = 0;
  uint64_t oldest_known = 0;           // nothing is known about lower indices: they may have been used
  std::unique_ptr<SentWindow> window;  // null if lent to a stream used since
};

}  // namespace

struct Sender::State {
  State(Profile p, const KeyingMaterial& first, const ExtensionIds& encrypted)
      : profile(p), roc(p), encrypted_extensions(encrypted), keys(p, first, encrypted.any()) {}

  Result<SendStream*, ProtectError> stream_of(uint32_t ssrc, uint16_t sequence);
  std::unique_ptr<SentWindow> take_window();

  Profile profile;
  bool cryptex = false;
  internal::RocCarrying roc;
  ExtensionIds encrypted_extensions;
  internal::MasterKeys keys;
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

Sender::Sender(Profile profile, const KeyingMaterial& keys, const ExtensionIds& encrypted)
    : state_(new State(profile, keys, encrypted)) {}
Sender::Sender(Sender&&) noexcept = default;
Sender& Sender::operator=(Sender&&) noexcept = default;
Sender::~Sender() = default;

Profile Sender::profile() const { return state_->profile; }
void Sender::set_cryptex(Cryptex cryptex) { state_->cryptex = cryptex != Cryptex::Off; }
void Sender::set_roc_rate(uint16_t every) { state_->roc.set_rate(every); }

Result<void, KeyError> Sender::add_key(const KeyingMaterial& keys) { return state_->keys.add(keys); }
Result<void, KeyError> Sender::remove_key(ByteView mki) { return state_->keys.remove(mki); }

// What was sent with which key is not remembered, so that nothing is sent twice if an old key comes back.
Result<void, KeyError> Sender::use_key(ByteView mki) {
  KAON_TRY(const bool changed, state_->keys.choose(mki));
  if (changed) state_->streams.for_each([](SendStream& stream) { stream.oldest_known = stream.highest + 1; });
  return {};
}

size_t Sender::protected_size(ByteView header, size_t payload_size) const {
  const size_t growth = state_->cryptex && !header.empty() ? internal::cryptex_growth(header) : 0;
  const size_t roc = header.size() < 4 ? 0 : state_->roc.growth(internal::rtp_sequence(header));
  return header.size() + growth + payload_size + rtp_overhead(state_->profile) + state_->keys.mki_size() + roc;
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
  MasterKey& key = state_->keys.current();
  const size_t growth = hide ? internal::cryptex_growth(header) : 0;
  const size_t size = header.size() + growth + payload.size() + rtp_overhead(state_->profile) + key.mki.size();
  const uint32_t ssrc = internal::rtp_ssrc(header);
  const uint16_t sequence = internal::rtp_sequence(header);
  const internal::RocCarrying& roc = state_->roc;
  const size_t size_with_roc = size + roc.growth(sequence);
  if (out.size() < size_with_roc) return fail(ProtectError::BufferTooSmall);

  KAON_TRY(SendStream * stream, state_->stream_of(ssrc, sequence));
  const uint64_t index = internal::estimate_index(stream->highest, sequence);
  if (index > internal::kMaxRtpIndex) return fail(ProtectError::KeyExhausted);
  if (index < stream->oldest_known || stream->highest >= index + kSendWindow) return fail(ProtectError::PacketTooOld);
  if (index > stream->highest) {
    stream->window->advance(stream->highest, index);
    stream->highest = index;
  }

  const PacketId id{ssrc, index};
  const Bytes sealed = out.first(size);
  if (key.extensions && !hide) {
    if (out.data() != header.data()) std::memcpy(out.data(), header.data(), header.size());
    key.extensions->crypt(id, state_->encrypted_extensions, out.first(header.size()));
    header = out.first(header.size());
  }
  if (hide) {
    key.rtp.seal_cryptex(id, header, payload, sealed);
  } else {
    key.rtp.seal_rtp(id, header, payload, sealed);
  }
  if (!key.mki.empty()) write_mki(key, key.rtp, sealed);
  const uint32_t tag = load_be32(out.data() + size - key.rtp.tag_from_end());
  if (stream->window->record(index, tag) == internal::Sent::Different) {
    wipe(out.first(size));
    return fail(ProtectError::PacketReused);
  }
  if (roc.carries(sequence)) roc.write(index, out.first(size_with_roc));
  return size_with_roc;
}

void Sender::protect_rtp(std::span<OutgoingRtp> packets) {
  for (OutgoingRtp& packet : packets) packet.written = protect_rtp(packet.header, packet.payload, packet.out);
}

Result<size_t, ProtectError> Sender::protect_rtcp(ByteView packet, Bytes out) {
  if (!internal::is_rtcp(packet)) return fail(ProtectError::MalformedPacket);
  MasterKey& key = state_->keys.current();
  const size_t size = packet.size() + rtcp_overhead(state_->profile) + key.mki.size();
  if (out.size() < size) return fail(ProtectError::BufferTooSmall);
  if (state_->next_rtcp_index > internal::kMaxRtcpIndex) return fail(ProtectError::KeyExhausted);
  const PacketId id{internal::rtcp_ssrc(packet), state_->next_rtcp_index++};
  key.rtcp.seal_rtcp(id, packet, out.first(size));
  if (!key.mki.empty()) write_mki(key, key.rtcp, out.first(size));
  return size;
}

}  // namespace kaon::srtp
