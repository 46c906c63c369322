#include "kaon/dtls/describe.h"

#include <gtest/gtest.h>

#include "kaon/base/outline.h"

namespace kaon::dtls {
namespace {

std::string text_of(ByteView datagram) {
  Outline outline(datagram);
  describe(datagram, outline);
  return outline.text();
}

// As NSS sends them: type, version, epoch 0 and number 5, a list of two numbers.
TEST(Describe, TellsWhatAnAckInTheClearNames) {
  std::vector<uint8_t> packet = {26, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 5, 0, 34, 0, 32};
  packet.resize(packet.size() + 32);
  packet[30] = 1;   // epoch 0, record 1
  packet[38] = 2;   // epoch 2
  packet[46] = 17;  // record 17
  EXPECT_EQ(text_of(packet),
            "DTLS ACK, DTLS 1.2, epoch 0, record 5, 34 bytes\n"
            "  of epoch 0, record 1\n"
            "  of epoch 2, record 17\n");
  packet[14] = 31;
  EXPECT_NE(text_of(packet).find("expected a list of record numbers"), std::string::npos);
}

}  // namespace
}  // namespace kaon::dtls
