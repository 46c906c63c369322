// Writes the vectors of this folder: what libsrtp2 makes of given packets. Build: cc generate.c -lsrtp2
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int id;
  void (*rtp_policy)(srtp_crypto_policy_t*);
  void (*rtcp_policy)(srtp_crypto_policy_t*);
  int key_size;
  int salt_size;
} Case;

static void hex(const uint8_t* bytes, int size) {
  if (size == 0) printf("-");
  for (int i = 0; i < size; ++i) printf("%02x", bytes[i]);
}

static void check(srtp_err_status_t status) {
  if (status != srtp_err_status_ok) {
    fprintf(stderr, "libsrtp: %d\n", status);
    exit(1);
  }
}

static void rtp(srtp_t session, uint32_t ssrc, uint16_t sequence, int csrcs, int extension_words, int payload) {
  uint8_t packet[2048] = {0x80, 96};
  packet[0] |= csrcs | (extension_words >= 0 ? 0x10 : 0);
  packet[2] = sequence >> 8;
  packet[3] = sequence & 255;
  for (int i = 0; i < 4; ++i) packet[4 + i] = 0x11 * (i + 1);
  for (int i = 0; i < 4; ++i) packet[8 + i] = ssrc >> (24 - 8 * i);
  int size = 12;
  for (int i = 0; i < 4 * csrcs; ++i) packet[size++] = i;
  if (extension_words >= 0) {
    packet[size++] = 0xbe;
    packet[size++] = 0xde;
    packet[size++] = 0;
    packet[size++] = extension_words;
    for (int i = 0; i < extension_words; ++i, size += 4) memcpy(packet + size, "\x12\x01\x02\x03", 4);
  }
  for (int i = 0; i < payload; ++i) packet[size++] = sequence + 7 * i;
  printf("rtp ");
  hex(packet, size);
  check(srtp_protect(session, packet, &size));
  printf(" ");
  hex(packet, size);
  printf("\n");
}

static void rtcp(srtp_t session, uint32_t ssrc, int words) {
  uint8_t packet[2048] = {0x80, 201, 0, 1 + words};
  for (int i = 0; i < 4; ++i) packet[4 + i] = ssrc >> (24 - 8 * i);
  int size = 8 + 4 * words;
  for (int i = 8; i < size; ++i) packet[i] = 3 * i;
  printf("rtcp ");
  hex(packet, size);
  check(srtp_protect_rtcp(session, packet, &size));
  printf(" ");
  hex(packet, size);
  printf("\n");
}

static void null_sha1_32(srtp_crypto_policy_t* policy) {
  srtp_crypto_policy_set_null_cipher_hmac_sha1_80(policy);
  policy->auth_tag_len = 4;
}

int main(void) {
  const Case cases[] = {
      {1, srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtp_default, 16, 14},
      {2, srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, srtp_crypto_policy_set_rtp_default, 16, 14},
      {7, srtp_crypto_policy_set_aes_gcm_128_16_auth, srtp_crypto_policy_set_aes_gcm_128_16_auth, 16, 12},
      {8, srtp_crypto_policy_set_aes_gcm_256_16_auth, srtp_crypto_policy_set_aes_gcm_256_16_auth, 32, 12},
      {3, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, 32, 14},
      {4, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, 32, 14},
      {5, srtp_crypto_policy_set_null_cipher_hmac_sha1_80, srtp_crypto_policy_set_null_cipher_hmac_sha1_80, 16, 14},
      {6, null_sha1_32, srtp_crypto_policy_set_null_cipher_hmac_sha1_80, 16, 14}};
  check(srtp_init());
  printf("# %s\n", srtp_get_version_string());
  for (int c = 0; c < 8; ++c) {
    uint8_t key[64];
    for (int i = 0; i < 64; ++i) key[i] = 0x35 * (c + 1) + 11 * i;
    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    cases[c].rtp_policy(&policy.rtp);
    cases[c].rtcp_policy(&policy.rtcp);
    policy.ssrc.type = ssrc_any_outbound;
    policy.key = key;
    policy.window_size = 1024;
    policy.allow_repeat_tx = 1;
    srtp_t session;
    check(srtp_create(&session, &policy));
    printf("profile %d ", cases[c].id);
    hex(key, cases[c].key_size);
    printf(" ");
    hex(key + cases[c].key_size, cases[c].salt_size);
    printf("\n");
    for (int i = 0; i < 4; ++i) rtp(session, 0xcafebabe, 65530 + i, 0, -1, 1 + 40 * i);
    rtp(session, 0x00000001, 5, 3, 2, 20);  // another stream
    rtp(session, 0xcafebabe, 0, 0, 0, 33);  // wraps; 65534 and 65535 come later
    rtp(session, 0xcafebabe, 65535, 15, 5, 16);
    rtp(session, 0xcafebabe, 1, 0, 1, 1100);
    rtp(session, 0xcafebabe, 65534, 0, -1, 0);
    for (int lap = 0; lap < 3; ++lap) {  // two more rollovers
      rtp(session, 0xcafebabe, 30000, 0, -1, 15);
      rtp(session, 0xcafebabe, 60000, 0, -1, 17);
      rtp(session, 0xcafebabe, 10000, 0, -1, 32);
    }
    for (int i = 0; i < 4; ++i) rtcp(session, 0xcafebabe, 5 * i);
    rtcp(session, 0x00000001, 6);
    check(srtp_dealloc(session));
  }
  return 0;
}
