// Checks of our own invariants. On in release builds: a broken invariant in a media server must be seen.
#pragma once

namespace kaon {

/// Called with the failed condition and its place; must not return. Replaceable by the program, for example to write
/// a crash report first. Not thread-safe: set it once at start.
using AssertHook = void (*)(const char* condition, const char* file, int line);
void set_assert_hook(AssertHook hook);

[[noreturn]] void assert_failed(const char* condition, const char* file, int line);

}  // namespace kaon

#define KAON_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::kaon::assert_failed(#condition, __FILE__, __LINE__))
