#include "kaon/dtls/internal/handshake.h"

#include <algorithm>

#include "kaon/base/text.h"

namespace kaon::dtls {

std::vector<std::string> Session::take_key_log_lines() {
  std::vector<std::string> lines = keys13.take_key_log_lines();
  if (std::string line = keys.take_key_log_line(); !line.empty()) lines.push_back(std::move(line));
  return lines;
}

bool fingerprint_fits(const std::vector<crypto::Fingerprint>& fingerprints, ByteView der) {
  auto strongest = crypto::HashAlgorithm::Sha1;
  for (const crypto::Fingerprint& fingerprint : fingerprints) strongest = std::max(strongest, fingerprint.algorithm);
  if (strongest < crypto::HashAlgorithm::Sha256) return false;
  return std::any_of(fingerprints.begin(), fingerprints.end(), [&](const crypto::Fingerprint& fingerprint) {
    return fingerprint.algorithm == strongest && fingerprint.matches(der);
  });
}

std::unexpected<Failure> out_of_turn(HandshakeType type) {
  return fatal(AlertDescription::UnexpectedMessage,
               cat("handshake message ", static_cast<unsigned>(type), " out of turn"));
}

Result<crypto::PublicKey, Failure> accept_certificate(HandshakeContext& context, ByteView der) {
  if (!context.remote_fingerprints.empty() && !fingerprint_fits(context.remote_fingerprints, der))
    return fail(Failure{AlertDescription::BadCertificate, "certificate does not fit the fingerprint",
                        CloseReason::FingerprintMismatch});
  auto key = crypto::PublicKey::from_certificate(der);
  if (!key) return fatal(AlertDescription::UnsupportedCertificate, "certificate of an unsupported kind");
  context.session.peer_certificate.assign(der.begin(), der.end());
  return *std::move(key);
}

const SuiteInfo* choose_suite(const Config& config, Version version, const ClientHello& hello) {
  const Authentication ours = authentication_of(config.certificate.type());
  for (const CipherSuite suite : config.cipher_suites) {
    const SuiteInfo* info = find_suite(static_cast<uint16_t>(suite));
    if (info == nullptr || info->version != version || !hello.cipher_suites.contains(static_cast<uint16_t>(suite)))
      continue;
    if (uses_psk(*info) && !config.psks.empty()) return info;
    if (info->authentication == Authentication::Any || info->authentication == ours) return info;
  }
  return nullptr;
}

SrtpProfileId choose_srtp_profile(const Config& config, const ClientHello& hello) {
  if (!hello.srtp_profiles) return kNoSrtpProfile;
  for (const SrtpProfileId profile : config.srtp_profiles)
    if (hello.srtp_profiles->contains(profile)) return profile;
  return kNoSrtpProfile;
}

std::optional<std::string_view> choose_alpn(const Config& config, const ClientHello& hello) {
  constexpr std::string_view kWebRtc = "webrtc";
  if (config.alpn.empty()) return hello.offers_alpn(kWebRtc) ? kWebRtc : std::string_view();
  if (hello.alpn.empty()) return std::string_view();
  for (const std::string& name : config.alpn)
    if (hello.offers_alpn(name)) return name;
  return std::nullopt;
}

Result<void, Failure> take_alpn(HandshakeContext& context, std::optional<std::string_view> chosen) {
  if (!chosen) return {};
  const std::vector<std::string>& offered = context.config.alpn;
  if (offered.empty())
    return fatal(AlertDescription::UnsupportedExtension, "server answered an extension that was not offered");
  if (!contains(offered, *chosen))
    return fatal(AlertDescription::IllegalParameter, "server chose a protocol name that was not offered");
  context.session.alpn = *chosen;
  return {};
}

std::optional<ByteView> answer_connection_id(HandshakeContext& context, const ClientHello& hello) {
  const auto& ours = context.config.connection_id;
  if (!ours || !hello.connection_id || hello.connection_id->size() + kMinMtu > context.mtu) return std::nullopt;
  context.records.use_connection_ids(*ours, {hello.connection_id->begin(), hello.connection_id->end()});
  return *ours;
}

bool answer_return_routability(HandshakeContext& context, const ClientHello& hello, bool with_connection_id) {
  context.session.return_routability =
      with_connection_id && context.config.return_routability && hello.return_routability;
  return context.session.return_routability;
}

bool take_connection_id(HandshakeContext& context, const ServerHello& hello) {
  if (hello.return_routability && (!context.config.return_routability || !hello.connection_id)) return false;
  context.session.return_routability = hello.return_routability;
  if (!hello.connection_id) return true;
  const auto& ours = context.config.connection_id;
  if (!ours || hello.connection_id->size() + kMinMtu > context.mtu) return false;
  context.records.use_connection_ids(*ours, {hello.connection_id->begin(), hello.connection_id->end()});
  return true;
}

std::vector<crypto::Group> available_groups(const Config& config) {
  std::vector<crypto::Group> groups = config.groups;
  std::erase_if(groups, [](crypto::Group group) { return !crypto::group_available(group); });
  return groups;
}

std::optional<crypto::Group> choose_shared_group(const std::vector<crypto::Group>& ours, const ClientHello& hello) {
  for (const crypto::Group group : ours)
    if (hello.share_of(group)) return group;
  return std::nullopt;
}

std::optional<crypto::Group> choose_offered_group(const std::vector<crypto::Group>& ours, const ClientHello& hello) {
  for (const crypto::Group group : ours)
    if (hello.supported_groups->contains(static_cast<uint16_t>(group))) return group;
  return std::nullopt;
}

}  // namespace kaon::dtls
