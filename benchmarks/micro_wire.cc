// What parsing a packet costs, and a message of one packet on its way through two SCTP associations.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "benchmarks/micro.h"
#include "kaon/base/buffer.h"
#include "kaon/base/env.h"
#include "kaon/rtp/packet.h"
#include "kaon/sctp/association.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/message.h"

namespace kaon::bench {
namespace {

// A Binding request as ICE sends it.
void stun_parse(benchmark::State& state) {
  const std::vector<uint8_t> password(24, 'p');
  const crypto::Hmac key(crypto::HashAlgorithm::Sha1, password);
  std::array<uint8_t, 256> memory;
  stun::Builder builder(memory, stun::Method::Binding, stun::Class::Request, {});
  builder.add_text(stun::Attribute::Username, "abcdefgh:ijklmnop")
      .add_u32(stun::Attribute::Priority, 0x6e7f1eff)
      .add_u64(stun::Attribute::IceControlling, 0x0123456789abcdef)
      .add_integrity(key)
      .add_fingerprint();
  const ByteView request = builder.finish();
  const AllocationCount allocations(state);
  for ([[maybe_unused]] auto _ : state) {
    const auto message = stun::Message::parse(request);
    benchmark::DoNotOptimize(message->text(stun::Attribute::Username));
  }
}
BENCHMARK(stun_parse);

// A packet of video with the extensions that browsers send, from a pooled buffer as the receive path has it.
void rtp_parse(benchmark::State& state) {
  rtp::ExtensionMap map;
  static_cast<void>(map.add(1, rtp::ExtensionKind::AbsSendTime));
  static_cast<void>(map.add(2, rtp::ExtensionKind::TransportSequence));
  static_cast<void>(map.add(3, rtp::ExtensionKind::Mid));
  rtp::OutgoingHeader header{.header = {.marker = true, .payload_type = 96}, .extensions = {}, .has_padding = false};
  header.extensions.mid = "0";
  header.extensions.transport_sequence = 17;
  header.extensions.abs_send_time = rtp::AbsSendTime::from(Time());
  BufferPool pool;
  Buffer buffer = pool.allocate(1200);
  rtp::write_header(header, map, buffer.bytes());
  const SharedBuffer packet(std::move(buffer));
  const AllocationCount allocations(state);
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(rtp::Packet::parse(packet, map, Time()));
}
BENCHMARK(rtp_parse);

struct Associations {
  SeededRandom random{1};
  NullLogger log;
  std::array<sctp::Association, 2> sides = {sctp::Association({}, {random, log}), sctp::Association({}, {random, log})};
  std::vector<uint8_t> memory = std::vector<uint8_t>(sctp::kMaxPacketSize);
  Time now{std::chrono::seconds(1)};
  size_t messages = 0;

  // Passes packets until neither has one.
  void settle() {
    for (bool active = true; active;) {
      active = false;
      for (size_t i = 0; i < 2; ++i) {
        while (const auto event = sides[i].poll_event()) messages += std::holds_alternative<sctp::Message>(*event);
        while (const auto transmit = sides[i].poll_transmit(memory)) {
          sides[1 - i].handle_packet(Bytes(memory).first(transmit->size), now);
          active = true;
        }
      }
    }
  }
};

// Queueing, writing, parsing and delivery of 1,100 bytes, with the acknowledgement of every second packet.
void sctp_packet(benchmark::State& state) {
  Associations pair;
  for (auto& side : pair.sides) side.connect(pair.now);
  pair.settle();
  const std::vector<uint8_t> payload(1100, 7);
  const auto send = [&] {
    pair.now += std::chrono::microseconds(100);
    for (auto& side : pair.sides) {
      if (side.next_timeout() <= pair.now) side.handle_timeout(pair.now);
    }
    if (!pair.sides[0].send(sctp::StreamId(0), sctp::Ppid(53), payload, {}, pair.now)) state.SkipWithError("send");
    pair.settle();
  };
  for (int i = 0; i < 1000; ++i) send();
  const AllocationCount allocations(state);
  for ([[maybe_unused]] auto _ : state) send();
  if (pair.messages < static_cast<size_t>(state.iterations())) state.SkipWithError("messages are missing");
}
BENCHMARK(sctp_packet);

}  // namespace
}  // namespace kaon::bench
