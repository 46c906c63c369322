#include "kaon/ice/candidate.h"

#include <algorithm>
#include <array>

#include "kaon/base/crc.h"
#include "kaon/base/text.h"
#include "kaon/ice/credentials.h"

namespace kaon::ice {

namespace {

constexpr std::array<std::string_view, 4> kTypes{"host", "srflx", "prflx", "relay"};
constexpr std::array<std::string_view, 4> kTcpTypes{"", "active", "passive", "so"};
constexpr size_t kMaxFoundation = 32;
constexpr size_t kMaxHostname = 255;

// Words between single blanks; tolerates more than one.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}
  std::string_view next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
    const std::string_view word = rest_.substr(0, rest_.find(' '));
    rest_.remove_prefix(word.size());
    return word;
  }

 private:
  std::string_view rest_;
};

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool is_hostname(std::string_view text) {
  // A name needs a letter, so that malformed numeric addresses are not taken for names.
  return text.size() <= kMaxHostname &&
         std::ranges::any_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }) &&
         std::ranges::all_of(
             text, [](char c) { return is_ice_char(c) ? c != '+' && c != '/' : c == '-' || c == '.' || c == '_'; });
}

template <class T>
std::optional<T> index_of(const auto& table, std::string_view text) {
  const auto it = std::ranges::find(table, text);
  if (it == table.end()) return std::nullopt;
  return static_cast<T>(it - table.begin());
}

// The attributes behind the type, in pairs of name and value.
Result<void, CandidateError> parse_attributes(Words& words, Candidate& candidate) {
  std::optional<net::IpAddress> related_ip;
  std::optional<uint16_t> related_port;
  for (std::string_view name = words.next(); !name.empty(); name = words.next()) {
    const std::string_view value = words.next();
    if (value.empty()) return fail(CandidateError::Syntax);
    if (name == "raddr") {
      // A name, or anything else that is no address, is a hidden one, which is written as the unspecified address.
      related_ip = net::IpAddress::parse(value).value_or(net::IpAddress::any(net::Family::V4));
    } else if (name == "rport") {
      related_port = parse_number<uint16_t>(value);
      if (!related_port) return fail(CandidateError::BadAddress);
    } else if (name == "tcptype") {
      const auto type = index_of<TcpType>(kTcpTypes, value);
      if (!type) return fail(CandidateError::BadTransport);
      candidate.tcp_type = *type;
    } else if (name == "network-id") {
      candidate.network_id = parse_number<uint16_t>(value);
    } else if (name == "network-cost") {
      candidate.network_cost = parse_number<uint16_t>(value);
    } else if (name == "ufrag") {
      candidate.ufrag = value;
    } else {
      candidate.extensions.emplace_back(name, value);
    }
  }
  if (related_ip) candidate.related = net::Endpoint{*related_ip, related_port.value_or(0)};
  return {};
}

}  // namespace

std::string_view to_text(CandidateType type) { return kTypes[static_cast<size_t>(type)]; }
std::string_view to_text(TcpType type) { return kTcpTypes[static_cast<size_t>(type)]; }

// RFC 8839 §5.1: candidate:foundation component transport priority address port "typ" type *(name value)
Result<Candidate, CandidateError> Candidate::parse(std::string_view line) {
  if (line.size() > kMaxText) return fail(CandidateError::TooLong);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (std::ranges::any_of(line, [](char c) { return static_cast<unsigned char>(c) < 32; }))
    return fail(CandidateError::Syntax);
  if (line.starts_with("a=")) line.remove_prefix(2);
  if (!line.starts_with("candidate:")) return fail(CandidateError::Syntax);
  line.remove_prefix(std::string_view("candidate:").size());

  Candidate candidate;
  Words words(line);
  candidate.foundation = words.next();
  if (candidate.foundation.empty() || candidate.foundation.size() > kMaxFoundation) {
    return fail(CandidateError::BadFoundation);
  }
  const auto component = parse_number<uint16_t>(words.next());
  if (!component || *component < 1 || *component > 256) return fail(CandidateError::BadComponent);
  candidate.component = *component;
  const std::string_view transport = words.next();
  if (equals_ignoring_case(transport, "udp")) {
    candidate.protocol = net::Protocol::Udp;
  } else if (equals_ignoring_case(transport, "tcp")) {
    candidate.protocol = net::Protocol::Tcp;
  } else {
    return fail(CandidateError::BadTransport);
  }
  const auto priority = parse_number<uint32_t>(words.next());
  if (!priority) return fail(CandidateError::BadPriority);
  candidate.priority = *priority;
  const std::string_view host = words.next();
  const auto ip = net::IpAddress::parse(host);
  if (!ip && !is_hostname(host)) return fail(CandidateError::BadAddress);
  if (!ip) candidate.hostname = host;
  const auto port = parse_number<uint16_t>(words.next());
  if (!port) return fail(CandidateError::BadAddress);
  candidate.address = {ip.value_or(net::IpAddress()), *port};
  if (words.next() != "typ") return fail(CandidateError::Syntax);
  const auto type = index_of<CandidateType>(kTypes, words.next());
  if (!type) return fail(CandidateError::BadType);
  candidate.type = *type;
  if (const auto result = parse_attributes(words, candidate); !result) return fail(result.error());
  if (candidate.protocol == net::Protocol::Tcp && candidate.tcp_type == TcpType::None) {
    return fail(CandidateError::BadTransport);
  }
  return candidate;
}

std::string Candidate::to_string() const {
  std::string out =
      cat("candidate:", foundation, " ", component, protocol == net::Protocol::Udp ? " udp " : " tcp ", priority, " ",
          hostname.empty() ? address.ip.to_string() : hostname, " ", address.port, " typ ", to_text(type));
  if (related) {
    // A hidden address is written as the unspecified one (RFC 8839 §5.1).
    const std::string ip = related->ip.is_none() ? std::string("0.0.0.0") : related->ip.to_string();
    append_to(out, cat(" raddr ", ip, " rport ", related->port));
  }
  if (tcp_type != TcpType::None) append_to(out, cat(" tcptype ", to_text(tcp_type)));
  for (const auto& [name, value] : extensions) append_to(out, cat(" ", name, " ", value));
  if (!ufrag.empty()) append_to(out, cat(" ufrag ", ufrag));
  if (network_id) append_to(out, cat(" network-id ", *network_id));
  if (network_cost) append_to(out, cat(" network-cost ", *network_cost));
  return out;
}

//  15          9 8            1 0
// +-------------+--------------+-+
// | cheapness   | order        |6|    7 bits, 8 bits, 1 bit: IPv6 before IPv4 of the same order
// +-------------+--------------+-+
uint16_t local_preference(net::Family family, uint16_t cost, size_t index) {
  const uint32_t cheapness = 127 - std::min<uint32_t>(cost, 999) * 127 / 999;
  const auto order = static_cast<uint32_t>(255 - std::min<size_t>(index, 255));
  return static_cast<uint16_t>((cheapness << 9) | (order << 1) | (family == net::Family::V6 ? 1 : 0));
}

std::string foundation(CandidateType type, const net::IpAddress& base, net::Protocol protocol,
                       const net::IpAddress& server) {
  const std::string key = cat(to_text(type), " ", base.to_string(), protocol == net::Protocol::Udp ? " udp " : " tcp ",
                              server.is_none() ? std::string() : server.to_string());
  return cat(crc32(as_bytes(key)));
}

}  // namespace kaon::ice
