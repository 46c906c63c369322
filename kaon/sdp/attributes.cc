#include "kaon/sdp/attributes.h"

#include <algorithm>

namespace kaon::sdp {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

}  // namespace

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::Inactive: return "inactive";
    case Direction::SendOnly: return "sendonly";
    case Direction::RecvOnly: return "recvonly";
    case Direction::SendRecv: return "sendrecv";
  }
  return "";
}

std::string_view to_string(Setup setup) {
  switch (setup) {
    case Setup::Active: return "active";
    case Setup::Passive: return "passive";
    case Setup::ActPass: return "actpass";
    case Setup::HoldConn: return "holdconn";
  }
  return "";
}

bool equal_ignoring_case(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

bool PayloadFormat::has_feedback(std::string_view value) const {
  return std::ranges::find(feedback, value) != feedback.end();
}

std::optional<std::string_view> parameter(std::string_view parameters, std::string_view key) {
  while (!parameters.empty()) {
    const size_t end = std::min(parameters.find(';'), parameters.size());
    const std::string_view entry = trimmed(parameters.substr(0, end));
    parameters.remove_prefix(std::min(end + 1, parameters.size()));
    const size_t equals = std::min(entry.find('='), entry.size());
    if (!equal_ignoring_case(trimmed(entry.substr(0, equals)), key)) continue;
    return equals == entry.size() ? std::string_view{} : trimmed(entry.substr(equals + 1));
  }
  return std::nullopt;
}

}  // namespace kaon::sdp
