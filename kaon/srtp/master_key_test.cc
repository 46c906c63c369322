// Several master keys, told apart by identifiers: RFC 3711 §3.1, §3.4 and §8.1.
#include <gtest/gtest.h>

#include <algorithm>

#include "kaon/srtp/internal/test_session.h"

namespace kaon::srtp {
namespace {

using internal::from_hex;
using internal::rtcp_packet;
using internal::rtp_packet;
using internal::TestSession;

// libsrtp's own reference packets (test/srtp_driver.c, srtp_validate_mki).
TEST(MasterKeyIdentifier, PassesTheVectorsOfLibsrtp) {
  const auto key = from_hex("e1f97a0d3e018be0d64fa32c06de4139");
  const auto salt = from_hex("0ec675ad498afeebb6960b3aabe6");
  const auto mki = from_hex("e1f97a0d");
  const auto packet = from_hex("800f1234decafbadcafebabe abababababababababababababababab");
  const auto sealed =
      from_hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 e1f97a0d b78d6acc99ea179b8dbb");
  const auto rtcp = from_hex("81c8000bcafebabe abababababababababababababababab");
  const auto sealed_rtcp =
      from_hex("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 e1f97a0d 993e08cd54d6c1230798");
  Sender sender(Profile::Aes128CmSha1_80, {key, salt, mki});
  Receiver receiver(Profile::Aes128CmSha1_80, {key, salt, mki});
  std::vector<uint8_t> out(100);
  ASSERT_EQ(sender.protect_rtp(packet, out), sealed.size());
  EXPECT_EQ(to_hex(ByteView(out).first(sealed.size())), to_hex(sealed));
  ASSERT_EQ(receiver.unprotect_rtp(sealed, out), packet.size());
  EXPECT_EQ(to_hex(ByteView(out).first(packet.size())), to_hex(packet));
  ASSERT_TRUE(sender.protect_rtcp(rtcp, out)) << "libsrtp counts from one";
  ASSERT_EQ(sender.protect_rtcp(rtcp, out), sealed_rtcp.size());
  EXPECT_EQ(to_hex(ByteView(out).first(sealed_rtcp.size())), to_hex(sealed_rtcp));
  ASSERT_EQ(receiver.unprotect_rtcp(sealed_rtcp, out), rtcp.size());
  EXPECT_EQ(to_hex(ByteView(out).first(rtcp.size())), to_hex(rtcp));
}

/// A sender and a receiver with two keys.
struct Keys {
  explicit Keys(Profile p, size_t mki_size = 2)
      : profile(p),
        first_master(TestSession::random_bytes(1, key_size(p) + salt_size(p))),
        second_master(TestSession::random_bytes(2, key_size(p) + salt_size(p))),
        first_mki(mki_size, 1),
        second_mki(mki_size, 2),
        sender(p, first()),
        receiver(p, first()) {}
  KeyingMaterial cut(ByteView master, ByteView mki) const {
    return {master.first(key_size(profile)), master.subspan(key_size(profile)), mki};
  }
  KeyingMaterial first() const { return cut(first_master, first_mki); }
  KeyingMaterial second() const { return cut(second_master, second_mki); }
  std::vector<uint8_t> seal(ByteView packet) {
    std::vector<uint8_t> out(packet.size() + 200);
    out.resize(sender.protect_rtp(packet, out).value_or(0));
    return out;
  }
  Result<std::vector<uint8_t>, UnprotectError> open(ByteView packet) {
    std::vector<uint8_t> out(packet.size());
    KAON_TRY(const size_t size, receiver.unprotect_rtp(packet, out));
    out.resize(size);
    return out;
  }

  Profile profile;
  std::vector<uint8_t> first_master, second_master, first_mki, second_mki;
  Sender sender;
  Receiver receiver;
};

class MasterKeyTest : public ::testing::TestWithParam<Profile> {};
INSTANTIATE_TEST_SUITE_P(Profiles, MasterKeyTest, ::testing::ValuesIn(kProfiles));

TEST_P(MasterKeyTest, StandsWhereItsProfileHasIt) {
  for (const size_t size : {size_t{1}, size_t{4}, kMaxMkiSize}) {
    Keys keys(GetParam(), size);
    const auto packet = rtp_packet(1, 1);
    const auto sealed = keys.seal(packet);
    ASSERT_EQ(sealed.size(), packet.size() + rtp_overhead(GetParam()) + size);
    ASSERT_EQ(sealed.size(), keys.sender.protected_size(ByteView(packet).first(12), packet.size() - 12));
    // Without its identifier it is the packet that it would be.
    TestSession plain(GetParam());
    auto without = sealed;
    const size_t from_end = size + (rtp_overhead(GetParam()) == 16 ? 0 : rtp_overhead(GetParam()));
    const auto at = without.end() - static_cast<ptrdiff_t>(from_end);
    EXPECT_TRUE(std::all_of(at, at + static_cast<ptrdiff_t>(size), [](uint8_t byte) { return byte == 1; }));
    without.erase(at, at + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(without, Keys(GetParam(), 0).seal(packet));
    EXPECT_EQ(keys.open(sealed), packet);
    auto in_place = packet;
    in_place.resize(sealed.size());
    Keys other(GetParam(), size);
    ASSERT_TRUE(other.sender.protect_rtp(ByteView(in_place).first(packet.size()), in_place));
    EXPECT_EQ(in_place, sealed);
    ASSERT_EQ(other.receiver.unprotect_rtp(in_place, in_place), packet.size());
    in_place.resize(packet.size());
    EXPECT_EQ(in_place, packet);
  }
}

TEST_P(MasterKeyTest, ChangesWithoutLosingPacketsOrTheRolloverCounter) {
  Keys keys(GetParam());
  ASSERT_TRUE(keys.sender.add_key(keys.second()));
  ASSERT_TRUE(keys.receiver.add_key(keys.second()));
  uint16_t sequence = 32000;
  std::vector<std::vector<uint8_t>> held;
  for (int lap = 0; lap < 3; ++lap) {  // over a rollover each, sent with the other key from its middle on
    for (int i = 0; i < 66; ++i, sequence = static_cast<uint16_t>(sequence + 1000)) {
      if (i == 33) {
        ASSERT_TRUE(keys.sender.use_key(lap % 2 == 0 ? keys.second_mki : keys.first_mki));
      }
      const auto packet = rtp_packet(1, sequence);
      const auto sealed = keys.seal(packet);
      ASSERT_EQ(keys.open(sealed), packet) << lap << " " << i;
      ASSERT_EQ(keys.open(sealed), fail(UnprotectError::Replayed));
    }
  }
  // On its way with the old key when the new one is there already.
  const auto old_one = keys.seal(rtp_packet(1, sequence));
  ASSERT_TRUE(keys.sender.use_key(keys.first_mki));
  const auto new_one = keys.seal(rtp_packet(1, static_cast<uint16_t>(sequence + 1)));
  EXPECT_TRUE(keys.open(new_one));
  EXPECT_TRUE(keys.open(old_one));
}

TEST_P(MasterKeyTest, SendsNothingTwiceWhenAnOldKeyComesBack) {
  Keys keys(GetParam());
  ASSERT_TRUE(keys.sender.add_key(keys.second()));
  const auto packet = rtp_packet(1, 7);
  const auto sealed = keys.seal(packet);
  EXPECT_EQ(keys.seal(packet), sealed);
  ASSERT_TRUE(keys.sender.use_key(keys.first_mki)) << "no change: it may still be resent";
  EXPECT_EQ(keys.seal(packet), sealed);
  ASSERT_TRUE(keys.sender.use_key(keys.second_mki));
  ASSERT_TRUE(keys.sender.use_key(keys.first_mki));
  std::vector<uint8_t> out(300);
  for (const uint16_t sequence : {7, 6}) {
    EXPECT_EQ(keys.sender.protect_rtp(rtp_packet(1, sequence), out), fail(ProtectError::PacketTooOld)) << sequence;
  }
  EXPECT_TRUE(keys.sender.protect_rtp(rtp_packet(1, 8), out));
  EXPECT_TRUE(keys.sender.protect_rtp(rtp_packet(1, 8), out));
}

TEST_P(MasterKeyTest, DropsUnknownIdentifiersDamageAndCuts) {
  Keys keys(GetParam(), 3);
  ASSERT_TRUE(keys.sender.add_key(keys.second()));
  ASSERT_TRUE(keys.sender.use_key(keys.second_mki));
  const auto unknown = keys.seal(rtp_packet(1, 1));
  EXPECT_EQ(keys.open(unknown), fail(UnprotectError::UnknownKey));
  std::vector<uint8_t> out(300);
  const auto rtcp_size = keys.sender.protect_rtcp(rtcp_packet(1), out);
  ASSERT_EQ(rtcp_size, rtcp_packet(1).size() + rtcp_overhead(GetParam()) + 3);
  const std::vector<uint8_t> rtcp(out.begin(), out.begin() + static_cast<ptrdiff_t>(*rtcp_size));
  EXPECT_EQ(keys.receiver.unprotect_rtcp(rtcp, out), fail(UnprotectError::UnknownKey));
  ASSERT_TRUE(keys.receiver.add_key(keys.second()));
  for (size_t bit = 0; bit < 8 * unknown.size(); ++bit) {
    auto forged = unknown;
    forged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    ASSERT_FALSE(keys.open(forged)) << "bit " << bit;
  }
  for (size_t size = 0; size < unknown.size(); ++size) {
    ASSERT_FALSE(keys.open(ByteView(unknown).first(size)));
  }
  for (size_t size = 0; size < rtcp.size(); ++size) {
    ASSERT_FALSE(keys.receiver.unprotect_rtcp(ByteView(rtcp).first(size), out));
  }
  EXPECT_TRUE(keys.open(unknown));
  EXPECT_EQ(keys.receiver.unprotect_rtcp(rtcp, out), rtcp_packet(1).size());
  // Known, but sealed with another key.
  Keys confused(GetParam(), 3);
  std::swap(confused.first_master, confused.second_master);
  ASSERT_TRUE(confused.receiver.add_key(confused.second()));
  EXPECT_EQ(confused.open(keys.seal(rtp_packet(1, 2))), fail(UnprotectError::AuthenticationFailed));
}

TEST_P(MasterKeyTest, WorksWithCryptexAndEncryptedExtensions) {
  auto packet = rtp_packet(1, 1, 0);
  packet[0] |= 0x10;
  for (const uint8_t byte : from_hex("bede0001 12aabbcc 0102030405060708")) packet.push_back(byte);
  for (const Cryptex cryptex : {Cryptex::Off, Cryptex::On}) {
    Keys keys(GetParam());
    ExtensionIds ids;
    ids.set(1);
    Sender sender(GetParam(), keys.first(), ids);
    Receiver receiver(GetParam(), keys.first(), ids);
    sender.set_cryptex(cryptex);
    receiver.set_cryptex(cryptex);
    ASSERT_TRUE(sender.add_key(keys.second()));
    ASSERT_TRUE(receiver.add_key(keys.second()));
    ASSERT_TRUE(sender.use_key(keys.second_mki));
    std::vector<uint8_t> sealed(packet.size() + rtp_overhead(GetParam()) + 2);
    ASSERT_EQ(sender.protect_rtp(packet, sealed), sealed.size());
    EXPECT_EQ(std::equal(packet.begin() + 17, packet.begin() + 20, sealed.begin() + 17), !encrypts(GetParam()));
    std::vector<uint8_t> out(packet.size());
    ASSERT_EQ(receiver.unprotect_rtp(sealed, out), packet.size());
    EXPECT_EQ(out, packet);
  }
}

TEST(MasterKeys, AreAddedAndRemovedOnlyWithinTheRules) {
  Keys keys(Profile::AeadAes128Gcm, 1);
  const std::vector<uint8_t> other_size = {1, 2};
  const std::vector<uint8_t> nobody = {9};
  EXPECT_EQ(keys.sender.add_key(keys.first()), fail(KeyError::MkiInUse));
  EXPECT_EQ(keys.sender.add_key(keys.cut(keys.second_master, other_size)), fail(KeyError::BadMki));
  EXPECT_EQ(keys.sender.add_key(keys.cut(keys.second_master, {})), fail(KeyError::BadMki));
  EXPECT_EQ(keys.sender.use_key(nobody), fail(KeyError::UnknownMki));
  EXPECT_EQ(keys.sender.remove_key(nobody), fail(KeyError::UnknownMki));
  EXPECT_EQ(keys.sender.remove_key(keys.first_mki), fail(KeyError::KeyInUse));
  EXPECT_EQ(keys.receiver.remove_key(keys.first_mki), fail(KeyError::KeyInUse)) << "the last one";
  for (uint8_t n = 2; n <= kMaxMasterKeys; ++n) {
    ASSERT_TRUE(keys.receiver.add_key(keys.cut(keys.second_master, std::vector<uint8_t>{n})));
  }
  EXPECT_EQ(keys.receiver.add_key(keys.cut(keys.second_master, nobody)), fail(KeyError::TooManyKeys));
  const auto sealed = keys.seal(rtp_packet(1, 1));
  EXPECT_TRUE(keys.receiver.remove_key(keys.first_mki));
  EXPECT_EQ(keys.open(sealed), fail(UnprotectError::UnknownKey));
  ASSERT_TRUE(keys.sender.add_key(keys.second()));
  ASSERT_TRUE(keys.sender.use_key(keys.second_mki));
  EXPECT_TRUE(keys.sender.remove_key(keys.first_mki));
  EXPECT_TRUE(keys.open(keys.seal(rtp_packet(1, 2)))) << "the key in use is still the right one";

  Keys without(Profile::AeadAes128Gcm, 0);
  EXPECT_EQ(without.sender.add_key(keys.second()), fail(KeyError::BadMki));
  EXPECT_EQ(without.receiver.add_key(keys.second()), fail(KeyError::BadMki));
}

}  // namespace
}  // namespace kaon::srtp
