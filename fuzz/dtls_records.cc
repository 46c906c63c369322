// Records of a datagram, and handshake messages put together out of their fragments: nothing beyond the bounds, and a
// whole message is one that some fragments told.
#include "fuzz/fuzz.h"
#include "kaon/dtls/internal/reassembler.h"
#include "kaon/dtls/internal/record_layer.h"

namespace kaon::dtls {

namespace {

// Keys of 1.3, and of 1.2 with CBC, which decrypts before it knows what is forged unless the MAC comes last.
void install_keys(RecordLayer& layer, bool encrypt_then_mac) {
  const std::array<uint8_t, 32> secret{};
  const auto cbc = [&] {
    const RecordKeys keys{.mac = ByteView(secret).first(20), .cipher = ByteView(secret).first(16)};
    return RecordCipher12(crypto::CbcHmacAlgorithm::Aes128Sha1, keys, encrypt_then_mac);
  };
  layer.install(cbc(), cbc());
  layer.install_read(kEpochHandshake13, {crypto::AeadAlgorithm::Aes128Gcm, crypto::HashAlgorithm::Sha256, secret});
}

void read(ByteView input, size_t id_size) {
  std::vector<uint8_t> packet = fuzz::copy(input);
  Bytes datagram(packet);
  RecordLayer layer;
  install_keys(layer, id_size == 1);
  // An id that the fuzzer finds.
  layer.use_connection_ids(std::vector<uint8_t>(id_size, 0), {});
  Reassembler reassembler;
  while (!datagram.empty()) {
    const size_t before = datagram.size();
    const auto record = next_record(datagram, id_size);
    KAON_ASSERT(datagram.size() < before);
    if (!record) continue;
    KAON_ASSERT(before - datagram.size() == record->header.size() + record->fragment.size());
    KAON_ASSERT(record->connection_id.empty() || record->connection_id.size() == id_size);
    if (record->unified || record->epoch != 0) {
      (void)layer.open(*record);
      continue;
    }
    if (record->type != ContentType::Handshake) continue;
    Reader reader(record->fragment);
    while (const auto fragment = Fragment::parse(reader, record->epoch)) {
      KAON_ASSERT(fragment->offset + fragment->bytes.size() <= fragment->length);
      (void)reassembler.add(*fragment);
      KAON_ASSERT(reassembler.memory() <= Reassembler::kMaxBytes);
      while (const auto message = reassembler.take()) KAON_ASSERT(message->body.size() <= kMaxHandshakeMessage);
      if (reader.at_end()) break;
    }
  }
}

}  // namespace

KAON_FUZZ_TARGET(dtls_records) {
  for (const size_t id_size : {size_t{0}, size_t{1}, kMaxConnectionIdSize}) read(input, id_size);
}

}  // namespace kaon::dtls
