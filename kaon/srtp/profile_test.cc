#include "kaon/srtp/profile.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace kaon::srtp {
namespace {

TEST(Profile, KnowsItsRegistryIdsAndNoOthers) {
  int known = 0;
  for (uint32_t id = 0; id <= 0xffff; ++id) {
    const auto profile = profile_from_id(static_cast<uint16_t>(id));
    if (!profile) continue;
    ++known;
    EXPECT_EQ(static_cast<uint32_t>(*profile), id);
    EXPECT_LE(exported_size(*profile), kMaxExportedSize);
  }
  EXPECT_EQ(known, static_cast<int>(kProfiles.size()));
  for (Profile profile : kPreferredProfiles) EXPECT_TRUE(encrypts(profile)) << "NULL is never chosen by default";
  EXPECT_FALSE(encrypts(Profile::NullSha1_80) || encrypts(Profile::NullSha1_32));
  EXPECT_EQ(to_string(Profile::AeadAes256Gcm), "SRTP_AEAD_AES_256_GCM");
}

TEST(Profile, AddsTagsOfTheSizesOfItsRfc) {
  EXPECT_EQ(rtp_overhead(Profile::Aes128CmSha1_80), 10u);
  EXPECT_EQ(rtp_overhead(Profile::Aes128CmSha1_32), 4u);
  EXPECT_EQ(rtp_overhead(Profile::AeadAes128Gcm), 16u);
  EXPECT_EQ(rtp_overhead(Profile::Aes256CmSha1_32), 4u);
  EXPECT_EQ(rtp_overhead(Profile::NullSha1_80), 10u);
  EXPECT_EQ(rtcp_overhead(Profile::NullSha1_32), 14u);
  EXPECT_EQ(rtcp_overhead(Profile::Aes128CmSha1_32), 14u) << "RTCP keeps 80 bits";
  EXPECT_EQ(rtcp_overhead(Profile::AeadAes256Gcm), 20u);
}

TEST(Profile, CutsTheExportedBlockInTheOrderOfRfc5764) {
  std::vector<uint8_t> block(exported_size(Profile::Aes128CmSha1_80));
  ASSERT_EQ(block.size(), 60u);
  std::iota(block.begin(), block.end(), uint8_t{0});
  const DirectionKeys client = split_exported_keys(Profile::Aes128CmSha1_80, block, DtlsRole::Client);
  EXPECT_EQ(client.local.key[0], 0);
  EXPECT_EQ(client.local.key.size(), 16u);
  EXPECT_EQ(client.remote.key[0], 16);
  EXPECT_EQ(client.local.salt[0], 32);
  EXPECT_EQ(client.local.salt.size(), 14u);
  EXPECT_EQ(client.remote.salt[0], 46);
  const DirectionKeys server = split_exported_keys(Profile::Aes128CmSha1_80, block, DtlsRole::Server);
  EXPECT_EQ(server.local.key.data(), client.remote.key.data());
  EXPECT_EQ(server.remote.salt.data(), client.local.salt.data());
  EXPECT_EQ(exported_size(Profile::AeadAes128Gcm), 56u);
  EXPECT_EQ(exported_size(Profile::AeadAes256Gcm), 88u);
  EXPECT_EQ(exported_size(Profile::Aes256CmSha1_80), 92u);
}

}  // namespace
}  // namespace kaon::srtp
