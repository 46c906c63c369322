// Results of commands. The public headers name only kaon::Result, so that the type behind it may change.
#pragma once

#include <expected>
#include <utility>

namespace kaon {

/// What a command returns: a value, or an error of the module's small enum.
template <class T, class E>
using Result = std::expected<T, E>;

template <class E>
constexpr std::unexpected<std::decay_t<E>> fail(E&& error) {
  return std::unexpected<std::decay_t<E>>(std::forward<E>(error));
}

}  // namespace kaon

#define KAON_CONCAT_(a, b) a##b
#define KAON_CONCAT(a, b) KAON_CONCAT_(a, b)
/// KAON_TRY(auto x, expression): x is the value, or the function returns the error.
#define KAON_TRY(declaration, expression) KAON_TRY_(declaration, expression, KAON_CONCAT(kaon_try_, __LINE__))
#define KAON_TRY_(declaration, expression, name)                                                            \
  auto name = (expression);                                /* NOLINT(bugprone-macro-parentheses): a name */ \
  if (!name) return ::kaon::fail(std::move(name).error()); /* NOLINT(bugprone-macro-parentheses) */         \
  declaration = *std::move(name)                           /* NOLINT(bugprone-macro-parentheses): a declaration */
