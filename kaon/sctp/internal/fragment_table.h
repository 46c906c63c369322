// Finds fragments, and messages that wait for them, in constant time whatever numbers the peer chooses.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "kaon/sctp/internal/slab.h"

namespace kaon::sctp {

/// An open-addressed table with linear probing, at most half full. The hash is keyed by a secret: a peer cannot choose
/// numbers that collide. Allocates only to grow.
class FragmentTable {
 public:
  struct Key {
    uint64_t message = 0;
    uint32_t number = 0;
    bool operator==(const Key&) const = default;
  };
  explicit FragmentTable(uint64_t secret) : secret_(secret | 1) {}

  /// kNil if there is nothing under the key.
  uint32_t find(const Key& key) const {
    if (size_ == 0) return kNil;
    for (size_t i = home(key);; i = next(i)) {
      if (slots_[i].item == kNil || slots_[i].key == key) return slots_[i].item;
    }
  }
  /// The key must be new.
  void put(const Key& key, uint32_t item) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    insert({key, item});
    ++size_;
  }
  /// The key must be there.
  void erase(const Key& key) {
    size_t hole = home(key);
    while (!(slots_[hole].key == key && slots_[hole].item != kNil)) hole = next(hole);
    --size_;
    // What was pushed past the hole moves back into it, so that no search ends early.
    for (size_t i = next(hole); slots_[i].item != kNil; i = next(i)) {
      if (((i - home(slots_[i].key)) & mask()) < ((i - hole) & mask())) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole].item = kNil;
  }
  void trim() {
    if (size_ == 0) slots_ = {};
  }

 private:
  struct Slot {
    Key key;
    uint32_t item = kNil;
  };
  static constexpr size_t kSmallest = 64;

  size_t mask() const { return slots_.size() - 1; }
  size_t next(size_t i) const { return (i + 1) & mask(); }
  size_t home(const Key& key) const {
    uint64_t mixed = (key.message ^ secret_) * 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 32) ^ key.number) * secret_;
    return static_cast<size_t>(mixed ^ (mixed >> 29)) & mask();
  }
  void insert(const Slot& slot) {
    size_t i = home(slot.key);
    while (slots_[i].item != kNil) i = next(i);
    slots_[i] = slot;
  }
  void grow() {
    std::vector<Slot> old(std::max(kSmallest, 2 * slots_.size()));
    std::swap(old, slots_);
    for (const Slot& slot : old) {
      if (slot.item != kNil) insert(slot);
    }
  }

  std::vector<Slot> slots_;  // size is zero or a power of two
  size_t size_ = 0;
  uint64_t secret_;
};

}  // namespace kaon::sctp
