// This program counts what it allocates.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kaon::scenario {

/// Calls of operator new so far.
uint64_t allocations();
/// Calls of libcrypto's allocator so far.
uint64_t libcrypto_allocations();
/// Bytes allocated now, by both.
size_t memory_in_use();

}  // namespace kaon::scenario
