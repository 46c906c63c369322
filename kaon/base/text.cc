#include "kaon/base/text.h"

#include <cstdio>

namespace kaon {

void append_to(std::string& out, double value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.3f", value);
  out += digits;
}

void append_to(std::string& out, Duration value) {
  append_to(out, static_cast<double>(value.count()) / 1e6);
  out += "ms";
}

}  // namespace kaon
