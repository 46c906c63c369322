#include "kaon/mdns/name.h"

#include <array>

namespace kaon::mdns {
namespace {

constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx.local";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool is_hidden_name(std::string_view name) {
  if (name.size() != kForm.size()) return false;
  for (size_t i = 0; i < kForm.size(); ++i) {
    const char c = lower(name[i]);
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (kForm[i] == 'x' ? !hex : c != kForm[i]) return false;
  }
  return true;
}

std::string make_hidden_name(Random& random) {
  std::array<uint8_t, 16> bits;
  random.fill(bits);
  bits[6] = static_cast<uint8_t>(0x40 | (bits[6] & 0x0f));  // version
  bits[8] = static_cast<uint8_t>(0x80 | (bits[8] & 0x3f));  // variant
  const std::string digits = to_hex(bits);
  std::string name(kForm);
  size_t next = 0;
  for (char& c : name) {
    if (c == 'x') c = digits[next++];
  }
  return name;
}

std::string lower_case(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = lower(c);
  return out;
}

}  // namespace kaon::mdns
