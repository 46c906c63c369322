// ICE and DTLS attributes and groups, which may stand at both levels.
#include <algorithm>

#include "kaon/sdp/internal/attribute_parsers.h"
#include "kaon/sdp/internal/line_reader.h"

namespace kaon::sdp::internal {
namespace {

bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// RFC 8839 §5.4: these go into STUN's USERNAME and its key, so nothing but ice-chars passes.
bool is_ice_text(std::string_view text, size_t shortest) {
  return text.size() >= shortest && text.size() <= 256 &&
         std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '+' || c == '/'; });
}

Verdict set_once(std::string_view value, std::string& out) {
  if (!out.empty()) return duplicate("attribute given twice");
  out = value;
  return kFine;
}

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

size_t digest_size(std::string_view algorithm) {
  constexpr std::pair<std::string_view, size_t> kSizes[] = {
      {"sha-1", 20}, {"sha-224", 28}, {"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}};
  for (const auto& [name, size] : kSizes) {
    if (equal_ignoring_case(algorithm, name)) return size;
  }
  return 0;
}

// RFC 8122 §5: "sha-256 4A:AD:…", pairs of hex digits.
Verdict parse_fingerprint(std::string_view value, std::vector<std::string>& out) {
  std::string_view rest = value;
  const std::string_view algorithm = take_word(rest);
  const std::string_view digits = take_word(rest);
  if (!is_token(algorithm) || !rest.empty() || digits.size() % 3 != 2) return bad("malformed a=fingerprint");
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i % 3 == 2 ? digits[i] != ':' : !is_hex(digits[i])) return bad("malformed a=fingerprint");
  }
  const size_t wanted = digest_size(algorithm);
  if (wanted != 0 && (digits.size() + 1) / 3 != wanted) return bad("a=fingerprint of the wrong length");
  if (out.size() >= 16) return bad("too many a=fingerprint lines");
  out.emplace_back(value);
  return kFine;
}

Verdict parse_setup(std::string_view value, std::optional<Setup>& out) {
  if (out) return duplicate("a=setup given twice");
  for (const Setup setup : {Setup::Active, Setup::Passive, Setup::ActPass, Setup::HoldConn}) {
    if (value == to_string(setup)) {
      out = setup;
      return kFine;
    }
  }
  return bad("unknown value of a=setup");
}

Verdict parse_ice_options(std::string_view value, std::vector<std::string>& out) {
  for (std::string_view rest = value; !rest.empty();) {
    const std::string_view option = take_word(rest);
    if (!option.empty() && out.size() < 32 && std::ranges::find(out, option) == out.end()) out.emplace_back(option);
  }
  return kFine;
}

}  // namespace

bool parse_transport_attribute(const Attribute& attribute, TransportAttributes& out, Verdict& verdict) {
  const std::string_view name = attribute.name;
  const std::string_view value = attribute.value;
  if (name == "ice-ufrag") {
    verdict = is_ice_text(value, 4) ? set_once(value, out.ice_ufrag) : bad("a=ice-ufrag must be 4 to 256 ice-chars");
  } else if (name == "ice-pwd") {
    verdict = is_ice_text(value, 22) ? set_once(value, out.ice_pwd) : bad("a=ice-pwd must be 22 to 256 ice-chars");
  } else if (name == "ice-options") {
    verdict = parse_ice_options(value, out.ice_options);
  } else if (name == "fingerprint") {
    verdict = parse_fingerprint(value, out.fingerprints);
  } else if (name == "setup") {
    verdict = parse_setup(value, out.setup);
  } else if (name == "tls-id") {
    verdict = value.empty() || value.size() > 255 ? bad("malformed a=tls-id") : set_once(value, out.tls_id);
  } else {
    return false;
  }
  return true;
}

bool is_mid(std::string_view text) { return text.size() <= kMaxIdLength && is_token(text); }

// RFC 5888 §5.
Verdict parse_group(std::string_view value, std::vector<Group>& out) {
  std::string_view rest = value;
  Group group{std::string(take_word(rest)), {}};
  if (!is_token(group.semantics)) return bad("malformed a=group");
  while (!rest.empty()) {
    const std::string_view mid = take_word(rest);
    if (mid.empty()) continue;
    if (!is_mid(mid) || group.mids.size() >= kMaxMediaSections) return bad("malformed a=group");
    if (std::ranges::find(group.mids, mid) != group.mids.end()) return duplicate("a=group names a mid twice");
    group.mids.emplace_back(mid);
  }
  if (out.size() >= 32) return bad("too many a=group lines");
  out.push_back(std::move(group));
  return kFine;
}

std::optional<Direction> parse_direction(std::string_view text) {
  for (const Direction d : {Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive}) {
    if (text == to_string(d)) return d;
  }
  return std::nullopt;
}

}  // namespace kaon::sdp::internal
