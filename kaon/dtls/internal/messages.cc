#include "kaon/dtls/internal/messages.h"

#include <algorithm>

#include "kaon/base/reader.h"
#include "kaon/dtls/internal/builder.h"

namespace kaon::dtls {

namespace {

using crypto::KeyType;
using crypto::SignatureScheme;

constexpr uint8_t kNamedCurve = 3;
constexpr uint8_t kUncompressed = 0;
constexpr uint8_t kNullCompression = 0;

constexpr SignatureScheme kSchemes[] = {
    SignatureScheme::EcdsaSecp256r1Sha256, SignatureScheme::EcdsaSecp384r1Sha384, SignatureScheme::Ed25519,
    SignatureScheme::RsaPssRsaeSha256,     SignatureScheme::RsaPssRsaeSha384,     SignatureScheme::RsaPssRsaeSha512,
    SignatureScheme::RsaPkcs1Sha256,       SignatureScheme::RsaPkcs1Sha384,       SignatureScheme::RsaPkcs1Sha512,
};

/// A whole vector of 16-bit numbers; fails the reader if its length is odd.
U16List read_list(Reader& reader, ByteView bytes) {
  if (bytes.size() % 2 != 0) reader.fail();
  return U16List(bytes);
}

/// Calls `use(type, content)` for each extension; false if the block is malformed or a type comes twice, which RFC 5246
/// §7.4.1.4 forbids.
template <class Use>
bool for_each_extension(ByteView block, Use use) {
  constexpr size_t kMaxExtensions = 64;
  std::array<uint16_t, kMaxExtensions> seen;
  size_t count = 0;
  Reader reader(block);
  while (!reader.at_end()) {
    const uint16_t type = reader.u16();
    const ByteView content = reader.vector16();
    const auto end = seen.begin() + static_cast<ptrdiff_t>(count);
    if (!reader.ok() || count == kMaxExtensions || std::find(seen.begin(), end, type) != end) return false;
    seen[count++] = type;
    if (!use(static_cast<ExtensionType>(type), content)) return false;
  }
  return reader.ok();
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
    case ExtensionType::Alpn: hello.alpn = reader.vector16(); break;
    case ExtensionType::RenegotiationInfo: hello.renegotiation_info = reader.vector8(); break;
    case ExtensionType::ExtendedMasterSecret: hello.extended_master_secret = true; break;
    default: return true;
  }
  return reader.ok() && reader.at_end();
}

bool read_server_extension(ServerHello& hello, ExtensionType type, ByteView content) {
  Reader reader(content);
  switch (type) {
    case ExtensionType::EcPointFormats: hello.ec_point_formats = reader.vector8(); break;
    case ExtensionType::UseSrtp: {
      const U16List profiles = read_list(reader, reader.vector16());
      const ByteView mki = reader.vector8();
      // One profile, and the MKI we offered: none.
      if (!reader.ok() || profiles.size() != 1 || !mki.empty()) return false;
      hello.srtp_profile = profiles[0];
      break;
    }
    case ExtensionType::RenegotiationInfo: hello.renegotiation_info = reader.vector8(); break;
    case ExtensionType::ExtendedMasterSecret: hello.extended_master_secret = true; break;
    default: hello.unsolicited_extension = true; return true;
  }
  return reader.ok() && reader.at_end();
}

Builder::Vector begin_extension(Builder& out, ExtensionType type) {
  out.u16(static_cast<uint16_t>(type));
  return out.begin_vector(2);
}

void write_empty_extension(Builder& out, ExtensionType type) { out.end_vector(begin_extension(out, type)); }

/// An extension that is one list of 16-bit values.
template <class List>
void write_list_extension(Builder& out, ExtensionType type, const List& values) {
  const auto extension = begin_extension(out, type);
  const auto list = out.begin_vector(2);
  for (const auto value : values) out.u16(static_cast<uint16_t>(value));
  out.end_vector(list);
  if (type == ExtensionType::UseSrtp) out.u8(0);  // no MKI
  out.end_vector(extension);
}

void write_point_formats(Builder& out) {
  const auto extension = begin_extension(out, ExtensionType::EcPointFormats);
  out.vector8(std::array{kUncompressed});
  out.end_vector(extension);
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
  reader.vector8();                                 // cookie
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

std::vector<uint8_t> ClientHelloOffer::write() const {
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
  write_empty_extension(out, ExtensionType::ExtendedMasterSecret);
  write_renegotiation_info(out);
  write_list_extension(out, ExtensionType::SupportedGroups, groups);
  write_point_formats(out);
  write_list_extension(out, ExtensionType::SignatureAlgorithms, verifiable_schemes());
  if (!srtp_profiles.empty()) write_list_extension(out, ExtensionType::UseSrtp, srtp_profiles);
  out.end_vector(extensions);
  return out.take();
}

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
  if (renegotiation_info) write_renegotiation_info(out);
  if (ec_point_formats) write_point_formats(out);
  if (srtp_profile != kNoSrtpProfile) write_list_extension(out, ExtensionType::UseSrtp, std::array{srtp_profile});
  if (!alpn.empty()) {
    const auto extension = begin_extension(out, ExtensionType::Alpn);
    const auto list = out.begin_vector(2);
    out.vector8(as_bytes(alpn));
    out.end_vector(list);
    out.end_vector(extension);
  }
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

std::optional<SignatureScheme> choose_scheme(KeyType type, const U16List& peer_schemes) {
  const auto fits = [type](SignatureScheme scheme) {
    switch (type) {
      case KeyType::EcdsaP256: return scheme == SignatureScheme::EcdsaSecp256r1Sha256;
      case KeyType::EcdsaP384: return scheme == SignatureScheme::EcdsaSecp384r1Sha384;
      case KeyType::Ed25519: return scheme == SignatureScheme::Ed25519;
      case KeyType::Rsa2048:
        return scheme != SignatureScheme::EcdsaSecp256r1Sha256 && scheme != SignatureScheme::EcdsaSecp384r1Sha384 &&
               scheme != SignatureScheme::Ed25519;
    }
    return false;
  };
  for (const SignatureScheme scheme : kSchemes)
    if (fits(scheme) && peer_schemes.contains(static_cast<uint16_t>(scheme))) return scheme;
  return std::nullopt;
}

bool has_downgrade_sentinel(ByteView server_random) {
  return as_text(server_random.last(8)) == std::string_view("DOWNGRD\x01", 8);
}

}  // namespace kaon::dtls
