// SRTP over a payload of 1,200 bytes, beside the bare cipher call with the same work.
#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "benchmarks/micro.h"
#include "kaon/base/random.h"
#include "kaon/crypto/aead.h"
#include "kaon/crypto/cipher.h"
#include "kaon/crypto/hash.h"
#include "kaon/srtp/receiver.h"
#include "kaon/srtp/sender.h"

namespace kaon::bench {
namespace {

constexpr size_t kPayload = 1200;
constexpr size_t kHeader = 12;
constexpr size_t kHmacTag = 10;

std::vector<uint8_t> random_bytes(size_t size) {
  SeededRandom random(1);
  std::vector<uint8_t> bytes(size);
  random.fill(bytes);
  return bytes;
}

std::vector<uint8_t> rtp_packet() {
  std::vector<uint8_t> packet = random_bytes(kHeader + kPayload);
  packet[0] = 0x80;
  packet[1] = 96;
  packet[2] = packet[3] = 0;
  return packet;
}

struct Keys {
  explicit Keys(srtp::Profile profile)
      : key(random_bytes(srtp::key_size(profile))), salt(random_bytes(srtp::salt_size(profile))) {}
  srtp::KeyingMaterial view() const { return {key, salt}; }
  std::vector<uint8_t> key;
  std::vector<uint8_t> salt;
};

void protect(benchmark::State& state, srtp::Profile profile) {
  const Keys keys(profile);
  srtp::Sender sender(profile, keys.view());
  std::vector<uint8_t> packet = rtp_packet();
  std::vector<uint8_t> out(packet.size() + srtp::rtp_overhead(profile));
  uint16_t sequence = 0;
  const AllocationCount allocations(state);
  for ([[maybe_unused]] auto _ : state) {
    store_be16(&packet[2], sequence++);
    benchmark::DoNotOptimize(sender.protect_rtp(packet, out));
  }
}

// Every packet is sealed with the clock stopped: the receiver refuses one it has seen. Many at once, since stopping
// the clock costs more than a packet.
void unprotect(benchmark::State& state, srtp::Profile profile) {
  constexpr size_t kBatch = 4096;
  const Keys keys(profile);
  srtp::Sender sender(profile, keys.view());
  srtp::Receiver receiver(profile, keys.view());
  std::vector<uint8_t> packet = rtp_packet();
  const size_t size = packet.size() + srtp::rtp_overhead(profile);
  std::vector<uint8_t> sealed(kBatch * size);
  std::vector<uint8_t> out(packet.size());
  uint16_t sequence = 0;
  size_t next = kBatch;
  const AllocationCount allocations(state);
  for ([[maybe_unused]] auto _ : state) {
    if (next == kBatch) {
      state.PauseTiming();
      for (next = 0; next < kBatch; ++next) {
        store_be16(&packet[2], sequence++);
        if (!sender.protect_rtp(packet, Bytes(sealed).subspan(next * size, size))) state.SkipWithError("protect");
      }
      next = 0;
      state.ResumeTiming();
    }
    const auto opened = receiver.unprotect_rtp(ByteView(sealed).subspan(next++ * size, size), out);
    if (!opened) state.SkipWithError("unprotect");
  }
}

void bare_gcm(benchmark::State& state, crypto::AeadAlgorithm algorithm) {
  const std::vector<uint8_t> key = random_bytes(crypto::aead_key_size(algorithm));
  crypto::Aead aead(algorithm, key);
  const std::vector<uint8_t> packet = rtp_packet();
  std::vector<uint8_t> out(kPayload + crypto::kAeadTagSize);
  std::array<uint8_t, crypto::kAeadNonceSize> nonce{};
  uint32_t number = 0;
  const AllocationCount allocations(state);
  for ([[maybe_unused]] auto _ : state) {
    store_be32(nonce.data(), number++);
    aead.seal(nonce, ByteView(packet).first(kHeader), ByteView(packet).subspan(kHeader), out);
    benchmark::DoNotOptimize(out.data());
  }
}

void bare_ctr_hmac(benchmark::State& state) {
  const std::vector<uint8_t> key = random_bytes(16);
  crypto::AesCtr ctr(key);
  const crypto::Hmac hmac(crypto::HashAlgorithm::Sha1, random_bytes(20));
  const std::vector<uint8_t> packet = rtp_packet();
  std::vector<uint8_t> out(packet.size() + kHmacTag);
  std::array<uint8_t, 16> counter{};
  uint32_t number = 0;
  const AllocationCount allocations(state);
  for ([[maybe_unused]] auto _ : state) {
    store_be32(counter.data(), number++);
    ctr.crypt(counter, ByteView(packet).subspan(kHeader), Bytes(out).subspan(kHeader, kPayload));
    const std::array<ByteView, 1> parts = {ByteView(out).first(packet.size())};
    benchmark::DoNotOptimize(hmac.compute(parts));
  }
}

BENCHMARK_CAPTURE(protect, aes128_gcm, srtp::Profile::AeadAes128Gcm);
BENCHMARK_CAPTURE(protect, aes256_gcm, srtp::Profile::AeadAes256Gcm);
BENCHMARK_CAPTURE(protect, aes128_cm_sha1_80, srtp::Profile::Aes128CmSha1_80);
BENCHMARK_CAPTURE(protect, aes128_cm_sha1_32, srtp::Profile::Aes128CmSha1_32);
BENCHMARK_CAPTURE(unprotect, aes128_gcm, srtp::Profile::AeadAes128Gcm);
BENCHMARK_CAPTURE(unprotect, aes256_gcm, srtp::Profile::AeadAes256Gcm);
BENCHMARK_CAPTURE(unprotect, aes128_cm_sha1_80, srtp::Profile::Aes128CmSha1_80);
BENCHMARK_CAPTURE(unprotect, aes128_cm_sha1_32, srtp::Profile::Aes128CmSha1_32);
BENCHMARK_CAPTURE(bare_gcm, aes128, crypto::AeadAlgorithm::Aes128Gcm);
BENCHMARK_CAPTURE(bare_gcm, aes256, crypto::AeadAlgorithm::Aes256Gcm);
BENCHMARK(bare_ctr_hmac)->Name("bare_ctr_hmac/aes128_sha1");

}  // namespace
}  // namespace kaon::bench
