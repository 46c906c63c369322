#include "kaon/transfer/invitation.h"

#include <algorithm>

#include "kaon/base/base64.h"
#include "kaon/base/reader.h"
#include "kaon/base/text.h"
#include "kaon/base/writer.h"
#include "kaon/crypto/certificate.h"
#include "kaon/crypto/hash.h"

namespace kaon::transfer {
namespace {

// Version and flags | ufrag | password | fingerprint | candidates | the first bytes of the SHA-256 of all that.
constexpr std::string_view kPrefix = "kaon-";
constexpr uint8_t kVersion = 1;  // upper four bits of the first byte
constexpr uint8_t kAnswer = 1, kActive = 2;
constexpr uint8_t kIpv6 = 0x80;  // of a candidate's first byte; the rest is its type
constexpr size_t kChecksum = 4;
constexpr size_t kMaxBytes = (Invitation::kMaxText - kPrefix.size()) / 4 * 3;
constexpr uint64_t kMaxMessageSize = 262'144;
constexpr uint16_t kSctpPort = 5000;

std::string for_urls(ByteView bytes) {
  std::string text = to_base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  text.erase(std::ranges::find(text, '='), text.end());
  return text;
}

std::optional<std::vector<uint8_t>> from_url_text(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return from_base64(text);
}

ByteView checksum(const crypto::Digest& digest) { return digest.view().first(kChecksum); }

size_t wire_size(const Invitation::Candidate& candidate) { return 1 + candidate.address.ip.bytes().size() + 2; }

// In this order they are kept while there is room: those of other networks first, then what takes little.
constexpr int kRanks = 4;
int rank(const Invitation::Candidate& candidate) {
  return (candidate.type == ice::CandidateType::Host ? 2 : 0) + (candidate.address.ip.is_v6() ? 1 : 0);
}

void write_candidate(Writer& writer, const Invitation::Candidate& candidate) {
  writer.u8(static_cast<uint8_t>(static_cast<uint8_t>(candidate.type) | (candidate.address.ip.is_v6() ? kIpv6 : 0)));
  writer.bytes(candidate.address.ip.bytes());
  writer.u16(candidate.address.port);
}

std::optional<Invitation::Candidate> read_candidate(Reader& reader) {
  const uint8_t head = reader.u8();
  const auto type = static_cast<ice::CandidateType>(head & ~kIpv6);
  const ByteView ip = reader.bytes((head & kIpv6) != 0 ? 16 : 4);
  const uint16_t port = reader.u16();
  if (!reader.ok() || type > ice::CandidateType::Relayed || type == ice::CandidateType::PeerReflexive) {
    return std::nullopt;
  }
  return Invitation::Candidate{type, {net::IpAddress::from_bytes(ip), port}};
}

// RFC 8839 §5.4; anything else would be more than a value in the description.
bool is_ice_text(std::string_view text, size_t least) {
  return text.size() >= least && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
         });
}

}  // namespace

Invitation Invitation::of(Kind kind, const sdp::SessionDescription& local) {
  KAON_ASSERT(!local.media.empty());
  const sdp::MediaDescription& media = local.media.front();
  const sdp::TransportAttributes transport = sdp::transport_of(local, media);
  Invitation invitation{.kind = kind, .ufrag = transport.ice_ufrag, .password = transport.ice_pwd};
  invitation.active = transport.setup == sdp::Setup::Active;
  for (const std::string& text : transport.fingerprints) {
    const auto fingerprint = crypto::Fingerprint::parse(text);
    if (!fingerprint || fingerprint->algorithm != crypto::HashAlgorithm::Sha256) continue;
    std::ranges::copy(fingerprint->digest, invitation.fingerprint.begin());
  }
  for (const std::string& line : media.candidates) {
    const auto candidate = ice::Candidate::parse(line);
    if (!candidate || candidate->protocol != net::Protocol::Udp || candidate->address.ip.is_none()) continue;
    invitation.candidates.push_back({candidate->type, candidate->address});
  }
  return invitation;
}

std::string Invitation::to_text() const {
  std::array<uint8_t, kMaxBytes> memory;
  Writer writer(Bytes(memory).first(kMaxBytes - kChecksum));
  writer.u8(static_cast<uint8_t>(kVersion << 4 | (kind == Kind::Answer ? kAnswer : 0) | (active ? kActive : 0)));
  for (const std::string& text : {ufrag, password}) {
    writer.u8(static_cast<uint8_t>(text.size()));
    writer.bytes(as_bytes(text));
  }
  writer.bytes(fingerprint);
  for (int wanted = 0; wanted < kRanks; ++wanted) {
    for (const Candidate& candidate : candidates) {
      if (rank(candidate) == wanted && wire_size(candidate) <= writer.available()) write_candidate(writer, candidate);
    }
  }
  const size_t size = writer.size();
  std::ranges::copy(checksum(crypto::hash(crypto::HashAlgorithm::Sha256, writer.written())), memory.begin() + size);
  return cat(kPrefix, for_urls(ByteView(memory).first(size + kChecksum)));
}

Result<Invitation, InvitationError> Invitation::parse(std::string_view text) {
  std::string line(text);
  std::erase_if(line, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
  if (!line.starts_with(kPrefix)) return fail(InvitationError::NotOne);
  if (line.size() > kMaxText) return fail(InvitationError::Damaged);
  const auto bytes = from_url_text(line.substr(kPrefix.size()));
  if (!bytes || bytes->size() < kChecksum) return fail(InvitationError::Damaged);
  const ByteView content = ByteView(*bytes).first(bytes->size() - kChecksum);
  if (!std::ranges::equal(checksum(crypto::hash(crypto::HashAlgorithm::Sha256, content)),
                          ByteView(*bytes).last(kChecksum))) {
    return fail(InvitationError::Damaged);
  }
  Reader reader(content);
  const uint8_t head = reader.u8();
  if (head >> 4 != kVersion) return fail(InvitationError::NotOne);
  Invitation invitation{.kind = (head & kAnswer) != 0 ? Kind::Answer : Kind::Offer, .active = (head & kActive) != 0};
  invitation.ufrag = as_text(reader.vector8());
  invitation.password = as_text(reader.vector8());
  std::ranges::copy(reader.bytes(invitation.fingerprint.size()), invitation.fingerprint.begin());
  while (reader.ok() && !reader.at_end()) {
    const auto candidate = read_candidate(reader);
    if (!candidate) return fail(InvitationError::Damaged);
    invitation.candidates.push_back(*candidate);
  }
  const bool legal = is_ice_text(invitation.ufrag, 4) && is_ice_text(invitation.password, 22);
  if (!reader.ok() || !legal) return fail(InvitationError::Damaged);
  return invitation;
}

sdp::SessionDescription Invitation::to_description() const {
  sdp::SessionDescription description;
  description.origin.session_id = load_be32(fingerprint.data());
  description.groups.push_back({"BUNDLE", {"0"}});
  sdp::MediaDescription& media = description.media.emplace_back();
  media.media = "application";
  media.protocol = "UDP/DTLS/SCTP";
  media.formats = {"webrtc-datachannel"};
  media.connection = "IN IP4 0.0.0.0";
  media.mid = "0";
  media.transport = {
      .ice_ufrag = ufrag,
      .ice_pwd = password,
      .fingerprints = {
          crypto::Fingerprint{crypto::HashAlgorithm::Sha256, {fingerprint.begin(), fingerprint.end()}}.to_string()}};
  media.transport.setup = kind == Kind::Offer ? sdp::Setup::ActPass : active ? sdp::Setup::Active : sdp::Setup::Passive;
  media.sctp_port = kSctpPort;
  media.max_message_size = kMaxMessageSize;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    const auto preference = static_cast<uint16_t>(0xffff - i);
    media.candidates.push_back(ice::Candidate{.foundation = cat(i),
                                              .type = candidate.type,
                                              .priority = ice::candidate_priority(candidate.type, preference),
                                              .address = candidate.address}
                                   .to_string());
  }
  media.end_of_candidates = true;
  return description;
}

}  // namespace kaon::transfer
