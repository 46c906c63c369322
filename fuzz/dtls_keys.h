// The keys of a DTLS 1.2 connection out of its key log, for a fuzzer that acts as the authenticated peer.
#pragma once

#include <charconv>
#include <optional>

#include "fuzz/fuzz.h"
#include "kaon/crypto/kdf.h"
#include "kaon/dtls/internal/cipher_suites.h"
#include "kaon/dtls/internal/record_layer.h"

namespace kaon::fuzz {

/// What goes by on the wire and in the key log, until the keys can be made.
class DtlsKeys {
 public:
  /// "CLIENT_RANDOM <client random> <master secret>", both in hexadecimal.
  void on_key_log(std::string_view line) {
    constexpr size_t kClientRandom = 14;
    constexpr size_t kMaster = kClientRandom + 65;
    if (line.size() < kMaster + 96) return;
    client_random_ = from_hex(line.substr(kClientRandom, 64));
    master_ = from_hex(line.substr(kMaster, 96));
  }
  /// A datagram of the server: its ServerHello, in one piece, has the rest.
  void on_server_packet(ByteView packet) {
    constexpr size_t kBody = dtls::kRecordHeaderSize + dtls::kHandshakeHeaderSize;
    constexpr size_t kSuite = kBody + 2 + dtls::kRandomSize + 1;  // the session id is empty
    if (packet.size() < kSuite + 2 || packet[0] != 22 || packet[dtls::kRecordHeaderSize] != 2) return;
    server_random_ = copy(packet.subspan(kBody + 2, dtls::kRandomSize));
    suite_ = dtls::find_suite(load_be16(&packet[kSuite]));
  }
  bool complete() const { return suite_ != nullptr && !master_.empty() && !server_random_.empty(); }

  /// Seals `plaintext` as a record of epoch 1, sent by the client or the server, with the connection id `id` if it has
  /// one.
  std::vector<uint8_t> seal(bool by_client, uint8_t type, uint64_t sequence, ByteView plaintext,
                            ByteView id = {}) const {
    dtls::RecordLayer records;
    records.install(record_cipher(!by_client), record_cipher(by_client));
    records.use_connection_ids({}, copy(id));
    records.skip_to(sequence);
    std::vector<uint8_t> record(plaintext.size() + records.overhead(1));
    record.resize(records.seal(1, static_cast<dtls::ContentType>(type), plaintext, record));
    return record;
  }
  /// RFC 5705.
  std::vector<uint8_t> exported(std::string_view label, size_t size) const {
    std::vector<uint8_t> out(size);
    crypto::tls12_prf(suite_->hash, master_, label, joined(client_random_, server_random_), out);
    return out;
  }

 private:
  static std::vector<uint8_t> from_hex(std::string_view text) {
    std::vector<uint8_t> bytes(text.size() / 2);
    for (size_t i = 0; i < bytes.size(); ++i) std::from_chars(&text[2 * i], &text[2 * i] + 2, bytes[i], 16);
    return bytes;
  }
  static std::vector<uint8_t> joined(std::vector<uint8_t> a, const std::vector<uint8_t>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  // RFC 5246 §6.3: client's and server's MAC keys, keys, IVs. With CBC the MAC comes last: both sides are Kaon's.
  dtls::RecordCipher12 record_cipher(bool of_client) const {
    const dtls::RecordKeySizes sizes = dtls::record_key_sizes(suite_->algorithm);
    std::vector<uint8_t> block(2 * (sizes.mac + sizes.cipher + sizes.iv));
    crypto::tls12_prf(suite_->hash, master_, "key expansion", joined(server_random_, client_random_), block);
    ByteView rest = block;
    const auto take = [&](size_t size) {
      const ByteView ours = rest.subspan(of_client ? 0 : size, size);
      rest = rest.subspan(2 * size);
      return ours;
    };
    const ByteView mac = take(sizes.mac);
    const ByteView cipher = take(sizes.cipher);
    return {suite_->algorithm, {.mac = mac, .cipher = cipher, .iv = take(sizes.iv)}, true};
  }

  std::vector<uint8_t> client_random_, server_random_, master_;
  const dtls::SuiteInfo* suite_ = nullptr;
};

}  // namespace kaon::fuzz
