#include "kaon/base/buffer.h"

#include <cstring>
#include <new>

#include "kaon/base/assert.h"

namespace kaon {
namespace detail {

// Two classes per power of two keep the waste under a third; 1,216 holds any packet of ours, 1,536 any of an Ethernet
// path.
constexpr std::array<uint32_t, 19> kClassSizes = {128,  192,  256,  384,  512,   768,   1024,  1216,  1536, 2048,
                                                  3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 65536};
constexpr uint32_t kFromHeap = kClassSizes.size();

struct PoolCore {
  std::array<Slot*, kClassSizes.size()> free{};
  // Freed slots of any class, pushed by any thread, taken as a whole by the owner.
  std::atomic<Slot*> returned{nullptr};
  // Slots in use, plus one for the BufferPool itself; the last one out deletes the core.
  std::atomic<int64_t> users{1};
  size_t memory = 0;
};

namespace {

Slot* new_slot(PoolCore* pool, size_t capacity, uint32_t size_class) {
  auto* slot = new (::operator new(sizeof(Slot) + capacity)) Slot{};
  slot->pool = pool;
  slot->capacity = static_cast<uint32_t>(capacity);
  slot->size_class = size_class;
  return slot;
}

void delete_list(Slot* slot) {
  while (slot != nullptr) ::operator delete(std::exchange(slot, slot->next));
}

void leave(PoolCore* core) {
  if (core->users.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (Slot* list : core->free) delete_list(list);
  delete_list(core->returned.load(std::memory_order_acquire));
  delete core;
}

void sort_returned(PoolCore* core) {
  Slot* slot = core->returned.exchange(nullptr, std::memory_order_acquire);
  while (slot != nullptr) {
    Slot* next = slot->next;
    slot->next = std::exchange(core->free[slot->size_class], slot);
    slot = next;
  }
}

uint32_t class_for(size_t size) {
  uint32_t i = 0;
  while (i < kClassSizes.size() && kClassSizes[i] < size) ++i;
  return i;
}

}  // namespace

void release_slot(Slot* slot) {
  if (slot->references.load(std::memory_order_acquire) != 1 &&
      slot->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  PoolCore* core = slot->pool;
  if (slot->size_class == kFromHeap) {
    ::operator delete(slot);
  } else {
    Slot* head = core->returned.load(std::memory_order_relaxed);
    do {
      slot->next = head;
    } while (!core->returned.compare_exchange_weak(head, slot, std::memory_order_release, std::memory_order_relaxed));
  }
  leave(core);
}

}  // namespace detail

void Buffer::resize(size_t size) {
  KAON_ASSERT(size <= capacity());
  size_ = static_cast<uint32_t>(size);
}

BufferPool::BufferPool() : core_(new detail::PoolCore()) {}

BufferPool::~BufferPool() { detail::leave(core_); }

Buffer BufferPool::allocate(size_t size) {
  const uint32_t size_class = detail::class_for(size);
  core_->users.fetch_add(1, std::memory_order_relaxed);
  detail::Slot* slot = nullptr;
  if (size_class == detail::kFromHeap) {
    slot = detail::new_slot(core_, size, size_class);
  } else {
    if (core_->free[size_class] == nullptr) detail::sort_returned(core_);
    slot = core_->free[size_class];
    if (slot != nullptr) {
      core_->free[size_class] = slot->next;
    } else {
      slot = detail::new_slot(core_, detail::kClassSizes[size_class], size_class);
      core_->memory += sizeof(detail::Slot) + slot->capacity;
    }
  }
  slot->next = nullptr;
  slot->references.store(1, std::memory_order_relaxed);
  return Buffer(slot, size);
}

Buffer BufferPool::copy(ByteView bytes) {
  Buffer buffer = allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(buffer.bytes().data(), bytes.data(), bytes.size());
  return buffer;
}

size_t BufferPool::memory() const { return core_->memory; }

}  // namespace kaon
