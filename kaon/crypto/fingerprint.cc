#include <algorithm>

#include "kaon/crypto/certificate.h"

namespace kaon::crypto {
namespace {

struct HashName {
  std::string_view name;  // RFC 8122 §5
  HashAlgorithm algorithm;
};
constexpr HashName kHashNames[] = {{"sha-1", HashAlgorithm::Sha1},
                                   {"sha-256", HashAlgorithm::Sha256},
                                   {"sha-384", HashAlgorithm::Sha384},
                                   {"sha-512", HashAlgorithm::Sha512}};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

/// -1 if `c` is no hexadecimal digit.
int hex_value(char c) {
  c = lower(c);
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// "AB:CD:EF" as bytes.
std::optional<std::vector<uint8_t>> parse_hex_pairs(std::string_view text) {
  std::vector<uint8_t> bytes;
  for (;;) {
    if (text.size() < 2 || hex_value(text[0]) < 0 || hex_value(text[1]) < 0) return std::nullopt;
    bytes.push_back(static_cast<uint8_t>(hex_value(text[0]) << 4 | hex_value(text[1])));
    text.remove_prefix(2);
    if (text.empty()) return bytes;
    if (text[0] != ':') return std::nullopt;
    text.remove_prefix(1);
  }
}

}  // namespace

std::optional<Fingerprint> Fingerprint::parse(std::string_view text) {
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto* known = std::find_if(std::begin(kHashNames), std::end(kHashNames), [&](const HashName& candidate) {
    return equal_ignoring_case(candidate.name, text.substr(0, space));
  });
  if (known == std::end(kHashNames)) return std::nullopt;
  const std::string_view hex = text.substr(space + 1);
  if (hex.size() != digest_size(known->algorithm) * 3 - 1) return std::nullopt;
  std::optional<std::vector<uint8_t>> digest = parse_hex_pairs(hex);
  if (!digest) return std::nullopt;
  return Fingerprint{known->algorithm, std::move(*digest)};
}

Fingerprint Fingerprint::of(HashAlgorithm algorithm, ByteView der) {
  const Digest digest = hash(algorithm, der);
  return {algorithm, {digest.view().begin(), digest.view().end()}};
}

std::string Fingerprint::to_string() const {
  std::string text;
  for (const HashName& known : kHashNames) {
    if (known.algorithm == algorithm) text = known.name;
  }
  char separator = ' ';
  for (uint8_t byte : digest) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    text += separator;
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
    separator = ':';
  }
  return text;
}

bool Fingerprint::matches(ByteView der) const { return of(algorithm, der) == *this; }

}  // namespace kaon::crypto
