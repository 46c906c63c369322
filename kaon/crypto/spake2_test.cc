#include "kaon/crypto/spake2.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/crypto/internal/test_random.h"

namespace kaon::crypto {
namespace {

using internal::FixedRandom;
using internal::from_hex;

struct Vector {
  const char* name_a;
  const char* name_b;
  const char* w;
  const char* x;
  const char* share_a;
  const char* y;
  const char* share_b;
  const char* key;
  const char* confirmation_a;
  const char* confirmation_b;
};

// RFC 9382 Appendix B.
constexpr Vector kVectors[] = {
    {"server", "client", "2ee57912099d31560b3a44b1184b9b4866e904c49d12ac5042c97dca461b1a5f",
     "43dd0fd7215bdcb482879fca3220c6a968e66d70b1356cac18bb26c84a78d729",
     "04a56fa807caaa53a4d28dbb9853b9815c61a411118a6fe516a8798434751470"
     "f9010153ac33d0d5f2047ffdb1a3e42c9b4e6be662766e1eeb4116988ede5f912c",
     "dcb60106f276b02606d8ef0a328c02e4b629f84f89786af5befb0bc75b6e66be",
     "0406557e482bd03097ad0cbaa5df82115460d951e3451962f1eaf4367a420676"
     "d09857ccbc522686c83d1852abfa8ed6e4a1155cf8f1543ceca528afb591a1e0b7",
     "0e0672dc86f8e45565d338b0540abe69", "58ad4aa88e0b60d5061eb6b5dd93e80d9c4f00d127c65b3b35b1b5281fee38f0",
     "d3e2e547f1ae04f2dbdbf0fc4b79f8ecff2dff314b5d32fe9fcef2fb26dc459b"},
    {"", "client", "0548d8729f730589e579b0475a582c1608138ddf7054b73b5381c7e883e2efae",
     "403abbe3b1b4b9ba17e3032849759d723939a27a27b9d921c500edde18ed654b",
     "04a897b769e681c62ac1c2357319a3d363f610839c4477720d24cbe32f5fd8"
     "5f44fb92ba966578c1b712be6962498834078262caa5b441ecfa9d4a9485720e918a",
     "903023b6598908936ea7c929bd761af6039577a9c3f9581064187c3049d87065",
     "04e0f816fd1c35e22065d5556215c097e799390d16661c386e0ecc84593974"
     "a61b881a8c82327687d0501862970c64565560cb5671f696048050ca66ca5f8cc7fc",
     "642f05c473c2cd79909f9a841e2f30a7", "47d29e6666af1b7dd450d571233085d7a9866e4d49d2645e2df975489521232b",
     "3313c5cefc361d27fb16847a91c2a73b766ffa90a4839122a9b70a2f6bd1d6df"},
    {"server", "", "626e0cdc7b14c9db3e52a0b1b3a768c98e37852d5db30febe0497b14eae8c254",
     "07adb3db6bc623d3399726bfdbfd3d15a58ea776ab8a308b00392621291f9633",
     "04f88fb71c99bfffaea370966b7eb99cd4be0ff1a7d335caac4211c4afd855e2"
     "e15a873b298503ad8ba1d9cbb9a392d2ba309b48bfd7879aefd0f2cea6009763b0",
     "b6a4fc8dbb629d4ba51d6f91ed1532cf87adec98f25dd153a75accafafedec16",
     "040c269d6be017dccb15182ac6bfcd9e2a14de019dd587eaf4bdfd353f031101"
     "e7cca177f8eb362a6e83e7d5e729c0732e1b528879c086f39ba0f31a9661bd34db",
     "005184ff460da2ce59062c87733c299c", "bc9f9bbe99f26d0b2260e6456e05a86196a3307ec6663a18bf6ac825736533b2",
     "c2370e1bf813b086dff0d834e74425a06e6390f48f5411900276dcccc5a297ec"},
    {"", "", "7bf46c454b4c1b25799527d896508afd5fc62ef4ec59db1efb49113063d70cca",
     "8cef65df64bb2d0f83540c53632de911b5b24b3eab6cc74a97609fd659e95473",
     "04a65b367a3f613cf9f0654b1b28a1e3a8a40387956c8ba6063e8658563890f4"
     "6ca1ef6a676598889fc28de2950ab8120b79a5ef1ea4c9f44bc98f585634b46d66",
     "d7a66f64074a84652d8d623a92e20c9675c61cb5b4f6a0063e4648a2fdc02d53",
     "04589f13218822710d98d8b2123a079041052d9941b9cf88c6617ddb2fcc0494"
     "662eea8ba6b64692dc318250030c6af045cb738bc81ba35b043c3dcb46adf6f58d",
     "fc6374762ba5cf11f4b2caa08b2cd1b9", "dfb4db8d48ae5a675963ea5e6c19d98d4ea028d8e898dad96ea19a80ade95dca",
     "d0f0609d1613138d354f7e95f19fb556bf52d751947241e8c7118df5ef0ae175"},
};

Spake2 side(Spake2::Role role, std::string_view password, std::string_view private_scalar) {
  Spake2::Scalar w;
  std::ranges::copy(from_hex(password), w.begin());
  FixedRandom random(private_scalar);
  return {role, w, random};
}

TEST(Spake2, PassesTheVectorsOfRfc9382) {
  for (const Vector& v : kVectors) {
    SCOPED_TRACE(cat(v.name_a, "/", v.name_b));
    const Spake2 a = side(Spake2::Role::A, v.w, v.x), b = side(Spake2::Role::B, v.w, v.y);
    EXPECT_EQ(to_hex(a.share()), v.share_a);
    EXPECT_EQ(to_hex(b.share()), v.share_b);
    const auto of_a = a.finish(b.share(), v.name_a, v.name_b), of_b = b.finish(a.share(), v.name_a, v.name_b);
    ASSERT_TRUE(of_a && of_b);
    EXPECT_EQ(to_hex(of_a->key), v.key);
    EXPECT_EQ(of_b->key, of_a->key);
    EXPECT_EQ(to_hex(of_a->own_confirmation.view()), v.confirmation_a);
    EXPECT_EQ(to_hex(of_a->peer_confirmation.view()), v.confirmation_b);
    EXPECT_EQ(to_hex(of_b->own_confirmation.view()), v.confirmation_b);
    EXPECT_EQ(to_hex(of_b->peer_confirmation.view()), v.confirmation_a);
  }
}

TEST(Spake2, AnotherPasswordOrNameGivesAnotherKey) {
  const Vector& v = kVectors[0];
  const Spake2 a = side(Spake2::Role::A, v.w, v.x), b = side(Spake2::Role::B, kVectors[1].w, v.y);
  const auto of_a = a.finish(b.share(), "a", "b"), of_b = b.finish(a.share(), "a", "b");
  ASSERT_TRUE(of_a && of_b);
  EXPECT_NE(of_a->key, of_b->key);
  EXPECT_NE(to_hex(of_a->peer_confirmation.view()), to_hex(of_b->own_confirmation.view()));
  const Spake2 right = side(Spake2::Role::B, v.w, v.y);
  EXPECT_NE(a.finish(right.share(), "ab", "c")->key, right.finish(a.share(), "a", "bc")->key);
}

TEST(Spake2, RefusesSharesThatAreNoPoints) {
  const Vector& v = kVectors[0];
  const Spake2 a = side(Spake2::Role::A, v.w, v.x);
  const std::vector<uint8_t> good = from_hex(v.share_b);
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(a.finish(ByteView(good).first(size), "", ""));
  for (const size_t at : {size_t{0}, size_t{1}, size_t{40}, size_t{64}}) {
    std::vector<uint8_t> bad = good;
    bad[at] ^= 1;
    EXPECT_FALSE(a.finish(bad, "", "")) << at;
  }
  // The peer's blinding alone: what is left is the point at infinity.
  FixedRandom random(v.x);
  Spake2::Scalar one{};
  one.back() = 1;
  const Spake2 of_one(Spake2::Role::A, one, random);
  EXPECT_FALSE(of_one.finish(from_hex("04d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49"
                                      "07d60aa6bfade45008a636337f5168c64d9bd36034808cd564490b1e656edbe7"),
                             "", ""));
}

TEST(Spake2, MakesNumbersOfPasswords) {
  const auto scalar = Spake2::scalar_of("copper violin", "7");
  EXPECT_EQ(scalar, Spake2::scalar_of("copper violin", "7"));
  EXPECT_NE(scalar, Spake2::scalar_of("copper violin", "8"));
  EXPECT_NE(scalar, Spake2::scalar_of("copper violins", "7"));
}

}  // namespace
}  // namespace kaon::crypto
