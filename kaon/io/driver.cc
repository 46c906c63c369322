#include "kaon/io/driver.h"

#include <algorithm>
#include <bit>

namespace kaon::io {

Driver::Driver(Loop& loop, Sender& sender)
    : loop_(loop), sender_(sender), hook_(loop.add_hook([this](Time now) { turn(now); }, Loop::HookKind::OnRequest)) {}

Driver::~Driver() {
  for (const Entry& entry : entries_) {
    if (entry.driven != nullptr) loop_.remove_timer(entry.timer);
  }
  loop_.remove_hook(hook_);
}

ConnectionHandle Driver::attach(Driven& driven) {
  uint32_t index;
  if (free_.empty()) {
    index = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  const ConnectionHandle handle(index);
  Entry& entry = entries_[index];
  entry.driven = &driven;
  entry.deadline = kNever;
  entry.timer = loop_.add_timer([this, handle](Time now) {
    entries_[handle.value()].deadline = kNever;
    entries_[handle.value()].driven->handle_timeout(now);
    touch(handle);
  });
  ++attached_;
  touch(handle);
  return handle;
}

void Driver::detach(ConnectionHandle handle) {
  Entry& entry = entries_[handle.value()];
  KAON_ASSERT(entry.driven != nullptr);
  loop_.remove_timer(entry.timer);
  entry.driven = nullptr;
  --attached_;
  give_back(handle.value());
}

// Behind what waits to be sent, and with it.
void Driver::finish(ConnectionHandle handle) {
  if (!blocked_) {
    drain(*entries_[handle.value()].driven);
    if (!blocked_ && !batch_.empty()) flush();
    more_ = false;
  }
  detach(handle);
}

// A slot that still stands in a list is given back when that list has been gone through.
void Driver::give_back(uint32_t index) {
  const Entry& entry = entries_[index];
  if (entry.driven == nullptr && !entry.touched && !entry.starved) free_.push_back(index);
}

void Driver::receive(ConnectionHandle handle, std::span<const net::Datagram> batch, Time now) {
  entries_[handle.value()].driven->receive(batch, now);
  touch(handle);
}

void Driver::touch(ConnectionHandle handle) {
  Entry& entry = entries_[handle.value()];
  KAON_ASSERT(entry.driven != nullptr);
  if (std::exchange(entry.touched, true)) return;
  touched_.push_back(handle.value());
  if (!in_turn_) loop_.request_hook(hook_);
}

void Driver::writable() {
  if (!std::exchange(blocked_, false) || !flush()) return;
  held_ = {};
  for (const uint32_t index : starved_) {
    Entry& entry = entries_[index];
    entry.starved = false;
    if (entry.driven == nullptr) {
      give_back(index);
    } else {
      touch(ConnectionHandle(index));
    }
  }
  starved_.clear();
}

void Driver::turn(Time now) {
  in_turn_ = true;
  for (size_t visits = 0; !touched_.empty() && visits < kMaxVisitsPerTurn; ++visits) visit(touched_.pop_front(), now);
  if (!blocked_ && !batch_.empty()) flush();
  in_turn_ = false;
  if (!touched_.empty()) loop_.request_hook(hook_);
}

void Driver::visit(uint32_t index, Time now) {
  entries_[index].touched = false;
  if (entries_[index].driven == nullptr) return give_back(index);
  entries_[index].driven->dispatch();
  // In there anything may have happened, also to this slot.
  Entry& entry = entries_[index];
  if (entry.driven == nullptr) return;
  if (blocked_ || !drain(*entry.driven)) {
    // Without a deadline until the socket is writable: a pacer that cannot send would be due for ever.
    schedule(entry, kNever, now);
    if (!std::exchange(entry.starved, true)) starved_.push_back(index);
    return;
  }
  schedule(entry, entry.driven->next_timeout(), now);
  if (std::exchange(more_, false)) touch(ConnectionHandle(index));
}

Time Driver::wake_up(Time deadline, Time now) {
  constexpr Duration kFar = std::chrono::seconds(1);
  if (deadline == kNever || deadline - now < kFar) return deadline;
  // Of powers of two each grid has the points of those that are coarser.
  const auto grid = std::bit_floor(static_cast<uint64_t>((deadline - now).count() / kSlackOfWait));
  const auto at = static_cast<uint64_t>(deadline.time_since_epoch().count());
  return Time(Duration(static_cast<int64_t>((at + grid - 1) & ~(grid - 1))));
}

// A deadline that stays keeps its point of the grid, however near it has come.
void Driver::schedule(Entry& entry, Time deadline, Time now) {
  if (std::exchange(entry.deadline, deadline) != deadline) loop_.schedule(entry.timer, wake_up(deadline, now));
}

// False if the socket is full and the connection may have more to send.
bool Driver::drain(Driven& driven) {
  const Bytes scratch = loop_.scratch();
  for (size_t runs = 0; runs < kMaxRunsPerVisit; ++runs) {
    if ((batch_.size() == kMaxBatch || scratch.size() - used_ < kMaxRun) && !flush()) return false;
    const auto transmit = driven.poll_transmit(scratch.subspan(used_, kMaxRun));
    if (!transmit) return true;
    batch_.push_back({*transmit, scratch.subspan(used_, transmit->size)});
    used_ += transmit->size;
  }
  more_ = true;
  return true;
}

// Sends the batch; false if the socket is full.
bool Driver::flush() {
  const size_t sent = sender_.send(batch_);
  if (sent < batch_.size()) {
    keep_unsent(sent);
    blocked_ = true;
    return false;
  }
  batch_.clear();
  used_ = 0;
  return true;
}

void Driver::keep_unsent(size_t sent) {
  batch_.erase(batch_.begin(), batch_.begin() + static_cast<std::ptrdiff_t>(sent));
  size_t size = 0;
  for (const Outgoing& outgoing : batch_) size += outgoing.bytes.size();
  std::vector<uint8_t> kept;
  kept.reserve(size);
  for (Outgoing& outgoing : batch_) {
    kept.insert(kept.end(), outgoing.bytes.begin(), outgoing.bytes.end());
    outgoing.bytes = ByteView(kept).last(outgoing.bytes.size());
  }
  held_ = std::move(kept);
  used_ = 0;
}

}  // namespace kaon::io
