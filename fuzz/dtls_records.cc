// Records of a datagram, and handshake messages put together out of their fragments: nothing beyond the bounds, and a
// whole message is one that some fragments told.
#include "fuzz/fuzz.h"
#include "kaon/dtls/internal/reassembler.h"
#include "kaon/dtls/internal/record_layer.h"

namespace kaon::dtls {

KAON_FUZZ_TARGET(dtls_records) {
  std::vector<uint8_t> packet = fuzz::copy(input);
  Bytes datagram(packet);
  RecordLayer layer;
  Reassembler reassembler;
  while (!datagram.empty()) {
    const size_t before = datagram.size();
    const auto record = next_record(datagram);
    KAON_ASSERT(datagram.size() < before);
    if (!record) continue;
    KAON_ASSERT(before - datagram.size() == record->header.size() + record->fragment.size());
    if (record->unified || record->epoch != 0) {
      (void)layer.open(*record);  // there are no keys
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

}  // namespace kaon::dtls
