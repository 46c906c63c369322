// What finding the connection of a datagram costs ice::Mux, without a network: with so many connections, each with one
// address and one stream, in random order.
//   mux_lookup CONNECTIONS
// Prints one JSON object.
#include <malloc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kaon/base/assert.h"
#include "kaon/base/random.h"
#include "kaon/base/text.h"
#include "kaon/ice/credentials.h"
#include "kaon/ice/mux.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"

namespace {

using namespace kaon;

constexpr net::Endpoint kPort{net::IpAddress::v4(192, 0, 2, 1), 5000};
constexpr size_t kBatch = 64;
constexpr size_t kLookups = 3200 * kBatch;
constexpr int kRounds = 5;

struct Packet {
  net::Datagram datagram;
  std::array<uint8_t, 160> bytes{};
};

net::Endpoint address_of(size_t connection) {
  const auto number = static_cast<uint32_t>(connection);
  return {net::IpAddress::v4(0xcb007100 + number / 50'000), static_cast<uint16_t>(1024 + number % 50'000)};
}

// As checks of browsers, but unsigned: the mux does not look.
size_t write_check(Bytes out, std::string_view ufrag, Random& random) {
  stun::Builder builder(out, stun::Method::Binding, stun::Class::Request, stun::TransactionId::random(random));
  builder.add_text(stun::Attribute::Username, cat(ufrag, ":abcd"));
  builder.add_u64(stun::Attribute::IceControlling, random.u64());
  builder.add_u32(stun::Attribute::Priority, 1);
  builder.add_integrity(stun::short_term_key("0123456789012345678901")).add_fingerprint();
  return builder.finish().size();
}

size_t write_answer(Bytes out, uint32_t tag, Random& random) {
  stun::TransactionId id = stun::TransactionId::random(random);
  store_be32(id.bytes.data(), tag);
  stun::Builder builder(out, stun::Method::Binding, stun::Class::Success, id);
  builder.add_xor_address(stun::Attribute::XorMappedAddress, kPort);
  builder.add_integrity(stun::short_term_key("0123456789012345678901")).add_fingerprint();
  return builder.finish().size();
}

size_t write_data(Bytes out) {
  std::ranges::fill(out, uint8_t{0x80});
  return out.size();
}

// Nanoseconds per packet, the best of some rounds: anything else is other work of the machine. As from a socket the
// packets come in batches that have just been written into the same memory, so that a miss of the cache is the mux's.
double measure(ice::Mux& mux, const std::vector<Packet>& packets) {
  std::array<Packet, kBatch> received;
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    size_t found = 0, at = 0;
    std::chrono::steady_clock::duration passed{};
    for (size_t i = 0; i < kLookups; i += kBatch) {
      for (Packet& packet : received) {
        packet = packets[at++ % packets.size()];
        packet.datagram.bytes = Bytes(packet.bytes).first(packet.datagram.bytes.size());
      }
      const auto begin = std::chrono::steady_clock::now();
      for (const Packet& packet : received) found += mux.route(packet.datagram).has_value();
      passed += std::chrono::steady_clock::now() - begin;
    }
    KAON_ASSERT(found == kLookups);
    best = std::min(best, std::chrono::duration<double, std::nano>(passed).count() / kLookups);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc == 2 ? std::strtoull(argv[1], nullptr, 10) : 0;
  if (count == 0) {
    std::fputs("usage: mux_lookup CONNECTIONS\n", stderr);
    return 2;
  }
  SeededRandom random(1);
  std::vector<std::string> ufrags;
  for (size_t i = 0; i < count; ++i) ufrags.push_back(ice::Credentials::generate(random).ufrag);
  const size_t before = mallinfo2().uordblks;
  ice::Mux mux(random.u64());
  for (size_t i = 0; i < count; ++i) {
    const ice::ConnectionId id(i);
    KAON_ASSERT(mux.add(id, ufrags[i], static_cast<uint32_t>(i)).has_value());
    KAON_ASSERT(mux.bind(id, {kPort, address_of(i)}).has_value());
    mux.bind_ssrc(id, static_cast<uint32_t>(i));
  }
  const double bytes = static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(count);

  std::vector<Packet> checks, answers, data;
  const auto add = [&](auto& to, size_t connection, auto write) {
    Packet& packet = to.emplace_back();
    packet.datagram = {.local = kPort, .remote = address_of(connection)};
    packet.datagram.bytes = Bytes(packet.bytes).first(write(Bytes(packet.bytes)));
  };
  for (size_t i = 0; i < count; ++i) {
    const size_t of = random.below(count);
    add(checks, of, [&](Bytes out) { return write_check(out, ufrags[of], random); });
    add(answers, of, [&](Bytes out) { return write_answer(out, static_cast<uint32_t>(of), random); });
    add(data, of, [&](Bytes out) { return write_data(out); });
  }
  std::printf("{\"check_ns\": %.1f, \"answer_ns\": %.1f, \"data_ns\": %.1f, \"bytes_per_connection\": %.0f}\n",
              measure(mux, checks), measure(mux, answers), measure(mux, data), bytes);
}
