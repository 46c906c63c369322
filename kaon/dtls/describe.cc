#include "kaon/dtls/describe.h"

#include "kaon/dtls/internal/ack.h"
#include "kaon/dtls/internal/messages.h"
#include "kaon/dtls/internal/reassembler.h"
#include "kaon/dtls/internal/record_layer.h"

namespace kaon::dtls {
namespace {

std::string version_text(uint16_t version) {
  switch (version) {
    case kVersionDtls10: return "DTLS 1.0";
    case kVersionDtls12: return "DTLS 1.2";
    case static_cast<uint16_t>(Version::Dtls13): return "DTLS 1.3";
    default: return cat("version ", version);
  }
}

std::string suite_text(uint16_t suite) {
  const std::string_view name = to_string(static_cast<CipherSuite>(suite));
  const uint8_t bytes[] = {static_cast<uint8_t>(suite >> 8), static_cast<uint8_t>(suite)};
  return name == "unknown" ? "0x" + to_hex(bytes) : std::string(name);
}

std::string profile_text(uint16_t profile) {
  switch (profile) {
    case kSrtpAes128CmSha1_80: return "AES128_CM_HMAC_SHA1_80";
    case kSrtpAeadAes128Gcm: return "AEAD_AES_128_GCM";
    case kSrtpAeadAes256Gcm: return "AEAD_AES_256_GCM";
    default: return cat(profile);
  }
}

std::string id_text(ByteView id) { return id.empty() ? "of no bytes" : to_hex(id); }

std::string_view name_of(HandshakeType type) {
  switch (type) {
    case HandshakeType::HelloRequest: return "HelloRequest";
    case HandshakeType::ClientHello: return "ClientHello";
    case HandshakeType::ServerHello: return "ServerHello";
    case HandshakeType::HelloVerifyRequest: return "HelloVerifyRequest";
    case HandshakeType::NewSessionTicket: return "NewSessionTicket";
    case HandshakeType::EncryptedExtensions: return "EncryptedExtensions";
    case HandshakeType::RequestConnectionId: return "RequestConnectionId";
    case HandshakeType::NewConnectionId: return "NewConnectionId";
    case HandshakeType::Certificate: return "Certificate";
    case HandshakeType::ServerKeyExchange: return "ServerKeyExchange";
    case HandshakeType::CertificateRequest: return "CertificateRequest";
    case HandshakeType::ServerHelloDone: return "ServerHelloDone";
    case HandshakeType::CertificateVerify: return "CertificateVerify";
    case HandshakeType::ClientKeyExchange: return "ClientKeyExchange";
    case HandshakeType::Finished: return "Finished";
    case HandshakeType::KeyUpdate: return "KeyUpdate";
    case HandshakeType::MessageHash: break;  // never on the wire
  }
  return "";
}

template <class Text>
void describe_list(std::string_view name, const std::optional<U16List>& list, Text text, Outline& out) {
  if (!list) return;
  std::string line;
  for (size_t i = 0; i < list->size(); ++i) line += cat(i == 0 ? "" : " ", text((*list)[i]));
  out.line(name, " ", line);
}

void describe_client_hello(ByteView body, Outline& out) {
  const auto hello = ClientHello::parse(body);
  if (!hello) return out.problem(body, "the fields of a ClientHello");
  const auto number = [](uint16_t value) { return cat(value); };
  out.line("legacy version ", version_text(hello->legacy_version));
  out.line("random ", to_hex(hello->random));
  describe_list("cipher suites", hello->cipher_suites, suite_text, out);
  describe_list("supported versions", hello->supported_versions, version_text, out);
  describe_list("supported groups", hello->supported_groups, number, out);
  describe_list("signature algorithms", hello->signature_algorithms, number, out);
  describe_list("SRTP profiles", hello->srtp_profiles, profile_text, out);
  if (hello->extended_master_secret) out.line("extended master secret");
  if (hello->encrypt_then_mac) out.line("encrypt then MAC");
  if (hello->connection_id) out.line("connection id ", id_text(*hello->connection_id));
}

void describe_server_hello(ByteView body, Outline& out) {
  const auto hello = ServerHello::parse(body);
  if (!hello) return out.problem(body, "the fields of a ServerHello");
  out.line("version ", version_text(hello->selected_version.value_or(hello->version)));
  out.line("random ", to_hex(hello->random));
  if (hello->asks_for_retry()) out.line("asks for another ClientHello");
  out.line("cipher suite ", suite_text(hello->cipher_suite));
  if (hello->group) out.line("group ", static_cast<int>(*hello->group));
  if (hello->srtp_profile != kNoSrtpProfile) out.line("SRTP profile ", profile_text(hello->srtp_profile));
  if (hello->extended_master_secret) out.line("extended master secret");
  if (hello->encrypt_then_mac) out.line("encrypt then MAC");
  if (hello->connection_id) out.line("connection id ", id_text(*hello->connection_id));
}

void describe_body(HandshakeType type, ByteView body, Outline& out) {
  switch (type) {
    case HandshakeType::ClientHello: return describe_client_hello(body, out);
    case HandshakeType::ServerHello: return describe_server_hello(body, out);
    case HandshakeType::Certificate: {
      const auto der = parse_certificate(body);
      if (!der) return out.problem(body, "a list of certificates");
      return out.line("first certificate ", der->size(), " bytes");
    }
    case HandshakeType::ServerKeyExchange: {
      const auto exchange = ServerKeyExchange::parse(body);
      if (!exchange) return out.problem(body, "a named curve, a share and a signature");
      return out.line("group ", static_cast<int>(exchange->group), ", share ", short_hex(exchange->share));
    }
    default: return;
  }
}

void describe_handshake(ByteView fragment, uint16_t epoch, Outline& out) {
  Reader reader(fragment);
  while (!reader.at_end()) {
    const ByteView rest = fragment.subspan(reader.position());
    const auto message = Fragment::parse(reader, epoch);
    if (!message) return out.problem(rest, "a handshake fragment within its message and record");
    const std::string_view name = name_of(message->type);
    const bool whole = message->offset == 0 && message->ends_message();
    out.line(name.empty() ? cat("handshake message ", static_cast<int>(message->type)) : std::string(name), " number ",
             message->sequence, ", ", message->length, " bytes",
             whole ? "" : cat(", of them ", message->bytes.size(), " from ", message->offset));
    const auto deeper = out.deeper();
    if (whole) describe_body(message->type, message->bytes, out);
  }
}

// Nobody can trust one in the clear, but NSS sends them.
void describe_ack(ByteView fragment, Outline& out) {
  const auto numbers = parse_ack(fragment);
  if (!numbers) return out.problem(fragment, "a list of record numbers");
  for (const RecordNumber& number : *numbers) out.line("of epoch ", number.epoch, ", record ", number.sequence);
}

std::string_view name_of(ContentType type) {
  switch (type) {
    case ContentType::ChangeCipherSpec: return "ChangeCipherSpec";
    case ContentType::Alert: return "Alert";
    case ContentType::Handshake: return "Handshake";
    case ContentType::ApplicationData: return "ApplicationData";
    case ContentType::Ack: return "ACK";
    case ContentType::ReturnRoutability: return "ReturnRoutability";
    default: return {};
  }
}

void describe_fragment(ContentType type, uint16_t epoch, ByteView fragment, Outline& out) {
  const auto deeper = out.deeper();
  if (epoch != 0) return;  // encrypted
  if (type == ContentType::Handshake) return describe_handshake(fragment, epoch, out);
  if (type == ContentType::Ack) return describe_ack(fragment, out);
  if (type != ContentType::Alert) return;
  if (fragment.size() != 2) return out.problem(fragment, cat("an alert of 2 bytes, found ", fragment.size()));
  const std::string_view name = to_string(static_cast<AlertDescription>(fragment[1]));
  out.line(fragment[0] == 2 ? "fatal alert " : "warning alert ", static_cast<int>(fragment[1]), " ", name);
}

/// What of a protected record of 1.3 can be read (RFC 9147 §4); the bytes behind it, or none if it is malformed.
ByteView describe_unified(ByteView rest, Outline& out) {
  if ((rest[0] & 0x10) != 0) {
    // How long the id is, only its receiver knows.
    out.line("DTLS 1.3, epoch ", rest[0] & 3, " modulo 4, connection id and encrypted, ", rest.size() - 1, " bytes");
    return {};
  }
  std::vector<uint8_t> copy(rest.begin(), rest.end());
  Bytes datagram(copy);
  const auto record = next_record(datagram);
  if (!record) {
    out.problem(rest, "a DTLS 1.3 record within the datagram");
    return {};
  }
  out.line("DTLS 1.3, epoch ", record->epoch, " modulo 4, ", record->fragment.size(), " bytes, encrypted");
  return rest.last(datagram.size());
}

}  // namespace

void describe(ByteView datagram, Outline& out) {
  for (ByteView rest = datagram; !rest.empty();) {
    if ((rest[0] & 0xe0) == 0x20) {
      rest = describe_unified(rest, out);
      continue;
    }
    if (rest.size() < kRecordHeaderSize)
      return out.problem(rest.last(0), cat("a DTLS record header of ", kRecordHeaderSize, " bytes"));
    if (rest[0] == static_cast<uint8_t>(ContentType::Tls12Cid)) {
      constexpr size_t kBeforeId = kRecordHeaderSize - 2;
      return out.line("DTLS record with a connection id, epoch ", load_be16(&rest[3]), ", id, length and encrypted, ",
                      rest.size() - kBeforeId, " bytes");
    }
    const auto type = static_cast<ContentType>(rest[0]);
    if (name_of(type).empty()) return out.problem(rest, cat("a DTLS content type of 20 to 23 or 26, found ", rest[0]));
    const uint16_t version = load_be16(&rest[1]);
    if (version >> 8 != 0xfe) return out.problem(rest.subspan(1), "a DTLS version feff or fefd");
    const uint16_t epoch = load_be16(&rest[3]);
    const uint64_t sequence = (uint64_t{load_be16(&rest[5])} << 32) | load_be32(&rest[7]);
    const size_t size = load_be16(&rest[11]);
    const size_t left = rest.size() - kRecordHeaderSize;
    if (size > left) return out.problem(rest.subspan(11), cat("a record of at most ", left, " bytes, found ", size));
    out.line("DTLS ", name_of(type), ", ", version_text(version), ", epoch ", epoch, ", record ", sequence, ", ", size,
             " bytes", epoch == 0 ? "" : ", encrypted");
    describe_fragment(type, epoch, rest.subspan(kRecordHeaderSize, size), out);
    rest = rest.subspan(kRecordHeaderSize + size);
  }
}

}  // namespace kaon::dtls
