// Candidates on their way after the description: application/trickle-ice-sdpfrag (RFC 8840 §9), the body of a WHIP
// PATCH.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/sdp/session_description.h"

namespace kaon::sdp {

inline constexpr std::string_view kTrickleFragmentMimeType = "application/trickle-ice-sdpfrag";

/// Longest fragment, in bytes.
inline constexpr size_t kMaxFragmentSize = 64 * 1024;

struct TrickleFragment {
  struct Section {
    std::string media = "audio";  ///< As in the description; receivers go by the mid alone.
    std::string mid;
    std::string ice_ufrag;  ///< Empty if the fragment's own count.
    std::string ice_pwd;
    std::vector<std::string> candidates;  ///< "candidate:…", not looked into.
    bool end_of_candidates = false;
    bool operator==(const Section&) const = default;
  };

  std::string ice_ufrag;  ///< For all sections; empty if absent.
  std::string ice_pwd;
  std::vector<std::string> ice_options;
  bool ice_lite = false;
  std::vector<Group> groups;
  bool end_of_candidates = false;  ///< For all sections.
  std::vector<Section> sections;
  bool operator==(const TrickleFragment&) const = default;

  /// As strict as SessionDescription::parse(). Every section must have a mid.
  static Result<TrickleFragment, ParseError> parse(std::string_view text);
  std::string write() const;
};

}  // namespace kaon::sdp
