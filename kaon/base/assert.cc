#include "kaon/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace kaon {
namespace {

// The one global of the library: an assertion has no object to ask for its hook.
AssertHook g_hook = nullptr;

}  // namespace

void set_assert_hook(AssertHook hook) { g_hook = hook; }

void assert_failed(const char* condition, const char* file, int line) {
  if (g_hook != nullptr) g_hook(condition, file, line);
  std::fprintf(stderr, "kaon: broken invariant %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace kaon
