// A peer that speaks SCTP by hand, for tests of what an association does with packets that no good peer sends.
#pragma once

#include <gtest/gtest.h>

#include "kaon/sctp/association.h"
#include "kaon/sctp/internal/data_chunk.h"
#include "kaon/sctp/internal/init_chunk.h"
#include "kaon/sctp/internal/reconfig_chunk.h"
#include "kaon/sctp/internal/sack_chunk.h"

namespace kaon::sctp::test {

using namespace std::chrono_literals;

/// One chunk of the association's.
struct Sent {
  ChunkType type;
  uint8_t flags;
  std::vector<uint8_t> value;
  uint32_t tag;
};

/// Speaks SCTP by hand to an association that listens.
struct Attack {
  explicit Attack(const Config& config = {}) : random(3), engine(config, Env{random, log}) {}

  void send(uint32_t to, std::initializer_list<std::tuple<ChunkType, uint8_t, std::vector<uint8_t>>> chunks) {
    std::vector<uint8_t> out(kMaxPacketSize);
    PacketWriter writer(out, out.size());
    for (const auto& [type, flags, value] : chunks) writer.add(type, flags, value);
    out.resize(writer.finish({5000, 5000, to}, checksum));
    engine.handle_packet(out, now);
  }
  void send(ChunkType type, uint8_t flags, std::vector<uint8_t> value) { send(tag, {{type, flags, std::move(value)}}); }

  std::vector<Sent> drain() {
    std::vector<Sent> all;
    std::vector<uint8_t> out(kMaxPacketSize);
    while (const auto t = engine.poll_transmit(out)) {
      ChunkReader reader(ByteView(out).subspan(12, t->size - 12));
      while (const auto c = reader.next()) {
        all.push_back({c->type, c->flags, {c->value.begin(), c->value.end()}, load_be32(&out[4])});
      }
    }
    return all;
  }
  std::vector<uint8_t> init(uint32_t own_tag, bool extensions = true) {
    InitChunk chunk;
    chunk.capabilities = {true, true, interleaving, false, ecn};
    chunk.initiate_tag = own_tag;
    chunk.a_rwnd = 100'000;
    chunk.outgoing_streams = chunk.incoming_streams = 1000;
    chunk.initial_tsn = Tsn(100);
    std::vector<uint8_t> out(chunk.size());
    chunk.write(out);
    if (!extensions) out.resize(16);
    return out;
  }
  std::vector<uint8_t> cookie_for(const std::vector<uint8_t>& init_value) {
    send(0, {{ChunkType::Init, 0, init_value}});
    const auto sent = drain();
    for (const auto& chunk : sent) {
      if (chunk.type != ChunkType::InitAck) continue;
      const auto ack = InitChunk::parse(chunk.value);
      tag = ack->initiate_tag;
      engine_tsn = ack->initial_tsn;
      return {ack->cookie->begin(), ack->cookie->end()};
    }
    ADD_FAILURE() << "no INIT ACK";
    return {};
  }
  void establish(bool extensions = true) {
    const auto cookie = cookie_for(init(0xabc, extensions));
    send(ChunkType::CookieEcho, 0, cookie);
    ASSERT_EQ(engine.state(), State::Established);
    drain();
    events();
  }
  void data(uint32_t tsn, uint8_t flags, size_t size = 10, uint16_t stream = 1, uint16_t ssn = 0) {
    std::vector<uint8_t> value(DataChunk::header_size(DataFormat::Data) + size);
    store_be32(&value[0], tsn);
    store_be16(&value[4], stream);
    store_be16(&value[6], ssn);
    send(ChunkType::Data, flags, std::move(value));
  }
  void sack(uint32_t cumulative, std::vector<std::pair<uint16_t, uint16_t>> blocks = {}) {
    std::vector<uint8_t> value(12 + 4 * blocks.size());
    store_be32(&value[0], cumulative);
    store_be32(&value[4], 100'000);
    store_be16(&value[8], static_cast<uint16_t>(blocks.size()));
    for (size_t i = 0; i < blocks.size(); ++i) {
      store_be16(&value[12 + 4 * i], blocks[i].first);
      store_be16(&value[14 + 4 * i], blocks[i].second);
    }
    send(ChunkType::Sack, 0, std::move(value));
  }
  size_t events() {
    size_t messages = 0;
    while (auto event = engine.poll_event()) {
      messages += std::holds_alternative<Message>(*event);
      if (auto* c = std::get_if<Closed>(&*event)) closed = *c;
    }
    return messages;
  }
  uint64_t drops(DropReason reason) { return engine.drops()[reason]; }

  void idata(uint32_t tsn, uint8_t flags, uint32_t mid, uint32_t fsn, uint16_t stream = 1, size_t size = 10) {
    DataChunk chunk{DataFormat::IData, Tsn(tsn), StreamId(stream), Mid(mid), fsn, Ppid(53), flags, {}};
    const std::vector<uint8_t> payload(size);
    chunk.payload = payload;
    std::vector<uint8_t> value(DataChunk::header_size(chunk.format) + size);
    chunk.write(value);
    send(ChunkType::IData, flags, std::move(value));
  }

  bool interleaving = false;
  bool ecn = false;
  PacketWriter::Checksum checksum = PacketWriter::Checksum::Crc32c;
  SeededRandom random;
  NullLogger log;
  Association engine;
  Time now{1000s};
  uint32_t tag = 0;
  Tsn engine_tsn;
  std::optional<Closed> closed;
};

inline constexpr uint8_t kWhole = DataChunk::kBeginning | DataChunk::kEnd;

/// The parameter of a RE-CONFIG that resets the sender's streams.
inline std::vector<uint8_t> reset_request(uint32_t sequence, uint32_t last_tsn, std::vector<StreamId> streams) {
  OutgoingResetRequest request;
  request.request_sequence = sequence;
  request.last_assigned_tsn = Tsn(last_tsn);
  request.streams = std::move(streams);
  std::vector<uint8_t> out(4 + request.size());
  store_be16(&out[0], 13);
  store_be16(&out[2], static_cast<uint16_t>(out.size()));
  request.write(Bytes(out).subspan(4));
  return out;
}

}  // namespace kaon::sctp::test
