// Counts the allocations of this program to show that the packet path makes none.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "kaon/srtp/internal/test_session.h"

namespace {
size_t allocations = 0;
}

void* operator new(size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace kaon::srtp {
namespace {

using internal::rtcp_packet;
using internal::rtp_packet;
using internal::TestSession;

TEST(Allocations, ThereAreNonePerPacketAfterTheFirstOfAStream) {
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

}  // namespace
}  // namespace kaon::srtp
