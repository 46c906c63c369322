#include "kaon/sim/pump.h"

#include <algorithm>

namespace kaon::sim {

void Pump::add(std::unique_ptr<detail::Driven> driven, HostId host, uint16_t port) {
  driven->host = host;
  driven->port = port;
  if (of_host_.size() <= host.value()) of_host_.resize(host.value() + 1);
  of_host_[host.value()].push_back(driven.get());
  touched_.push_back(driven.get());
  driven_.push_back(std::move(driven));
}

void Pump::at(Time when, Function<void()> action) {
  Action entry{when, order_++, std::move(action)};
  const auto place =
      std::partition_point(actions_.begin(), actions_.end(), [&](const Action& a) { return a.at > when; });
  actions_.insert(place, std::move(entry));
}

void Pump::touch_all() {
  touched_.clear();
  for (const auto& driven : driven_) {
    driven->touched = true;
    touched_.push_back(driven.get());
  }
}

void Pump::transmit(detail::Driven& driven) {
  while (const auto transmit = driven.poll_transmit(scratch_)) {
    KAON_ASSERT(transmit->size <= scratch_.size());
    network_.send(driven.host, *transmit, ByteView(scratch_).first(transmit->size));
  }
}

// Until nobody has anything to say: a handler may have called any engine.
void Pump::drain() {
  while (!touched_.empty()) {
    detail::Driven& driven = *touched_.back();
    touched_.pop_back();
    driven.touched = false;
    transmit(driven);
    if (driven.poll_events()) touch_all();
    driven.deadline = driven.next_timeout();
  }
}

Time Pump::next_time() const {
  Time next = network_.next_event();
  if (!actions_.empty()) next = std::min(next, actions_.back().at);
  for (const auto& driven : driven_) next = std::min(next, driven->deadline);
  return std::max(next, network_.now());
}

void Pump::run_actions() {
  bool any = false;
  while (!actions_.empty() && actions_.back().at <= now()) {
    Action action = std::move(actions_.back());
    actions_.pop_back();
    action.run();
    any = true;
  }
  if (any) touch_all();
}

void Pump::fire_timeouts() {
  for (const auto& driven : driven_) {
    if (driven->deadline > now()) continue;
    driven->handle_timeout(now());
    if (!std::exchange(driven->touched, true)) touched_.push_back(driven.get());
  }
}

void Pump::deliver(const Network::Arrival& arrival) {
  if (arrival.host.value() >= of_host_.size()) return;
  for (detail::Driven* driven : of_host_[arrival.host.value()]) {
    if (driven->port != 0 && driven->port != arrival.datagram.local.port) continue;
    driven->handle_packet(arrival.datagram, now());
    if (!std::exchange(driven->touched, true)) touched_.push_back(driven);
    return;
  }
}

bool Pump::step(Time deadline) {
  const Time next = next_time();
  if (next > deadline || next == kNever) {
    if (deadline != kNever) network_.receive(deadline);
    return false;
  }
  steps_at_instant_ = next == instant_ ? steps_at_instant_ + 1 : 0;
  instant_ = next;
  KAON_ASSERT(steps_at_instant_ < kMaxStepsPerInstant);
  while (const auto arrival = network_.receive(next)) deliver(*arrival);
  run_actions();
  fire_timeouts();
  return true;
}

}  // namespace kaon::sim
