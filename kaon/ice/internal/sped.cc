#include "kaon/ice/internal/sped.h"

#include <algorithm>

#include "kaon/base/crc.h"

namespace kaon::ice::internal {
namespace {

using stun::Attribute;

// The first byte of DTLS records, RFC 9443 §3.
bool is_dtls(ByteView packet) { return !packet.empty() && packet[0] >= 20 && packet[0] <= 63; }

}  // namespace

void Sped::begin(bool agreed) {
  const bool early = state_ == State::Offered;
  state_ = agreed ? State::Active : State::Off;
  pending_.clear();
  finished_ = false;
  // What was received before the answer is acknowledged still.
  if (!early) confirmed_ = false;
  if (!early) ack_count_ = 0;
}

bool Sped::add(ByteView packet) {
  if (state_ != State::Active || packet.size() > kMaxPacket || pending_.size() == kMaxPending) return false;
  pending_.push_back({crc32(packet), {packet.begin(), packet.end()}});
  return true;
}

void Sped::finish(bool flight_arrived) {
  finished_ = true;
  if (flight_arrived) pending_.clear();
}

void Sped::end() {
  if (!finished_ || state_ != State::Active) return;
  pending_.clear();
}

void Sped::acknowledge(ByteView packet) {
  if (state_ == State::Active) remember(crc32(packet));
}

void Sped::remember(uint32_t crc) {
  const auto end = acks_.begin() + static_cast<ptrdiff_t>(ack_count_);
  if (std::find(acks_.begin(), end, crc) != end) return;
  if (ack_count_ == kMaxAcks) {
    std::shift_left(acks_.begin(), acks_.end(), 1);
    --ack_count_;
  }
  acks_[ack_count_++] = crc;
}

void Sped::prune(ByteView acks, Counters<Drop>& drops) {
  if (acks.size() % 4 != 0 || acks.size() > 4 * kMaxAcks) return drops.add(Drop::BadEmbedding);
  for (; !acks.empty(); acks = acks.subspan(4)) {
    std::erase_if(pending_, [crc = load_be32(acks.data())](const Packet& packet) { return packet.crc == crc; });
  }
}

std::optional<ByteView> Sped::receive(const stun::Message& message, Counters<Drop>& drops) {
  if (state_ == State::Off) return std::nullopt;
  const auto packet = message.find(Attribute::DtlsInStun);
  const auto acks = message.find(Attribute::DtlsInStunAck);
  last_had_packet_ = packet.has_value();
  confirmed_ = confirmed_ || packet || acks;
  if (acks) prune(*acks, drops);
  // A peer that does this does it from its first check on.
  const bool request = message.message_class() == stun::Class::Request;
  if (request && !confirmed_ && state_ == State::Active) state_ = State::Off;
  if (state_ == State::Active && finished_ && pending_.empty() && !packet) state_ = State::Done;
  if (!packet || packet->empty()) return std::nullopt;
  if (!is_dtls(*packet)) {
    drops.add(Drop::BadEmbedding);
    return std::nullopt;
  }
  ++stats_.received;
  remember(crc32(*packet));
  return packet;
}

bool Sped::in_answers() const {
  switch (state_) {
    case State::Off: return false;
    case State::Offered: return confirmed_;
    case State::Active: return true;
    case State::Done: return last_had_packet_;
  }
  return false;
}

void Sped::write(stun::Builder& builder, bool small) {
  std::array<uint8_t, 4 * kMaxAcks> acks;
  for (size_t i = 0; i < ack_count_; ++i) store_be32(&acks[4 * i], acks_[i]);
  builder.add(Attribute::DtlsInStunAck, ByteView(acks).first(4 * ack_count_));
  if (pending_.empty() || small) return;
  if (next_ >= pending_.size()) next_ = 0;
  builder.add(Attribute::DtlsInStun, pending_[next_++].bytes);
  ++stats_.sent;
}

}  // namespace kaon::ice::internal
