// A move-only function object: std::move_only_function is missing in libc++ 19.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "kaon/base/assert.h"

namespace kaon {

template <class Signature>
class Function;

/// Owns any callable, also one that cannot be copied. Calling an empty one is a bug (asserted).
template <class R, class... Args>
class Function<R(Args...)> {
 public:
  Function() = default;
  Function(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): reads like std::function
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Function> && std::is_invocable_r_v<R, F&, Args...>)
  Function(F&& f)  // NOLINT(google-explicit-constructor)
      : callable_(std::make_unique<Holder<std::remove_cvref_t<F>>>(std::forward<F>(f))) {}

  R operator()(Args... args) const {
    KAON_ASSERT(callable_ != nullptr);
    return callable_->call(std::forward<Args>(args)...);
  }
  explicit operator bool() const { return callable_ != nullptr; }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual R call(Args... args) = 0;
  };
  template <class F>
  struct Holder final : Base {
    explicit Holder(F&& f) : function(std::move(f)) {}
    explicit Holder(const F& f) : function(f) {}
    R call(Args... args) override { return static_cast<R>(function(std::forward<Args>(args)...)); }
    F function;
  };

  std::unique_ptr<Base> callable_;
};

}  // namespace kaon
