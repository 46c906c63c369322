// Pooled memory for packets that outlive a call.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <utility>

#include "kaon/base/bytes.h"

namespace kaon {

namespace detail {

struct PoolCore;

/// Header in front of the bytes of every slot.
struct Slot {
  PoolCore* pool;
  Slot* next;
  std::atomic<uint32_t> references;
  uint32_t capacity;
  uint32_t size_class;
  uint8_t* data() { return reinterpret_cast<uint8_t*>(this + 1); }
};

void release_slot(Slot* slot);

}  // namespace detail

/// Unique, movable owner of one pooled slot. May be freed on another loop: the slot finds its way home.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(slot_, other.slot_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() {
    if (slot_ != nullptr) detail::release_slot(slot_);
  }

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  size_t capacity() const { return slot_ == nullptr ? 0 : slot_->capacity; }
  Bytes bytes() { return slot_ == nullptr ? Bytes{} : Bytes{slot_->data(), size_}; }
  ByteView view() const { return slot_ == nullptr ? ByteView{} : ByteView{slot_->data(), size_}; }
  /// Changes the size within capacity() (asserted); the bytes stay.
  void resize(size_t size);

 private:
  friend class BufferPool;
  friend class SharedBuffer;
  Buffer(detail::Slot* slot, size_t size) : slot_(slot), size_(static_cast<uint32_t>(size)) {}

  detail::Slot* slot_ = nullptr;
  uint32_t size_ = 0;
};

/// Read-only, counted view of a Buffer: fan-out and retransmission history. Plaintext only; copying it costs one atomic
/// increment, so pass it once per loop and not once per viewer.
class SharedBuffer {
 public:
  SharedBuffer() = default;
  explicit SharedBuffer(Buffer&& buffer)
      : slot_(std::exchange(buffer.slot_, nullptr)), size_(std::exchange(buffer.size_, 0)) {}
  SharedBuffer(const SharedBuffer& other) : slot_(other.slot_), size_(other.size_) {
    if (slot_ != nullptr) slot_->references.fetch_add(1, std::memory_order_relaxed);
  }
  SharedBuffer(SharedBuffer&& other) noexcept
      : slot_(std::exchange(other.slot_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  SharedBuffer& operator=(SharedBuffer other) noexcept {
    std::swap(slot_, other.slot_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~SharedBuffer() {
    if (slot_ != nullptr) detail::release_slot(slot_);
  }

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  ByteView view() const { return slot_ == nullptr ? ByteView{} : ByteView{slot_->data(), size_}; }

 private:
  detail::Slot* slot_ = nullptr;
  uint32_t size_ = 0;
};

/// Slots of fitting size classes (128 bytes to 64 KiB, powers of two with a step between; larger ones come from the
/// heap). One pool per loop; allocate() is called on that loop only, buffers may be freed anywhere and may outlive the
/// pool.
class BufferPool {
 public:
  BufferPool();
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  /// A buffer of exactly `size` bytes, contents undefined.
  Buffer allocate(size_t size);
  /// A buffer with a copy of `bytes`.
  Buffer copy(ByteView bytes);
  /// Bytes held by the pool, in use and free.
  size_t memory() const;

 private:
  detail::PoolCore* core_;
};

}  // namespace kaon
