// Secrets of DTLS 1.2 and what is derived of them (RFC 5246 §6.3, §8.1; RFC 7627; RFC 5705).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/crypto/hash.h"
#include "kaon/dtls/internal/cipher_suites.h"
#include "kaon/dtls/internal/messages.h"
#include "kaon/dtls/internal/record_cipher12.h"

namespace kaon::dtls {

/// Wiped when it goes.
class KeySchedule12 {
 public:
  KeySchedule12() = default;
  KeySchedule12(const KeySchedule12&) = delete;
  KeySchedule12& operator=(const KeySchedule12&) = delete;
  ~KeySchedule12() { wipe(master_); }
  /// Of no use any more: the connection has ended.
  void forget() { wipe(master_); }

  RandomValue client_random{};
  RandomValue server_random{};

  /// RFC 7627 §4: `transcript` is all messages up to and with ClientKeyExchange.
  void derive(const SuiteInfo& suite, ByteView premaster, ByteView transcript);

  struct RecordCiphers {
    RecordCipher12 client;
    RecordCipher12 server;
  };
  /// `encrypt_then_mac` is for suites with CBC.
  RecordCiphers record_ciphers(const SuiteInfo& suite, bool encrypt_then_mac = false) const;
  /// RFC 5246 §7.4.9 for the sender `role`, over all messages before that Finished.
  std::array<uint8_t, kVerifyDataSize> verify_data(Role role, ByteView transcript) const;
  /// RFC 5705 §4; an empty context counts as none.
  void export_keying_material(std::string_view label, ByteView context, Bytes out) const;
  /// The master secret in NSS key log format, once; empty if there is nothing new.
  std::string take_key_log_line();

 private:
  std::array<uint8_t, kMasterSecretSize> master_{};
  bool to_be_logged_ = false;
  crypto::HashAlgorithm prf_ = crypto::HashAlgorithm::Sha256;
};

}  // namespace kaon::dtls
