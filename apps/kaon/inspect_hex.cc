// Packets as hexadecimal text.

#include <vector>

#include "apps/kaon/inspect.h"

namespace kaon::apps {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == ':' || c == ','; }

size_t count_digits(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && digit(text[count]) >= 0) ++count;
  return count;
}

struct Dump {
  std::vector<std::vector<uint8_t>> packets;
  std::optional<std::string> problem;
};

// The forms are those of text2pcap (also as log lines at trace level, one packet each), xxd, hexdump -C, Wireshark, and
// digits with nothing around them. An offset of zero begins a packet.
class HexParser {
 public:
  explicit HexParser(std::string_view text) : text_(text) {}

  Dump parse() {
    for (size_t begin = 0; begin < text_.size() && !dump_.problem;) {
      const size_t end = std::min(text_.find('\n', begin), text_.size());
      parse_line(text_.substr(begin, end - begin));
      begin = end + 1;
    }
    return std::move(dump_);
  }

 private:
  void parse_line(std::string_view line) {
    if (const size_t mark = line.find("_PACKET"); mark != std::string_view::npos) return parse_log_line(line);
    line = line.substr(0, line.find_first_of("#|"));
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    if (line.empty()) return;
    line = after_offset(line);
    if (dump_.packets.empty()) dump_.packets.emplace_back();
    parse_bytes(line);
  }

  void parse_log_line(std::string_view line) {
    const size_t offset = line.find(" 0000 ");
    const size_t end = line.rfind(" # ");
    if (offset == std::string_view::npos || end == std::string_view::npos || end < offset) return;
    dump_.packets.emplace_back();
    parse_bytes(line.substr(offset + 6, end - offset - 6));
  }

  /// An offset is a number of 4 to 8 digits that says how many bytes came before, or zero for a packet's first line.
  std::string_view after_offset(std::string_view line) {
    const size_t digits = count_digits(line);
    if (digits < 4 || digits > 8 || digits == line.size()) return line;
    const char next = line[digits];
    if (next != ':' && next != ' ' && next != '\t') return line;
    size_t offset = 0;
    for (const char c : line.substr(0, digits)) offset = offset * 16 + static_cast<size_t>(digit(c));
    const size_t have = dump_.packets.empty() ? 0 : dump_.packets.back().size();
    if (offset != 0 && offset != have) return line;
    if (offset == 0) dump_.packets.emplace_back();
    line.remove_prefix(digits);
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    // The column of characters stands two or more spaces behind the bytes; hexdump -C has two in the middle as well,
    // and its characters between bars.
    const size_t characters = line.find(next == ':' ? "  " : "   ");
    return line.substr(0, characters);
  }

  void parse_bytes(std::string_view line) {
    while (!line.empty()) {
      if (is_space(line.front())) {
        line.remove_prefix(1);
      } else if (line.starts_with("0x")) {
        line.remove_prefix(2);
      } else if (line.size() < 2 || digit(line[0]) < 0 || digit(line[1]) < 0) {
        const size_t at = static_cast<size_t>(line.data() - text_.data()) + (digit(line[0]) < 0 ? 0 : 1);
        dump_.problem = cat("byte ", at, ": expected a hexadecimal digit, found ",
                            at < text_.size() ? quoted(as_bytes(text_.substr(at, 1))) : std::string("the end"));
        return;
      } else {
        dump_.packets.back().push_back(static_cast<uint8_t>(digit(line[0]) * 16 + digit(line[1])));
        line.remove_prefix(2);
      }
    }
  }

  std::string_view text_;
  Dump dump_;
};

bool looks_like_hex(std::string_view text) {
  if (text.find("_PACKET") != std::string_view::npos && text.find(" 0000 ") != std::string_view::npos) return true;
  while (!text.empty() && (is_space(text.front()) || text.front() == '\n' || text.front() == '#')) {
    // A comment goes to the end of its line.
    text.remove_prefix(text.front() == '#' ? std::min(text.find('\n'), text.size()) : 1);
  }
  if (text.starts_with("0x")) text.remove_prefix(2);
  const size_t digits = count_digits(text);
  if (digits < 2) return false;
  return digits == text.size() || is_space(text[digits]) || text[digits] == '\n';
}

}  // namespace

std::optional<Inspection> inspect_hex(std::string_view text) {
  if (!looks_like_hex(text)) return std::nullopt;
  const Dump dump = HexParser(text).parse();
  Inspection inspection{{}, dump.problem};
  for (size_t i = 0; i < dump.packets.size(); ++i) {
    const std::vector<uint8_t>& packet = dump.packets[i];
    const bool several = dump.packets.size() > 1;
    if (several) inspection.text += cat("#", i + 1, " ", datagram_kind(packet), " ", packet.size(), " bytes\n");
    Outline out(packet, several ? 1 : 0);
    describe_datagram(packet, out);
    inspection.text += out.text();
    if (!inspection.problem && out.problem())
      inspection.problem = several ? cat("packet ", i + 1, ", ", *out.problem()) : out.problem()->to_string();
  }
  return inspection;
}

}  // namespace kaon::apps
