// What two programs must know of each other to connect, in one line that can be pasted into a chat.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/ice/candidate.h"
#include "kaon/sdp/session_description.h"

namespace kaon::transfer {

enum class InvitationError : uint8_t {
  NotOne,   ///< Something else.
  Damaged,  ///< A part is missing or was changed: the checksum does not fit.
};

/// A connection with one section of data channels, offered or answered, without its constant parts.
struct Invitation {
  enum class Kind : uint8_t { Offer, Answer };
  struct Candidate {
    ice::CandidateType type{};  ///< any but PeerReflexive; over UDP
    net::Endpoint address;
    bool operator==(const Candidate&) const = default;
  };
  /// Longest line. Candidates that do not fit are left out.
  static constexpr size_t kMaxText = 300;

  Kind kind = Kind::Offer;
  /// Of an answer: we begin the DTLS handshake (a=setup:active).
  bool active = false;
  std::string ufrag;
  std::string password;
  std::array<uint8_t, 32> fingerprint{};  ///< SHA-256 of the certificate
  std::vector<Candidate> candidates;
  bool operator==(const Invitation&) const = default;

  /// Out of a local description with a data section (asserted).
  static Invitation of(Kind kind, const sdp::SessionDescription& local);
  /// "kaon-" and Base64 for URLs (RFC 4648 §5), kMaxText characters at most.
  std::string to_text() const;
  /// Blanks and line ends that pasting brings are ignored.
  static Result<Invitation, InvitationError> parse(std::string_view text);
  /// The description that the other side has made, as far as it matters.
  sdp::SessionDescription to_description() const;
};

}  // namespace kaon::transfer
