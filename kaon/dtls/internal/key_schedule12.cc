#include "kaon/dtls/internal/key_schedule12.h"

#include "kaon/base/reader.h"
#include "kaon/base/text.h"
#include "kaon/base/writer.h"
#include "kaon/crypto/kdf.h"

namespace kaon::dtls {

void KeySchedule12::derive(const SuiteInfo& suite, ByteView premaster, ByteView transcript) {
  prf_ = suite.hash;
  const crypto::Digest session_hash = crypto::hash(prf_, transcript);
  crypto::tls12_prf(prf_, premaster, "extended master secret", session_hash.view(), master_);
  to_be_logged_ = true;
}

KeySchedule12::RecordCiphers KeySchedule12::record_ciphers(const SuiteInfo& suite, bool encrypt_then_mac) const {
  const RecordKeySizes sizes = record_key_sizes(suite.algorithm);
  std::array<uint8_t, 2 * kRandomSize> seed;
  Writer writer(seed);
  writer.bytes(server_random);
  writer.bytes(client_random);
  std::array<uint8_t, 2 * (32 + 32 + crypto::kAeadNonceSize)> memory;
  const Bytes block = Bytes(memory).first(2 * (sizes.mac + sizes.cipher + sizes.iv));
  crypto::tls12_prf(prf_, master_, "key expansion", seed, block);
  // RFC 5246 §6.3: of each kind the client's, then the server's.
  Reader reader(block);
  RecordKeys client;
  RecordKeys server;
  for (RecordKeys* keys : {&client, &server}) keys->mac = reader.bytes(sizes.mac);
  for (RecordKeys* keys : {&client, &server}) keys->cipher = reader.bytes(sizes.cipher);
  for (RecordKeys* keys : {&client, &server}) keys->iv = reader.bytes(sizes.iv);
  RecordCiphers ciphers{{suite.algorithm, client, encrypt_then_mac}, {suite.algorithm, server, encrypt_then_mac}};
  wipe(memory);
  return ciphers;
}

std::array<uint8_t, kVerifyDataSize> KeySchedule12::verify_data(Role role, ByteView transcript) const {
  std::array<uint8_t, kVerifyDataSize> data;
  const std::string_view label = role == Role::Client ? "client finished" : "server finished";
  crypto::tls12_prf(prf_, master_, label, crypto::hash(prf_, transcript).view(), data);
  return data;
}

void KeySchedule12::export_keying_material(std::string_view label, ByteView context, Bytes out) const {
  std::vector<uint8_t> seed(2 * kRandomSize + (context.empty() ? 0 : 2 + context.size()));
  Writer writer(seed);
  writer.bytes(client_random);
  writer.bytes(server_random);
  if (!context.empty()) {
    writer.u16(static_cast<uint16_t>(context.size()));
    writer.bytes(context);
  }
  crypto::tls12_prf(prf_, master_, label, seed, out);
}

std::string KeySchedule12::take_key_log_line() {
  if (!std::exchange(to_be_logged_, false)) return {};
  return cat("CLIENT_RANDOM ", to_hex(client_random), " ", to_hex(master_));
}

}  // namespace kaon::dtls
