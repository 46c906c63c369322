// Counts the allocations of this program, those of libcrypto too, to show that the packet path makes none.
#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <cstdlib>
#include <new>

#include "kaon/srtp/internal/test_session.h"

namespace {

size_t allocations = 0;

void* counted_malloc(size_t size, const char* = nullptr, int = 0) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
void* counted_realloc(void* memory, size_t size, const char*, int) {
  ++allocations;
  return std::realloc(memory, size);
}
void plain_free(void* memory, const char*, int) { std::free(memory); }
// Refused once libcrypto has allocated anything, hence before main().
const bool libcrypto_is_counted = CRYPTO_set_mem_functions(counted_malloc, counted_realloc, plain_free) == 1;

}  // namespace

void* operator new(size_t size) { return counted_malloc(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace kaon::srtp {
namespace {

using internal::rtcp_packet;
using internal::rtp_packet;
using internal::TestSession;

TEST(Allocations, ThereAreNonePerPacketAfterTheFirstOfAStream) {
  ASSERT_TRUE(libcrypto_is_counted);
  for (Profile profile : kProfiles) {
    TestSession session(profile);
    auto packet = rtp_packet(1, 0, 1100);
    const auto rtcp = rtcp_packet(1);
    std::vector<uint8_t> sealed(1200);
    std::vector<uint8_t> out(1200);
    size_t before = 0;
    for (uint32_t n = 0; n < 70'000; ++n) {
      if (n == 1) before = allocations;
      store_be16(packet.data() + 2, static_cast<uint16_t>(n));
      const auto size = session.sender.protect_rtp(packet, sealed);
      ASSERT_TRUE(size);
      ASSERT_TRUE(session.receiver.unprotect_rtp(ByteView(sealed).first(*size), out));
      ASSERT_FALSE(session.receiver.unprotect_rtp(ByteView(sealed).first(*size), out)) << "a replay";
      const auto rtcp_size = session.sender.protect_rtcp(rtcp, sealed);
      ASSERT_TRUE(rtcp_size);
      ASSERT_TRUE(session.receiver.unprotect_rtcp(ByteView(sealed).first(*rtcp_size), out));
    }
    EXPECT_EQ(allocations, before) << to_string(profile);
  }
}

// E3: each costs one look at its tag; nothing is allocated, kept or sent. Replays do not cost that.
TEST(Allocations, AMillionForgedPacketsLeaveNothingBehind) {
  for (const Profile profile : {Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80}) {
    TestSession session(profile);
    auto packet = rtp_packet(1, 0, 60);
    std::vector<uint8_t> sealed(100);
    std::vector<uint8_t> out(100);
    const auto size = session.sender.protect_rtp(packet, sealed);
    ASSERT_TRUE(size);
    sealed.resize(*size);
    ASSERT_TRUE(session.receiver.unprotect_rtp(sealed, out));
    const size_t before = allocations;
    constexpr uint64_t kForged = 1'000'000;
    for (uint32_t n = 1; n <= kForged; ++n) {
      store_be16(&sealed[2], static_cast<uint16_t>(1 + n % 0x7fff));  // ahead of what came, so that none is a replay
      store_be32(&sealed[8], n % 3 == 0 ? n : 1);                     // of SSRCs that are there and are not
      ASSERT_FALSE(session.receiver.unprotect_rtp(sealed, out));
    }
    EXPECT_EQ(allocations, before) << to_string(profile);
    EXPECT_EQ(session.receiver.dropped_rtp()[UnprotectError::AuthenticationFailed], kForged);
    store_be16(&packet[2], 1);
    sealed.resize(100);
    const auto next = session.sender.protect_rtp(packet, sealed);
    ASSERT_TRUE(next);
    EXPECT_TRUE(session.receiver.unprotect_rtp(ByteView(sealed).first(*next), out)) << "the call lives";
  }
}

}  // namespace
}  // namespace kaon::srtp
