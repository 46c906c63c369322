#include "kaon/dtls/types.h"

namespace kaon::dtls {

std::string_view to_string(CipherSuite suite) {
  switch (suite) {
    case CipherSuite::Aes128GcmSha256: return "TLS_AES_128_GCM_SHA256";
    case CipherSuite::Aes256GcmSha384: return "TLS_AES_256_GCM_SHA384";
    case CipherSuite::ChaCha20Poly1305Sha256: return "TLS_CHACHA20_POLY1305_SHA256";
    case CipherSuite::EcdheEcdsaAes128GcmSha256: return "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    case CipherSuite::EcdheEcdsaAes256GcmSha384: return "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    case CipherSuite::EcdheRsaAes128GcmSha256: return "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    case CipherSuite::EcdheRsaAes256GcmSha384: return "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    case CipherSuite::EcdheRsaChaCha20Poly1305Sha256: return "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";
    case CipherSuite::EcdheEcdsaChaCha20Poly1305Sha256: return "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    case CipherSuite::PskAes128GcmSha256: return "TLS_PSK_WITH_AES_128_GCM_SHA256";
    case CipherSuite::PskAes128Ccm: return "TLS_PSK_WITH_AES_128_CCM";
    case CipherSuite::PskAes128Ccm8: return "TLS_PSK_WITH_AES_128_CCM_8";
    case CipherSuite::PskChaCha20Poly1305Sha256: return "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256";
    case CipherSuite::EcdhePskAes128GcmSha256: return "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256";
    case CipherSuite::EcdhePskChaCha20Poly1305Sha256: return "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256";
    case CipherSuite::EcdheEcdsaAes128Ccm: return "TLS_ECDHE_ECDSA_WITH_AES_128_CCM";
    case CipherSuite::EcdheEcdsaAes128Ccm8: return "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8";
    case CipherSuite::EcdhePskAes128Ccm8Sha256: return "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256";
    case CipherSuite::EcdhePskAes128CcmSha256: return "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256";
    case CipherSuite::EcdheEcdsaAes128CbcSha: return "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA";
    case CipherSuite::EcdheEcdsaAes256CbcSha: return "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA";
    case CipherSuite::EcdheRsaAes128CbcSha: return "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA";
    case CipherSuite::EcdheRsaAes256CbcSha: return "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA";
    case CipherSuite::PskAes128CbcSha256: return "TLS_PSK_WITH_AES_128_CBC_SHA256";
    case CipherSuite::EcdhePskAes128CbcSha256: return "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256";
  }
  return "unknown";
}

std::string_view to_string(AlertDescription alert) {
  switch (alert) {
    case AlertDescription::CloseNotify: return "close_notify";
    case AlertDescription::UnexpectedMessage: return "unexpected_message";
    case AlertDescription::BadRecordMac: return "bad_record_mac";
    case AlertDescription::RecordOverflow: return "record_overflow";
    case AlertDescription::HandshakeFailure: return "handshake_failure";
    case AlertDescription::BadCertificate: return "bad_certificate";
    case AlertDescription::UnsupportedCertificate: return "unsupported_certificate";
    case AlertDescription::IllegalParameter: return "illegal_parameter";
    case AlertDescription::DecodeError: return "decode_error";
    case AlertDescription::DecryptError: return "decrypt_error";
    case AlertDescription::ProtocolVersion: return "protocol_version";
    case AlertDescription::InternalError: return "internal_error";
    case AlertDescription::UserCanceled: return "user_canceled";
    case AlertDescription::MissingExtension: return "missing_extension";
    case AlertDescription::UnsupportedExtension: return "unsupported_extension";
    case AlertDescription::UnknownPskIdentity: return "unknown_psk_identity";
    case AlertDescription::CertificateRequired: return "certificate_required";
    case AlertDescription::NoApplicationProtocol: return "no_application_protocol";
  }
  return "unknown";
}

std::string_view to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::LocalClose: return "local close";
    case CloseReason::PeerClose: return "peer close";
    case CloseReason::PeerAlert: return "peer alert";
    case CloseReason::Timeout: return "timeout";
    case CloseReason::HandshakeFailure: return "handshake failure";
    case CloseReason::FingerprintMismatch: return "fingerprint mismatch";
    case CloseReason::KeyLimit: return "key limit";
  }
  return "unknown";
}

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::Malformed: return "malformed";
    case DropReason::UnsupportedVersion: return "unsupported version";
    case DropReason::UnknownContentType: return "unknown content type";
    case DropReason::WrongEpoch: return "wrong epoch";
    case DropReason::Replayed: return "replayed";
    case DropReason::BadTag: return "bad tag";
    case DropReason::Unauthenticated: return "unauthenticated";
    case DropReason::BadFragment: return "bad fragment";
    case DropReason::MessageTooLarge: return "message too large";
    case DropReason::ReassemblyFull: return "reassembly full";
    case DropReason::Retransmission: return "retransmission";
    case DropReason::WrongConnectionId: return "wrong connection id";
    case DropReason::HelloRefused: return "hello refused";
    case DropReason::EarlyDataFull: return "early data full";
    case DropReason::NotPolled: return "not polled";
    case DropReason::AfterClose: return "after close";
    case DropReason::Count: break;
  }
  return "unknown";
}

std::vector<crypto::Group> groups_for(KeyExchangePolicy policy) {
  using crypto::Group;
  if (policy == KeyExchangePolicy::Latency) return {Group::X25519, Group::Secp256r1, Group::Secp384r1};
  return {Group::X25519MlKem768, Group::X25519, Group::Secp256r1, Group::Secp384r1};
}

}  // namespace kaon::dtls
