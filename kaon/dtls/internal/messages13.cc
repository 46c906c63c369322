#include "kaon/dtls/internal/messages13.h"

#include <algorithm>

#include "kaon/dtls/internal/extensions.h"

namespace kaon::dtls {

namespace {

void write_selected_version(Builder& out) {
  const auto extension = begin_extension(out, ExtensionType::SupportedVersions);
  out.u16(static_cast<uint16_t>(Version::Dtls13));
  out.end_vector(extension);
}

}  // namespace

std::vector<uint8_t> ServerHello13::write() const {
  Builder out;
  out.u16(kVersionDtls12);
  out.bytes(share.empty() ? kHelloRetryRequestRandom : random);
  out.vector8({});  // RFC 9147 §5.3: a session id is not echoed
  out.u16(static_cast<uint16_t>(cipher_suite));
  out.u8(0);
  const auto extensions = out.begin_vector(2);
  write_selected_version(out);
  if (group != crypto::Group{}) {
    const auto extension = begin_extension(out, ExtensionType::KeyShare);
    out.u16(static_cast<uint16_t>(group));
    if (!share.empty()) out.vector16(share);
    out.end_vector(extension);
  }
  if (!cookie.empty()) write_cookie(out, cookie);
  if (connection_id) write_connection_id(out, *connection_id);
  if (return_routability) write_empty_extension(out, ExtensionType::ReturnRoutability);
  out.end_vector(extensions);
  return out.take();
}

std::optional<EncryptedExtensions> EncryptedExtensions::parse(ByteView body) {
  Reader reader(body);
  const ByteView block = reader.vector16();
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  EncryptedExtensions result;
  const bool ok = for_each_extension(block, [&](ExtensionType type, ByteView content) {
    Reader inner(content);
    switch (type) {
      case ExtensionType::UseSrtp: return read_chosen_profile(inner, result.srtp_profile) && inner.at_end();
      case ExtensionType::Alpn: return read_chosen_protocol(content, result.alpn);
      case ExtensionType::SupportedGroups: return true;  // for the client's next time (RFC 8446 §4.2.7)
      default: result.unsolicited_extension = true; return true;
    }
  });
  if (!ok) return std::nullopt;
  return result;
}

std::vector<uint8_t> EncryptedExtensions::write() const {
  Builder out;
  const auto extensions = out.begin_vector(2);
  if (srtp_profile != kNoSrtpProfile) write_list_extension(out, ExtensionType::UseSrtp, std::array{srtp_profile});
  if (alpn) write_alpn(out, std::array{*alpn});
  out.end_vector(extensions);
  return out.take();
}

std::optional<Certificate13> Certificate13::parse(ByteView body) {
  Reader reader(body);
  Certificate13 result;
  result.context = reader.vector8();
  Reader list(reader.vector24());
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  if (list.at_end()) return result;
  result.der = list.vector24();
  list.vector16();  // extensions: none was asked for
  while (!list.at_end()) {
    list.vector24();
    list.vector16();
  }
  if (!list.ok() || result.der.empty()) return std::nullopt;
  return result;
}

std::vector<uint8_t> Certificate13::write() const {
  Builder out;
  out.vector8(context);
  const auto list = out.begin_vector(3);
  const auto certificate = out.begin_vector(3);
  out.bytes(der);
  out.end_vector(certificate);
  out.vector16({});
  out.end_vector(list);
  return out.take();
}

std::optional<CertificateRequest13> CertificateRequest13::parse(ByteView body) {
  Reader reader(body);
  CertificateRequest13 result;
  result.context = reader.vector8();
  const ByteView block = reader.vector16();
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  bool has_schemes = false;
  const bool ok = for_each_extension(block, [&](ExtensionType type, ByteView content) {
    if (type != ExtensionType::SignatureAlgorithms) return true;
    Reader inner(content);
    result.signature_algorithms = read_list(inner, inner.vector16());
    has_schemes = true;
    return inner.ok() && inner.at_end();
  });
  if (!ok || !has_schemes) return std::nullopt;
  return result;
}

std::vector<uint8_t> CertificateRequest13::write() {
  Builder out;
  out.vector8({});
  const auto extensions = out.begin_vector(2);
  write_list_extension(out, ExtensionType::SignatureAlgorithms, verifiable_schemes());
  out.end_vector(extensions);
  return out.take();
}

std::vector<uint8_t> certificate_verify_content(Role signer, const crypto::Digest& transcript_hash) {
  constexpr size_t kPadding = 64;
  std::vector<uint8_t> content(kPadding, 0x20);
  const std::string_view label =
      signer == Role::Client ? "TLS 1.3, client CertificateVerify" : "TLS 1.3, server CertificateVerify";
  std::ranges::copy(as_bytes(label), std::back_inserter(content));
  content.push_back(0);
  std::ranges::copy(transcript_hash.view(), std::back_inserter(content));
  return content;
}

std::optional<NewConnectionId> NewConnectionId::parse(ByteView body) {
  Reader reader(body);
  Reader list(reader.vector16());
  const uint8_t usage = reader.u8();
  if (!reader.ok() || !reader.at_end() || usage > static_cast<uint8_t>(ConnectionIdUsage::Spare)) return std::nullopt;
  NewConnectionId result;
  result.usage = static_cast<ConnectionIdUsage>(usage);
  while (!list.at_end()) {
    const ByteView id = list.vector8();
    if (!id.empty() && result.ids.size() < kMaxIds) result.ids.push_back(id);
  }
  if (!list.ok()) return std::nullopt;
  return result;
}

std::vector<uint8_t> NewConnectionId::write() const {
  Builder out;
  const auto list = out.begin_vector(2);
  for (const ByteView id : ids) out.vector8(id);
  out.end_vector(list);
  out.u8(static_cast<uint8_t>(usage));
  return out.take();
}

std::optional<uint8_t> parse_request_connection_id(ByteView body) {
  if (body.size() != 1) return std::nullopt;
  return body[0];
}

std::optional<bool> parse_key_update(ByteView body) {
  if (body.size() != 1 || body[0] > 1) return std::nullopt;
  return body[0] == 1;
}

}  // namespace kaon::dtls
