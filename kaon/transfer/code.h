// The short code that brings two programs together at a server: "7-copper-violin".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kaon/base/random.h"

namespace kaon::transfer {

/// The number is a mailbox of the server; the words are the password, which the server never sees.
struct Code {
  /// Words are two out of 256: one guess hits with a chance of 1 in 65,536, and there are three.
  static constexpr size_t kWords = 2;

  uint32_t mailbox = 0;
  std::string words;  ///< "copper-violin"

  static Code make(uint32_t mailbox, Random& random);
  /// Letter case and blanks around do not matter. Nothing if it has another form; whether the words exist is not asked,
  /// a mistyped one is just wrong.
  static std::optional<Code> parse(std::string_view text);
  std::string to_string() const;
};

}  // namespace kaon::transfer
