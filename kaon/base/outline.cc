#include "kaon/base/outline.h"

#include <algorithm>

namespace kaon {
namespace {

std::string more(size_t size, size_t most) { return size > most ? cat(" … ", size - most, " more") : std::string(); }

}  // namespace

std::string short_hex(ByteView bytes, size_t most) {
  return to_hex(bytes.first(std::min(most, bytes.size()))) + more(bytes.size(), most);
}

std::string quoted(ByteView bytes, size_t most) {
  std::string out = "\"";
  for (const uint8_t byte : bytes.first(std::min(most, bytes.size()))) {
    if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
      out += static_cast<char>(byte);
    } else {
      out += "\\x" + to_hex(ByteView(&byte, 1));
    }
  }
  return out + '"' + more(bytes.size(), most);
}

}  // namespace kaon
