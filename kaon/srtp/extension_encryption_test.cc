// Header extension elements encrypted one by one: RFC 6904.
#include <gtest/gtest.h>

#include <algorithm>

#include "kaon/srtp/internal/extension_cipher.h"
#include "kaon/srtp/internal/test_session.h"

namespace kaon::srtp {
namespace {

using internal::from_hex;
using internal::rtp_packet;
using internal::TestSession;

ExtensionIds ids(std::initializer_list<uint8_t> numbers) {
  ExtensionIds set;
  for (const uint8_t number : numbers) set.set(number);
  return set;
}

struct Vector {
  Profile profile;
  const char* salt;
  const char* sealed;
};

// RFC 6904 appendix A: elements 1, 3 and 4 of four, and what libsrtp makes of the whole packet with AES-CM and, by
// RFC 7714 §8.3, with AES-GCM.
TEST(ExtensionEncryption, PassesTheVectorOfRfc6904AndThoseOfLibsrtp) {
  const auto key = from_hex("e1f97a0d3e018be0d64fa32c06de4139");
  const auto packet = from_hex(
      "900f1234decafbadcafebabe bede0006 17414273a475262748220000c8308e4655996386b395fb00"
      "abababababababababababababababab");
  constexpr Vector kVectors[] = {
      {Profile::Aes128CmSha1_80, "0ec675ad498afeebb6960b3aabe6",
       "900f1234decafbadcafebabe bede0006 17588a9270f4e15e1c220000c8309546a994f0bc54789700"
       "4e55dc4ce79978d88ca4d215949d24025a46b3ca35c535a891c7"},
      {Profile::AeadAes128Gcm, "0ec675ad498afeebb6960b3a",
       "900f1234decafbadcafebabe bede0006 1712e0205bfa949b1c220000c830bb46732778d9929aab00"
       "0eca0cf95ee955b26cd3d288b49f6ca9f4b1b759719eb5bc113b9ff1d40cd25a"},
  };
  for (const Vector& v : kVectors) {
    const auto salt = from_hex(v.salt);
    Sender sender(v.profile, {key, salt}, ids({1, 3, 4}));
    Receiver receiver(v.profile, {key, salt}, ids({1, 3, 4}));
    const auto sealed = from_hex(v.sealed);
    std::vector<uint8_t> out(sealed.size());
    ASSERT_EQ(sender.protect_rtp(packet, out), sealed.size());
    EXPECT_EQ(to_hex(out), to_hex(sealed)) << to_string(v.profile);
    ASSERT_EQ(receiver.unprotect_rtp(sealed, out), packet.size());
    EXPECT_EQ(to_hex(ByteView(out).first(packet.size())), to_hex(packet)) << to_string(v.profile);
  }
}

class ExtensionEncryptionTest : public ::testing::TestWithParam<Profile> {};
INSTANTIATE_TEST_SUITE_P(Profiles, ExtensionEncryptionTest, ::testing::ValuesIn(kProfiles));

std::vector<uint8_t> packet_with(uint16_t sequence, std::string_view extension) {
  auto packet = rtp_packet(7, sequence, 0);
  packet[0] |= 0x11;
  packet.insert(packet.end(), {1, 2, 3, 4});
  const auto block = from_hex(extension);
  packet.insert(packet.end(), block.begin(), block.end());
  packet.insert(packet.end(), 50, 0x77);
  return packet;
}

TEST_P(ExtensionEncryptionTest, EncryptsOnlyTheValuesOfItsElements) {
  // Elements 1 and 2 with padding between them, in both forms; two with no value.
  for (const char* extension :
       {"bede0004 12aaaaaa 0000 22bbbbbb 00000000 0000", "10000005 0103aaaaaa 000000 0203bbbbbb 0300 0200 00"}) {
    TestSession session(GetParam());
    Sender sender(GetParam(), session.keys(), ids({2}));
    Receiver receiver(GetParam(), session.keys(), ids({2}));
    const auto packet = packet_with(1, extension);
    const auto plain = session.protect(packet);
    std::vector<uint8_t> sealed(plain.size());
    ASSERT_EQ(sender.protect_rtp(packet, sealed), plain.size());
    const auto value = std::ranges::search(packet, std::array<uint8_t, 3>{0xbb, 0xbb, 0xbb}).begin() - packet.begin();
    size_t changed = 0;
    for (size_t i = 0; i < packet.size() - 50; ++i) {
      if (sealed[i] == packet[i]) continue;
      ++changed;
      EXPECT_GE(i, static_cast<size_t>(value));
      EXPECT_LT(i, static_cast<size_t>(value) + 3);
    }
    EXPECT_EQ(changed != 0, encrypts(GetParam()));
    std::vector<uint8_t> memory = packet;
    memory.resize(sealed.size());
    Sender second(GetParam(), session.keys(), ids({2}));
    ASSERT_EQ(second.protect_rtp(ByteView(memory).first(packet.size()), memory), sealed.size());
    EXPECT_EQ(memory, sealed) << "in place";
    const auto size = receiver.unprotect_rtp(sealed, memory);
    ASSERT_EQ(size, packet.size());
    memory.resize(*size);
    EXPECT_EQ(memory, packet);
  }
}

// RFC 9335 §5: one or the other.
TEST_P(ExtensionEncryptionTest, IsNotUsedInPacketsThatCryptexEncrypts) {
  TestSession session(GetParam());
  session.set_cryptex(Cryptex::On);
  Sender sender(GetParam(), session.keys(), ids({1}));
  Receiver receiver(GetParam(), session.keys(), ids({1}));
  sender.set_cryptex(Cryptex::On);
  receiver.set_cryptex(Cryptex::On);
  const auto packet = packet_with(1, "bede0001 12aaaaaa");
  const auto expected = session.protect(packet);
  std::vector<uint8_t> sealed(expected.size());
  ASSERT_TRUE(sender.protect_rtp(packet, sealed));
  EXPECT_EQ(sealed, expected);
  std::vector<uint8_t> out(packet.size());
  ASSERT_TRUE(receiver.unprotect_rtp(sealed, out));
  EXPECT_EQ(out, packet);
}

TEST_P(ExtensionEncryptionTest, StopsAtMalformedElementsAndSurvivesAllBlocks) {
  SeededRandom random(3);
  TestSession session(GetParam());
  const ExtensionIds all = ~ExtensionIds();
  Sender sender(GetParam(), session.keys(), all);
  Receiver receiver(GetParam(), session.keys(), all);
  for (uint16_t sequence = 1; sequence < 500; ++sequence) {
    auto packet = packet_with(sequence, sequence % 2 == 0 ? "bede0020" : "10000020");
    std::vector<uint8_t> block(0x20 * 4);
    random.fill(block);
    for (uint8_t& byte : block) byte &= sequence % 3 == 0 ? 0x3f : 0xff;
    packet.insert(packet.end() - 50, block.begin(), block.end());
    std::vector<uint8_t> sealed(packet.size() + 16);
    const auto size = sender.protect_rtp(packet, sealed);
    ASSERT_TRUE(size);
    std::vector<uint8_t> out(packet.size());
    ASSERT_TRUE(receiver.unprotect_rtp(ByteView(sealed).first(*size), out));
    ASSERT_EQ(out, packet);
  }
}

}  // namespace
}  // namespace kaon::srtp
