#include "kaon/io/timer_heap.h"

#include <utility>

namespace kaon::io {

TimerId TimerHeap::add() {
  if (free_.empty()) {
    timers_.emplace_back();
    return TimerId(static_cast<uint32_t>(timers_.size() - 1));
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  return TimerId(index);
}

void TimerHeap::remove(TimerId id) {
  schedule(id, kNever);
  free_.push_back(id.value());
}

void TimerHeap::schedule(TimerId id, Time deadline) {
  KAON_ASSERT(id.value() < timers_.size());
  Timer& timer = timers_[id.value()];
  if (timer.deadline == deadline) return;
  const bool sooner_than_before = deadline < timer.deadline;
  timer.deadline = deadline;
  if (deadline == kNever) return take_out(timer.place);
  if (timer.place == kNowhere) {
    timer.place = static_cast<uint32_t>(heap_.size());
    heap_.push_back(id.value());
  }
  if (sooner_than_before) {
    sift_up(timer.place);
  } else {
    sift_down(timer.place);
  }
}

bool TimerHeap::pop_due(Time now, TimerId& id) {
  if (next() > now || heap_.empty()) return false;
  id = TimerId(heap_.front());
  timers_[heap_.front()].deadline = kNever;
  take_out(0);
  return true;
}

void TimerHeap::swap(uint32_t a, uint32_t b) {
  std::swap(heap_[a], heap_[b]);
  timers_[heap_[a]].place = a;
  timers_[heap_[b]].place = b;
}

void TimerHeap::sift_up(uint32_t place) {
  while (place > 0 && sooner(place, (place - 1) / 2)) {
    swap(place, (place - 1) / 2);
    place = (place - 1) / 2;
  }
}

void TimerHeap::sift_down(uint32_t place) {
  while (true) {
    uint32_t child = place * 2 + 1;
    if (child >= heap_.size()) return;
    if (child + 1 < heap_.size() && sooner(child + 1, child)) ++child;
    if (!sooner(child, place)) return;
    swap(place, child);
    place = child;
  }
}

void TimerHeap::take_out(uint32_t place) {
  if (place == kNowhere) return;
  const auto last = static_cast<uint32_t>(heap_.size() - 1);
  swap(place, last);
  timers_[heap_.back()].place = kNowhere;
  heap_.pop_back();
  if (place == last) return;
  sift_up(place);
  sift_down(place);
}

}  // namespace kaon::io
