#include "options.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string_view>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/dtls/connection.h"

namespace kaon::bogo {

namespace {

using std::chrono::milliseconds;

/// Files of the certificate and numbers that only together make a configuration.
struct Parts {
  Options options;
  std::string certificate_file;
  std::string key_file;
  bool no12 = false;
  bool no13 = false;
  std::vector<crypto::Group> groups;
};

struct Flag {
  bool has_value;
  std::function<void(Parts&, const std::string&)> apply;
};

void ignore(Parts&, const std::string&) {}
constexpr bool kValue = true;
constexpr bool kNoValue = false;

dtls::Version version_of(const std::string& value) {
  const unsigned long number = std::stoul(value);
  if (number == static_cast<uint16_t>(dtls::Version::Dtls12)) return dtls::Version::Dtls12;
  if (number == static_cast<uint16_t>(dtls::Version::Dtls13)) return dtls::Version::Dtls13;
  unimplemented("DTLS 1.0");
}

void set_min_version(Parts& parts, const std::string& value) {
  // Who takes 1.0 takes 1.2 too.
  if (value != "65279") parts.options.config.min_version = version_of(value);
}
void set_max_version(Parts& parts, const std::string& value) { parts.options.config.max_version = version_of(value); }

void set_srtp_profiles(Parts& parts, const std::string& names) {
  static const std::map<std::string, dtls::SrtpProfileId> known = {{"SRTP_AES128_CM_SHA1_80", 1},
                                                                   {"SRTP_AES128_CM_SHA1_32", 2},
                                                                   {"SRTP_AEAD_AES_128_GCM", 7},
                                                                   {"SRTP_AEAD_AES_256_GCM", 8}};
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ':');) {
    const auto found = known.find(name);
    if (found == known.end()) unimplemented("SRTP profile " + name);
    parts.options.config.srtp_profiles.push_back(found->second);
  }
}

void add_group(Parts& parts, const std::string& value) {
  const auto group = static_cast<crypto::Group>(std::stoul(value));
  const std::array known = {crypto::Group::Secp256r1, crypto::Group::Secp384r1, crypto::Group::X25519,
                            crypto::Group::X25519MlKem768};
  if (std::find(known.begin(), known.end(), group) == known.end()) unimplemented("group " + value);
  if (!crypto::group_available(group)) unimplemented("a group that this libcrypto lacks");
  parts.groups.push_back(group);
}

/// Each name has a byte before it that says its length.
void offer_alpn(Parts& parts, const std::string& names) {
  for (size_t at = 0; at < names.size(); at += 1 + static_cast<uint8_t>(names[at]))
    parts.options.config.alpn.push_back(names.substr(at + 1, static_cast<uint8_t>(names[at])));
}

void set_peer(Parts& parts, const std::string& hex) {
  std::string text = "sha-256 ";
  for (size_t i = 0; i < hex.size(); i += 2) text += (i == 0 ? "" : ":") + hex.substr(i, 2);
  parts.options.config.remote_fingerprints = {crypto::Fingerprint::parse(text).value()};
}

const std::map<std::string, Flag>& flags() {
  static const auto* all = new std::map<std::string, Flag>{
      {"-port", {kValue, [](Parts& p, auto& v) { p.options.port = static_cast<uint16_t>(std::stoul(v)); }}},
      {"-shim-id", {kValue, [](Parts& p, auto& v) { p.options.shim_id = std::stoull(v); }}},
      {"-ipv6", {kNoValue, [](Parts& p, auto&) { p.options.ipv6 = true; }}},
      {"-server", {kNoValue, [](Parts& p, auto&) { p.options.config.role = dtls::Role::Server; }}},
      {"-kaon-peer-sha256", {kValue, set_peer}},
      {"-kaon-handshake-timeout-ms",
       {kValue, [](Parts& p, auto& v) { p.options.config.handshake_timeout = milliseconds(std::stoul(v)); }}},
      {"-cert-file", {kValue, [](Parts& p, auto& v) { p.certificate_file = v; }}},
      {"-key-file", {kValue, [](Parts& p, auto& v) { p.key_file = v; }}},
      {"-min-version", {kValue, set_min_version}},
      {"-max-version", {kValue, set_max_version}},
      {"-no-tls12", {kNoValue, [](Parts& p, auto&) { p.no12 = true; }}},
      {"-no-tls13", {kNoValue, [](Parts& p, auto&) { p.no13 = true; }}},
      {"-curves", {kValue, add_group}},
      {"-srtp-profiles", {kValue, set_srtp_profiles}},
      {"-mtu", {kValue, [](Parts& p, auto& v) { p.options.config.mtu = std::stoul(v); }}},
      {"-initial-timeout-duration-ms",
       {kValue, [](Parts& p, auto& v) { p.options.config.initial_timeout = milliseconds(std::stoul(v)); }}},
      {"-shim-writes-first", {kNoValue, [](Parts& p, auto&) { p.options.write_first = "hello"; }}},
      {"-read-with-unfinished-write",
       {kNoValue, [](Parts& p, auto&) { p.options.write_first_late = !(p.options.write_first = "hello").empty(); }}},
      {"-shim-shuts-down", {kNoValue, [](Parts& p, auto&) { p.options.shuts_down = true; }}},
      {"-key-update", {kNoValue, [](Parts& p, auto&) { p.options.key_update = true; }}},
      {"-key-update-before-read", {kNoValue, [](Parts& p, auto&) { p.options.key_update_before_read = true; }}},
      {"-export-keying-material", {kValue, [](Parts& p, auto& v) { p.options.export_bytes = std::stoul(v); }}},
      {"-export-label", {kValue, [](Parts& p, auto& v) { p.options.export_label = v; }}},
      {"-export-context", {kValue, [](Parts& p, auto& v) { p.options.export_context = v; }}},
      {"-expect-version", {kValue, [](Parts& p, auto& v) { p.options.expect_version = std::stoul(v); }}},
      {"-expect-cipher", {kValue, [](Parts& p, auto& v) { p.options.expect_cipher = std::stoul(v); }}},
      {"-expect-curve-id", {kValue, [](Parts& p, auto& v) { p.options.expect_group = std::stoul(v); }}},
      {"-expect-peer-cert-file", {kValue, [](Parts& p, auto& v) { p.options.expect_peer_certificate = v; }}},
      {"-advertise-alpn", {kValue, offer_alpn}},
      {"-expect-alpn", {kValue, [](Parts& p, auto& v) { p.options.expect_alpn = v; }}},
      {"-select-alpn", {kValue, [](Parts& p, auto& v) { p.options.config.alpn = {p.options.expect_alpn = v}; }}},
      {"-reject-alpn", {kNoValue, [](Parts& p, auto&) { p.options.config.alpn = {"of nobody"}; }}},
      {"-decline-alpn", {kNoValue, ignore}},  // none of the runner's names is webrtc
      // What was offered Kaon does not tell; the case names what is to be chosen of it, too.
      {"-expect-advertised-alpn", {kValue, ignore}},
      // True of Kaon always, or without meaning for it.
      {"-dtls", {kNoValue, ignore}},
      {"-async", {kNoValue, ignore}},
      {"-no-tls1", {kNoValue, ignore}},
      {"-no-tls11", {kNoValue, ignore}},
      {"-no-ticket", {kNoValue, ignore}},
      {"-trust-cert", {kValue, ignore}},
      {"-verify-peer", {kNoValue, ignore}},
      {"-require-any-client-certificate", {kNoValue, ignore}},
      {"-use-custom-verify-callback", {kNoValue, ignore}},
      {"-expect-verify-result", {kNoValue, ignore}},
      {"-expect-extended-master-secret", {kNoValue, ignore}},
      {"-expect-secure-renegotiation", {kNoValue, ignore}},
      {"-expect-no-session", {kNoValue, ignore}},
      {"-implicit-handshake", {kNoValue, ignore}},
      {"-handshake-twice", {kNoValue, ignore}},
      {"-no-op-extra-handshake", {kNoValue, ignore}},
      {"-check-close-notify", {kNoValue, ignore}},
      {"-use-export-context", {kNoValue, ignore}},
      {"-server-preference", {kNoValue, ignore}},
  };
  return *all;
}

crypto::Certificate certificate_of(const Parts& parts) {
  if (parts.certificate_file.empty()) {
    crypto::SystemRandom random;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random,
                                         std::chrono::duration_cast<std::chrono::seconds>(now));
  }
  auto certificate = crypto::Certificate::from_pem(read_file(parts.certificate_file), read_file(parts.key_file));
  if (!certificate) unimplemented("this kind of key");
  return *std::move(certificate);
}

Options finish(Parts parts) {
  dtls::Config& config = parts.options.config;
  if (parts.no13) config.max_version = dtls::Version::Dtls12;
  if (parts.no12) config.min_version = dtls::Version::Dtls13;
  if (config.min_version == dtls::Version::Dtls13 && config.max_version == dtls::Version::Dtls12)
    unimplemented("DTLS 1.0");
  if (!parts.groups.empty()) config.groups = parts.groups;
  config.certificate = certificate_of(parts);
  return std::move(parts.options);
}

}  // namespace

void unimplemented(const std::string& what) {
  std::fprintf(stderr, "not in Kaon: %s\n", what.c_str());
  std::exit(kUnimplemented);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (file) return text.str();
  std::fprintf(stderr, "cannot read %s\n", path.c_str());
  std::exit(kFailed);
}

Options parse_options(int argc, char** argv) {
  crypto::SystemRandom random;
  Parts parts{
      .options = {.config = {.certificate = crypto::Certificate::generate(crypto::KeyType::Ed25519, random, {})}}};
  parts.options.config.srtp_profiles.clear();
  // BoringSSL has these by default.
  for (const auto suite : {dtls::CipherSuite::EcdheEcdsaAes128CbcSha, dtls::CipherSuite::EcdheEcdsaAes256CbcSha,
                           dtls::CipherSuite::EcdheRsaAes128CbcSha, dtls::CipherSuite::EcdheRsaAes256CbcSha})
    parts.options.config.cipher_suites.push_back(suite);
  parts.options.config.initial_timeout = milliseconds(400);
  parts.options.config.handshake_timeout = std::chrono::hours(1);  // some cases lose a flight a dozen times
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    const bool later = name.starts_with("-on-resume-") || name.starts_with("-on-retry-");
    if (later || name.starts_with("-on-initial-")) name = name.substr(name.find('-', 4));
    const auto flag = flags().find(name);
    if (flag == flags().end() || (flag->second.has_value && i + 1 == argc)) unimplemented(name);
    const std::string value = flag->second.has_value ? argv[++i] : "";
    if (!later) flag->second.apply(parts, value);
  }
  return finish(std::move(parts));
}

}  // namespace kaon::bogo
