#include "kaon/interceptor/reference_time.h"

#include <algorithm>

#include "kaon/interceptor/sender_statistics.h"

namespace kaon::interceptor {

void ReferenceTimeResponder::on_reference_time(rtp::Ssrc receiver, const rtcp::ReceiverReferenceTime& block, Time now) {
  auto slot = std::ranges::find_if(receivers_,
                                   [&](const Receiver& r) { return r.arrival != Time::min() && r.ssrc == receiver; });
  if (slot == receivers_.end()) slot = std::ranges::min_element(receivers_, {}, &Receiver::arrival);
  *slot = {.ssrc = receiver, .reference = block.ntp_time.compact(), .arrival = now, .fresh = true};
}

std::span<const rtcp::DlrrItem> ReferenceTimeResponder::take_items(Time now) {
  size_t count = 0;
  for (Receiver& receiver : receivers_) {
    if (!std::exchange(receiver.fresh, false)) continue;
    const int64_t delay = std::max<int64_t>(0, (now - receiver.arrival).count());
    items_[count++] = {.receiver = receiver.ssrc,
                       .last_receiver_report = receiver.reference,
                       .delay = static_cast<uint32_t>(delay / 1000 * 65536 / 1'000'000)};
  }
  return std::span(items_).first(count);
}

std::optional<Duration> round_trip_from(const rtcp::Dlrr& dlrr, rtp::Ssrc ours, NtpTime ntp_now) {
  for (const rtcp::DlrrItem& item : dlrr.items) {
    if (item.receiver == ours) return round_trip_of(ntp_now.compact(), item.last_receiver_report, item.delay);
  }
  return std::nullopt;
}

}  // namespace kaon::interceptor
