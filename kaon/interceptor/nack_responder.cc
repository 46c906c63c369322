#include "kaon/interceptor/nack_responder.h"

#include <algorithm>

namespace kaon::interceptor {
namespace {

constexpr Duration kCost = Duration(std::chrono::seconds(1)) / NackResponder::kMaxPerSecond;
constexpr Duration kMaxCredit = kCost * NackResponder::kMaxBurst;

}  // namespace

void NackResponder::refill(Time now) {
  if (refilled_ == Time::min()) {
    credit_ = kMaxCredit;
  } else {
    credit_ = std::min(kMaxCredit, credit_ + std::max(Duration::zero(), now - refilled_));
  }
  refilled_ = std::max(refilled_, now);
}

rtp::Packet NackResponder::make(rtp::Packet packet) {
  ++packets_sent_;
  bytes_sent_ += packet.payload_slice.size;
  if (!rtx_) return packet;
  packet = wrap_for_rtx(std::move(packet), *rtx_, rtx_sequence_);
  ++rtx_sequence_;
  return packet;
}

std::optional<rtp::Packet> NackResponder::retransmission(rtp::SequenceNumber sequence, SendHistory& history, Time now) {
  const auto refuse = [&](Refusal reason) {
    refused_.add(reason);
    return std::nullopt;
  };
  SendHistory::Entry* entry = history.find(sequence);
  if (entry == nullptr) return refuse(Refusal::NotInHistory);
  if (entry->retransmissions == kMaxRetransmissions) return refuse(Refusal::TooOften);
  // The first time is not held back: the NACK itself took a round trip.
  if (entry->retransmissions != 0 && now - entry->sent < std::max(kMinPause, round_trip_))
    return refuse(Refusal::TooSoon);
  if (credit_ < kCost) return refuse(Refusal::RateLimit);
  credit_ -= kCost;
  ++entry->retransmissions;
  entry->sent = now;
  return make(history.packet(*entry));
}

std::optional<rtp::Packet> NackResponder::probe(const SendHistory& history) {
  if (!rtx_ || history.newest() == nullptr) return std::nullopt;
  return make(history.packet(*history.newest()));
}

}  // namespace kaon::interceptor
