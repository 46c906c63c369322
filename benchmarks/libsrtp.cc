// What protecting and unprotecting an RTP packet costs libsrtp: "libsrtp SECONDS" prints nanoseconds of CPU per packet
// as one JSON object, by the names of ./bench micro. Compiled by peers.py, as nothing of Kaon is in it.
#include <srtp2/srtp.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <vector>

namespace {

constexpr int kPayload = 1200;
constexpr int kHeader = 12;
// Packets between two looks at the clock; the receiver's are made while it does not count.
constexpr size_t kBatch = 4096;
constexpr size_t kSlot = kHeader + kPayload + SRTP_MAX_TRAILER_LEN;

void check(srtp_err_status_t status) {
  if (status == srtp_err_status_ok) return;
  std::fprintf(stderr, "libsrtp: error %d\n", static_cast<int>(status));
  std::exit(1);
}

double cpu_ns() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

using SetPolicy = void (*)(srtp_crypto_policy_t*);

srtp_t session(SetPolicy set, bool receives) {
  static std::vector<unsigned char> key(64);
  std::iota(key.begin(), key.end(), static_cast<unsigned char>(0));
  srtp_policy_t policy{};
  set(&policy.rtp);
  set(&policy.rtcp);
  policy.ssrc.type = receives ? ssrc_any_inbound : ssrc_any_outbound;
  policy.key = key.data();
  policy.window_size = 1024;
  srtp_t made = nullptr;
  check(srtp_create(&made, &policy));
  return made;
}

void measure(const char* name, SetPolicy set, double seconds, bool last) {
  srtp_t sender = session(set, false);
  srtp_t receiver = session(set, true);
  std::vector<uint8_t> packets(kBatch * kSlot);
  std::vector<int> sizes(kBatch);
  double sealing = 0, opening = 0, count = 0;
  uint16_t sequence = 0;
  while (sealing < seconds * 1e9 || opening < seconds * 1e9) {
    for (size_t i = 0; i < kBatch; ++i, ++sequence) {
      uint8_t* const packet = &packets[i * kSlot];
      packet[0] = 0x80;
      packet[1] = 96;
      packet[2] = static_cast<uint8_t>(sequence >> 8);
      packet[3] = static_cast<uint8_t>(sequence);
      sizes[i] = kHeader + kPayload;
    }
    const double begin = cpu_ns();
    for (size_t i = 0; i < kBatch; ++i) check(srtp_protect(sender, &packets[i * kSlot], &sizes[i]));
    const double middle = cpu_ns();
    for (size_t i = 0; i < kBatch; ++i) check(srtp_unprotect(receiver, &packets[i * kSlot], &sizes[i]));
    sealing += middle - begin;
    opening += cpu_ns() - middle;
    count += kBatch;
  }
  std::printf("\"protect_%s\": %.1f, \"unprotect_%s\": %.1f%s", name, sealing / count, name, opening / count,
              last ? "" : ", ");
  srtp_dealloc(sender);
  srtp_dealloc(receiver);
}

}  // namespace

int main(int, char** argv) {
  const double seconds = std::atof(argv[1]);
  check(srtp_init());
  std::printf("{");
  measure("aes128_gcm", srtp_crypto_policy_set_aes_gcm_128_16_auth, seconds, false);
  measure("aes256_gcm", srtp_crypto_policy_set_aes_gcm_256_16_auth, seconds, false);
  measure("aes128_cm_sha1_80", srtp_crypto_policy_set_rtp_default, seconds, false);
  measure("aes128_cm_sha1_32", srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, seconds, true);
  std::printf("}\n");
}
