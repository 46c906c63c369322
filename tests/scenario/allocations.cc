#include "allocations.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<uint64_t> by_new{0};
std::atomic<uint64_t> by_libcrypto{0};
std::atomic<size_t> bytes{0};

void* count(void* p) {
  if (p == nullptr) std::abort();
  bytes.fetch_add(malloc_usable_size(p), std::memory_order_relaxed);
  return p;
}

void forget(void* p) {
  if (p != nullptr) bytes.fetch_sub(malloc_usable_size(p), std::memory_order_relaxed);
}

void* crypto_malloc(size_t size, const char*, int) {
  by_libcrypto.fetch_add(1, std::memory_order_relaxed);
  return count(std::malloc(size));
}

void* crypto_realloc(void* p, size_t size, const char*, int) {
  by_libcrypto.fetch_add(1, std::memory_order_relaxed);
  forget(p);
  return count(std::realloc(p, size));
}

void crypto_free(void* p, const char*, int) {
  forget(p);
  std::free(p);
}

// Before anything of libcrypto has run: later it refuses.
const bool counts_libcrypto = CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1;

}  // namespace

void* operator new(size_t size) {
  by_new.fetch_add(1, std::memory_order_relaxed);
  return count(std::malloc(size));
}
void operator delete(void* p) noexcept {
  forget(p);
  std::free(p);
}
void operator delete(void* p, size_t) noexcept { operator delete(p); }

namespace kaon::scenario {

uint64_t allocations() { return by_new; }

uint64_t libcrypto_allocations() {
  if (!counts_libcrypto) std::abort();
  return by_libcrypto;
}

size_t memory_in_use() { return bytes; }

}  // namespace kaon::scenario
