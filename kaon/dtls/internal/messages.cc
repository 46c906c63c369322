#include "kaon/dtls/internal/messages.h"

#include <algorithm>

#include "kaon/base/reader.h"
#include "kaon/dtls/internal/cipher_suites.h"
#include "kaon/dtls/internal/extensions.h"

namespace kaon::dtls {

namespace {

using crypto::KeyType;
using crypto::SignatureScheme;

constexpr uint8_t kNamedCurve = 3;
constexpr uint8_t kUncompressed = 0;
constexpr uint8_t kNullCompression = 0;
constexpr std::string_view kDowngradeSentinel("DOWNGRD\x01", 8);

constexpr SignatureScheme kSchemes[] = {
    SignatureScheme::EcdsaSecp256r1Sha256, SignatureScheme::EcdsaSecp384r1Sha384, SignatureScheme::Ed25519,
    SignatureScheme::RsaPssRsaeSha256,     SignatureScheme::RsaPssRsaeSha384,     SignatureScheme::RsaPssRsaeSha512,
    SignatureScheme::RsaPkcs1Sha256,       SignatureScheme::RsaPkcs1Sha384,       SignatureScheme::RsaPkcs1Sha512,
};

/// RFC 7301 §3.1: names of at least one byte, and at least one of them.
bool are_protocol_names(ByteView list) {
  Reader reader(list);
  while (!reader.at_end())
    if (reader.vector8().empty()) reader.fail();
  return reader.ok() && !list.empty();
}

bool read_client_extension(ClientHello& hello, ExtensionType type, ByteView content) {
  Reader reader(content);
  switch (type) {
    case ExtensionType::SupportedVersions: hello.supported_versions = read_list(reader, reader.vector8()); break;
    case ExtensionType::SupportedGroups: hello.supported_groups = read_list(reader, reader.vector16()); break;
    case ExtensionType::SignatureAlgorithms: hello.signature_algorithms = read_list(reader, reader.vector16()); break;
    case ExtensionType::EcPointFormats: hello.ec_point_formats = reader.vector8(); break;
    case ExtensionType::UseSrtp:  // RFC 5764 §4.1.1; the MKI is of no use to us
      hello.srtp_profiles = read_list(reader, reader.vector16());
      reader.vector8();
      break;
    case ExtensionType::Alpn:
      hello.alpn = reader.vector16();
      if (!are_protocol_names(hello.alpn)) return false;
      break;
    case ExtensionType::RenegotiationInfo: hello.renegotiation_info = reader.vector8(); break;
    case ExtensionType::ExtendedMasterSecret: hello.extended_master_secret = true; break;
    case ExtensionType::EncryptThenMac: hello.encrypt_then_mac = true; break;
    case ExtensionType::KeyShare: hello.key_shares = reader.vector16(); break;
    case ExtensionType::Cookie: hello.cookie = reader.vector16(); break;
    case ExtensionType::ConnectionId: hello.connection_id = reader.vector8(); break;
    case ExtensionType::ReturnRoutability: hello.return_routability = true; break;
    default: return true;
  }
  return reader.ok() && reader.at_end();
}

bool read_server_extension(ServerHello& hello, ExtensionType type, ByteView content) {
  Reader reader(content);
  switch (type) {
    case ExtensionType::EcPointFormats: hello.ec_point_formats = reader.vector8(); break;
    case ExtensionType::UseSrtp:
      if (!read_chosen_profile(reader, hello.srtp_profile)) return false;
      break;
    case ExtensionType::RenegotiationInfo: hello.renegotiation_info = reader.vector8(); break;
    case ExtensionType::ExtendedMasterSecret: hello.extended_master_secret = true; break;
    case ExtensionType::EncryptThenMac: hello.encrypt_then_mac = true; break;
    case ExtensionType::SupportedVersions: hello.selected_version = reader.u16(); break;
    case ExtensionType::Cookie: hello.cookie = reader.vector16(); break;
    case ExtensionType::ConnectionId: hello.connection_id = reader.vector8(); break;
    case ExtensionType::ReturnRoutability: hello.return_routability = true; break;
    case ExtensionType::Alpn: return read_chosen_protocol(content, hello.alpn);
    case ExtensionType::KeyShare:
      hello.group = static_cast<crypto::Group>(reader.u16());
      if (!hello.asks_for_retry()) hello.share = reader.vector16();
      break;
    default: hello.unsolicited_extension = true; return true;
  }
  return reader.ok() && reader.at_end();
}

void write_point_formats(Builder& out) {
  const auto extension = begin_extension(out, ExtensionType::EcPointFormats);
  out.vector8(std::array{kUncompressed});
  out.end_vector(extension);
}

bool uses_cbc(CipherSuite suite) {
  const SuiteInfo* info = find_suite(static_cast<uint16_t>(suite));
  return info != nullptr && is_cbc(info->algorithm);
}

void write_renegotiation_info(Builder& out) {
  const auto extension = begin_extension(out, ExtensionType::RenegotiationInfo);
  out.vector8({});
  out.end_vector(extension);
}

}  // namespace

std::optional<ClientHello> ClientHello::parse(ByteView body) {
  Reader reader(body);
  ClientHello hello;
  hello.legacy_version = reader.u16();
  hello.random = reader.bytes(kRandomSize);
  if (reader.vector8().size() > 32) reader.fail();  // session_id
  hello.legacy_cookie = reader.vector8();
  hello.cipher_suites = read_list(reader, reader.vector16());
  hello.compression_methods = reader.vector8();
  const ByteView extensions = reader.at_end() ? ByteView{} : reader.vector16();
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  const auto use = [&](ExtensionType type, ByteView content) { return read_client_extension(hello, type, content); };
  if (!for_each_extension(extensions, use)) return std::nullopt;
  return hello;
}

bool ClientHello::offers(Version version) const {
  // RFC 8446 §4.2.1: with supported_versions the version field says nothing.
  if (supported_versions) return supported_versions->contains(static_cast<uint16_t>(version));
  // DTLS versions count downwards: 1.2 is 0xfefd, 1.0 is 0xfeff.
  return version == Version::Dtls12 && (legacy_version >> 8) == 0xfe && legacy_version <= kVersionDtls12;
}

bool ClientHello::offers_alpn(std::string_view protocol) const {
  Reader reader(alpn);
  while (!reader.at_end())
    if (const ByteView name = reader.vector8(); reader.ok() && as_text(name) == protocol) return true;
  return false;
}

std::optional<ByteView> ClientHello::share_of(crypto::Group group) const {
  Reader reader(key_shares.value_or(ByteView{}));
  while (!reader.at_end()) {
    const auto offered = static_cast<crypto::Group>(reader.u16());
    const ByteView share = reader.vector16();
    if (reader.ok() && offered == group) return share;
  }
  return std::nullopt;
}

std::vector<uint8_t> ClientHelloOffer::write() const {
  const bool offers12 = max_version == Version::Dtls12 || min_version == Version::Dtls12;
  Builder out;
  out.u16(kVersionDtls12);
  out.bytes(random);
  out.vector8({});  // session_id: no resumption
  out.vector8(cookie);
  const auto suites = out.begin_vector(2);
  for (const CipherSuite suite : cipher_suites) out.u16(static_cast<uint16_t>(suite));
  out.end_vector(suites);
  out.vector8(std::array{kNullCompression});
  const auto extensions = out.begin_vector(2);
  if (offers12) {
    write_empty_extension(out, ExtensionType::ExtendedMasterSecret);
    write_renegotiation_info(out);
    write_point_formats(out);
    if (std::ranges::any_of(cipher_suites, uses_cbc)) write_empty_extension(out, ExtensionType::EncryptThenMac);
  }
  write_list_extension(out, ExtensionType::SupportedGroups, groups);
  write_list_extension(out, ExtensionType::SignatureAlgorithms, verifiable_schemes());
  if (!srtp_profiles.empty()) write_list_extension(out, ExtensionType::UseSrtp, srtp_profiles);
  if (!alpn.empty()) write_alpn(out, alpn);
  if (connection_id) write_connection_id(out, *connection_id);
  if (connection_id && return_routability) write_empty_extension(out, ExtensionType::ReturnRoutability);
  if (max_version == Version::Dtls13) write_extensions13(out);
  out.end_vector(extensions);
  return out.take();
}

void ClientHelloOffer::write_extensions13(Builder& out) const {
  const auto versions = begin_extension(out, ExtensionType::SupportedVersions);
  const auto list = out.begin_vector(1);
  out.u16(static_cast<uint16_t>(Version::Dtls13));
  if (min_version == Version::Dtls12) out.u16(static_cast<uint16_t>(Version::Dtls12));
  out.end_vector(list);
  out.end_vector(versions);
  if (!retry_cookie.empty()) write_cookie(out, retry_cookie);
  const auto extension = begin_extension(out, ExtensionType::KeyShare);
  const auto shares = out.begin_vector(2);
  for (const crypto::KeyExchange& exchange : key_exchanges) {
    out.u16(static_cast<uint16_t>(exchange.group()));
    out.vector16(exchange.share());
  }
  out.end_vector(shares);
  out.end_vector(extension);
}

bool ServerHello::asks_for_retry() const { return std::ranges::equal(random, kHelloRetryRequestRandom); }

std::optional<ServerHello> ServerHello::parse(ByteView body) {
  Reader reader(body);
  ServerHello hello;
  hello.version = reader.u16();
  hello.random = reader.bytes(kRandomSize);
  if (reader.vector8().size() > 32) reader.fail();  // session_id: nothing to resume by it
  hello.cipher_suite = reader.u16();
  hello.compression_method = reader.u8();
  const ByteView extensions = reader.at_end() ? ByteView{} : reader.vector16();
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  const auto use = [&](ExtensionType type, ByteView content) { return read_server_extension(hello, type, content); };
  if (!for_each_extension(extensions, use)) return std::nullopt;
  return hello;
}

std::vector<uint8_t> ServerHello::write() const {
  Builder out;
  out.u16(version);
  out.bytes(random);
  out.vector8({});
  out.u16(cipher_suite);
  out.u8(compression_method);
  const auto extensions = out.begin_vector(2);
  write_empty_extension(out, ExtensionType::ExtendedMasterSecret);
  if (encrypt_then_mac) write_empty_extension(out, ExtensionType::EncryptThenMac);
  if (renegotiation_info) write_renegotiation_info(out);
  if (ec_point_formats) write_point_formats(out);
  if (srtp_profile != kNoSrtpProfile) write_list_extension(out, ExtensionType::UseSrtp, std::array{srtp_profile});
  if (alpn) write_alpn(out, std::array{*alpn});
  if (connection_id) write_connection_id(out, *connection_id);
  if (return_routability) write_empty_extension(out, ExtensionType::ReturnRoutability);
  out.end_vector(extensions);
  return out.take();
}

std::optional<ByteView> parse_hello_verify_request(ByteView body) {
  Reader reader(body);
  const uint16_t version = reader.u16();
  const ByteView cookie = reader.vector8();
  if (!reader.ok() || !reader.at_end() || (version >> 8) != 0xfe) return std::nullopt;
  return cookie;
}

std::optional<ByteView> parse_certificate(ByteView body) {
  Reader reader(body);
  Reader list(reader.vector24());
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  if (list.at_end()) return ByteView{};
  const ByteView own = list.vector24();
  while (!list.at_end()) list.vector24();
  if (!list.ok() || own.empty()) return std::nullopt;
  return own;
}

std::vector<uint8_t> write_certificate(ByteView der) {
  Builder out;
  const auto list = out.begin_vector(3);
  const auto certificate = out.begin_vector(3);
  out.bytes(der);
  out.end_vector(certificate);
  out.end_vector(list);
  return out.take();
}

std::optional<ServerKeyExchange> ServerKeyExchange::parse(ByteView body) {
  Reader reader(body);
  ServerKeyExchange message;
  const bool named = reader.u8() == kNamedCurve;
  message.group = static_cast<crypto::Group>(reader.u16());
  message.share = reader.vector8();
  message.params = body.first(reader.position());
  const auto signed_by = SignedBy::parse(reader.rest());
  if (!reader.ok() || !named || !signed_by) return std::nullopt;
  message.scheme = signed_by->scheme;
  message.signature = signed_by->signature;
  return message;
}

std::vector<uint8_t> ServerKeyExchange::write_params(crypto::Group group, ByteView share) {
  Builder out;
  out.u8(kNamedCurve);
  out.u16(static_cast<uint16_t>(group));
  out.vector8(share);
  return out.take();
}

std::optional<ByteView> parse_client_key_exchange(ByteView body) {
  Reader reader(body);
  const ByteView share = reader.vector8();
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return share;
}

std::vector<uint8_t> write_client_key_exchange(ByteView share) {
  Builder out;
  out.vector8(share);
  return out.take();
}

std::optional<PskServerKeyExchange> PskServerKeyExchange::parse(ByteView body, bool ecdhe) {
  Reader reader(body);
  PskServerKeyExchange message;
  reader.vector16();  // the hint
  if (ecdhe) {
    if (reader.u8() != kNamedCurve) return std::nullopt;
    message.group = static_cast<crypto::Group>(reader.u16());
    message.share = reader.vector8();
  }
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return message;
}

std::vector<uint8_t> PskServerKeyExchange::write() const {
  Builder out;
  out.vector16({});
  out.bytes(ServerKeyExchange::write_params(group, share));
  return out.take();
}

std::optional<PskClientKeyExchange> PskClientKeyExchange::parse(ByteView body, bool ecdhe) {
  Reader reader(body);
  PskClientKeyExchange message;
  message.identity = reader.vector16();
  if (ecdhe) message.share = reader.vector8();
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return message;
}

std::vector<uint8_t> PskClientKeyExchange::write() const {
  Builder out;
  out.vector16(identity);
  if (!share.empty()) out.vector8(share);
  return out.take();
}

std::vector<uint8_t> psk_premaster(ByteView shared_secret, ByteView key) {
  // RFC 4279 §2: without a shared secret, as many zeros as the key has bytes stand for it.
  const size_t other = shared_secret.empty() ? key.size() : shared_secret.size();
  std::vector<uint8_t> premaster(2 + other + 2 + key.size());
  store_be16(premaster.data(), static_cast<uint16_t>(other));
  std::ranges::copy(shared_secret, premaster.begin() + 2);
  store_be16(&premaster[2 + other], static_cast<uint16_t>(key.size()));
  std::ranges::copy(key, premaster.begin() + static_cast<ptrdiff_t>(4 + other));
  return premaster;
}

std::optional<SignedBy> SignedBy::parse(ByteView body) {
  Reader reader(body);
  SignedBy result;
  result.scheme = static_cast<SignatureScheme>(reader.u16());
  result.signature = reader.vector16();
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return result;
}

std::vector<uint8_t> write_signed(ByteView before, SignatureScheme scheme, ByteView signature) {
  Builder out;
  out.bytes(before);
  out.u16(static_cast<uint16_t>(scheme));
  out.vector16(signature);
  return out.take();
}

std::optional<U16List> parse_certificate_request(ByteView body) {
  Reader reader(body);
  reader.vector8();  // certificate types: the schemes say it better
  const U16List schemes = read_list(reader, reader.vector16());
  reader.vector16();  // authorities: ours is self-signed
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return schemes;
}

std::vector<uint8_t> write_certificate_request() {
  constexpr uint8_t kRsaSign = 1;
  constexpr uint8_t kEcdsaSign = 64;
  Builder out;
  out.vector8(std::array{kEcdsaSign, kRsaSign});
  const auto schemes = out.begin_vector(2);
  for (const SignatureScheme scheme : kSchemes) out.u16(static_cast<uint16_t>(scheme));
  out.end_vector(schemes);
  out.vector16({});  // no authorities
  return out.take();
}

std::span<const SignatureScheme> verifiable_schemes() { return kSchemes; }

bool usable_in_13(SignatureScheme scheme, KeyType type) {
  switch (scheme) {
    case SignatureScheme::EcdsaSecp256r1Sha256: return type == KeyType::EcdsaP256;
    case SignatureScheme::EcdsaSecp384r1Sha384: return type == KeyType::EcdsaP384;
    case SignatureScheme::Ed25519: return type == KeyType::Ed25519;
    case SignatureScheme::RsaPssRsaeSha256:
    case SignatureScheme::RsaPssRsaeSha384:
    case SignatureScheme::RsaPssRsaeSha512: return type == KeyType::Rsa2048;
    default: return false;
  }
}

std::optional<SignatureScheme> choose_scheme(Version version, KeyType type, const U16List& peer_schemes) {
  const auto fits = [&](SignatureScheme scheme) {
    const bool pkcs1 = scheme == SignatureScheme::RsaPkcs1Sha256 || scheme == SignatureScheme::RsaPkcs1Sha384 ||
                       scheme == SignatureScheme::RsaPkcs1Sha512;
    return usable_in_13(scheme, type) || (version == Version::Dtls12 && pkcs1 && type == KeyType::Rsa2048);
  };
  for (const SignatureScheme scheme : kSchemes)
    if (fits(scheme) && peer_schemes.contains(static_cast<uint16_t>(scheme))) return scheme;
  return std::nullopt;
}

bool has_downgrade_sentinel(ByteView server_random) {
  return as_text(server_random.last(kDowngradeSentinel.size())) == kDowngradeSentinel;
}

void set_downgrade_sentinel(Bytes server_random) {
  std::ranges::copy(as_bytes(kDowngradeSentinel), server_random.last(kDowngradeSentinel.size()).begin());
}

}  // namespace kaon::dtls
