#include "kaon/ice/credentials.h"

#include <algorithm>
#include <array>

namespace kaon::ice {

namespace {

constexpr std::string_view kIceChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr size_t kUfragChars = 8;
constexpr size_t kPasswordChars = 24;

}  // namespace

bool is_ice_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

std::string random_ice_chars(Random& random, size_t count) {
  std::string out(count, '\0');
  random.fill({reinterpret_cast<uint8_t*>(out.data()), out.size()});
  // 64 characters: six bits each, no bias.
  for (char& c : out) c = kIceChars[static_cast<uint8_t>(c) & 63];
  return out;
}

Credentials Credentials::generate(Random& random, std::string_view ufrag) {
  return {ufrag.empty() ? random_ice_chars(random, kUfragChars) : std::string(ufrag),
          random_ice_chars(random, kPasswordChars)};
}

bool Credentials::valid() const {
  const auto legal = [](std::string_view text, size_t min) {
    return text.size() >= min && text.size() <= kMaxCredential && std::ranges::all_of(text, is_ice_char);
  };
  return legal(ufrag, kMinUfrag) && legal(password, kMinPassword);
}

}  // namespace kaon::ice
