// User fragments and passwords, RFC 8445 §5.3 and RFC 8839 §5.4.
#pragma once

#include <string>
#include <string_view>

#include "kaon/base/random.h"

namespace kaon::ice {

inline constexpr size_t kMinUfrag = 4;
inline constexpr size_t kMinPassword = 22;
inline constexpr size_t kMaxCredential = 256;

struct Credentials {
  std::string ufrag;
  std::string password;

  /// ufrag of 8 characters (48 bits), password of 24 (144 bits). With `ufrag` given, only the password is drawn.
  static Credentials generate(Random& random, std::string_view ufrag = {});
  /// Lengths and ice-chars of both.
  bool valid() const;
  bool operator==(const Credentials&) const = default;
};

/// `count` random ice-chars, 6 bits each: for ufrags that start with something of the caller's own.
std::string random_ice_chars(Random& random, size_t count);
/// ALPHA / DIGIT / "+" / "/".
bool is_ice_char(char c);

}  // namespace kaon::ice
