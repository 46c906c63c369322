#include "kaon/srtp/internal/packet_cipher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "kaon/srtp/internal/test_session.h"

namespace kaon::srtp::internal {
namespace {

void set_keys(SessionKeys& keys, std::string_view key, std::string_view salt) {
  std::ranges::copy(from_hex(key), keys.key.begin());
  std::ranges::copy(from_hex(salt), keys.salt.begin());
}

// RFC 3711 appendix B.3.
TEST(KeyDerivation, PassesTheVectorsOfRfc3711) {
  const auto key = from_hex("e1f97a0d3e018be0d64fa32c06de4139");
  const auto salt = from_hex("0ec675ad498afeebb6960b3aabe6");
  SessionKeys keys;
  derive_session_keys(Profile::Aes128CmSha1_80, {key, salt}, Stream::Rtp, keys);
  EXPECT_EQ(to_hex(ByteView(keys.key).first(16)), "c61e7a93744f39ee10734afe3ff7a087");
  EXPECT_EQ(to_hex(keys.salt), "30cbbc08863d8c85d49db34a9ae1");
  EXPECT_EQ(to_hex(keys.auth), "cebe321f6ff7716b6fd4ab49af256a156d38baa4");
  SessionKeys rtcp;
  derive_session_keys(Profile::Aes128CmSha1_80, {key, salt}, Stream::Rtcp, rtcp);
  EXPECT_NE(rtcp.key, keys.key);
  EXPECT_NE(rtcp.salt, keys.salt);
  EXPECT_NE(rtcp.auth, keys.auth);
}

// RFC 3711 appendix B.2: key stream for SSRC 0 and index 0.
TEST(CtrHmacCipher, PassesTheKeyStreamVectorOfRfc3711) {
  SessionKeys keys;
  set_keys(keys, "2b7e151628aed2a6abf7158809cf4f3c", "f0f1f2f3f4f5f6f7f8f9fafbfcfd");
  PacketCipher cipher(Profile::Aes128CmSha1_80, Stream::Rtp, keys);
  const auto header = from_hex("800f0000 decafbad 00000000");
  const std::vector<uint8_t> zeros(48);
  std::vector<uint8_t> out(header.size() + zeros.size() + 10);
  cipher.seal_rtp({0, 0}, header, zeros, out);
  EXPECT_EQ(to_hex(ByteView(out).subspan(12, 48)),
            "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0");
}

// RFC 6188 §7.1 (key stream) and §7.2 (key derivation).
TEST(CtrHmacCipher, PassesTheVectorsOfRfc6188) {
  SessionKeys keys;
  set_keys(keys, "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98", "f0f1f2f3f4f5f6f7f8f9fafbfcfd");
  PacketCipher cipher(Profile::Aes256CmSha1_80, Stream::Rtp, keys);
  const auto header = from_hex("800f0000 decafbad 00000000");
  const std::vector<uint8_t> zeros(0xff02 * 16);
  std::vector<uint8_t> out(header.size() + zeros.size() + 10);
  cipher.seal_rtp({0, 0}, header, zeros, out);
  const ByteView stream = ByteView(out).subspan(header.size(), zeros.size());
  EXPECT_EQ(to_hex(stream.first(48)),
            "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c9a31");
  EXPECT_EQ(to_hex(stream.last(48)),
            "cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d6eb246913062a16891433e97dd01a57f");

  const auto master = from_hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6");
  const auto salt = from_hex("3b04803de51ee7c96423ab5b78d2");
  SessionKeys derived;
  derive_session_keys(Profile::Aes256CmSha1_80, {master, salt}, Stream::Rtp, derived);
  EXPECT_EQ(to_hex(derived.key), "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4");
  EXPECT_EQ(to_hex(derived.salt), "fa31791685ca444a9e07c6c64e93");
  EXPECT_EQ(to_hex(derived.auth), "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
}

struct GcmVector {
  Profile profile;
  const char* key;
  const char* rtp;
  const char* rtcp;
};

constexpr char kGcmSalt[] = "517569642070726f2071756f";
constexpr char kGcmHeader[] = "8040f17b 8041f8d3 5501a0b2";
constexpr char kGcmPayload[] = "47616c6c696120657374206f6d6e697320646976697361 20696e207061727465732074726573";
constexpr char kGcmRtcp[] =
    "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef "
    "deadbeef";

// RFC 7714 §16.1, §16.2, §17.1, §17.3.
constexpr GcmVector kGcmVectors[] = {
    {Profile::AeadAes128Gcm, "000102030405060708090a0b0c0d0e0f",
     "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
     "899d7f27beb16a9152cf765ee4390cce",
     "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9"
     "275bc84aa45896cf4d2fc5abf87245d9eade800005d4"},
    {Profile::AeadAes256Gcm, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
     "7aa3db36dfffd6b0f9bb7878d7a76c13",
     "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b"
     "6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"},
};

TEST(GcmCipher, PassesTheVectorsOfRfc7714) {
  constexpr uint32_t kSsrc = 0x5501a0b2;
  constexpr uint64_t kIndex = 0xf17b;
  constexpr uint32_t kRtcpSsrc = 0x4d617273;
  constexpr uint64_t kRtcpIndex = 0x5d4;
  for (const GcmVector& v : kGcmVectors) {
    SessionKeys keys;
    set_keys(keys, v.key, kGcmSalt);
    PacketCipher rtp(v.profile, Stream::Rtp, keys);
    const auto header = from_hex(kGcmHeader);
    const auto payload = from_hex(kGcmPayload);
    std::vector<uint8_t> sealed(header.size() + payload.size() + 16);
    rtp.seal_rtp({kSsrc, kIndex}, header, payload, sealed);
    EXPECT_EQ(to_hex(sealed), v.rtp);
    std::vector<uint8_t> opened(header.size() + payload.size());
    EXPECT_TRUE(rtp.open_rtp({kSsrc, kIndex}, header.size(), sealed, opened));
    EXPECT_EQ(to_hex(opened), to_hex(header) + to_hex(payload));

    PacketCipher rtcp(v.profile, Stream::Rtcp, keys);
    const auto packet = from_hex(kGcmRtcp);
    std::vector<uint8_t> sealed_rtcp(packet.size() + 20);
    rtcp.seal_rtcp({kRtcpSsrc, kRtcpIndex}, packet, sealed_rtcp);
    EXPECT_EQ(to_hex(sealed_rtcp), v.rtcp);
    std::vector<uint8_t> opened_rtcp(packet.size());
    EXPECT_TRUE(rtcp.open_rtcp({kRtcpSsrc, kRtcpIndex}, sealed_rtcp, opened_rtcp));
    EXPECT_EQ(opened_rtcp, packet);
  }
}

}  // namespace
}  // namespace kaon::srtp::internal
