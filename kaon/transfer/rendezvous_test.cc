#include "kaon/transfer/rendezvous.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kaon/crypto/system_random.h"

namespace kaon::transfer {
namespace {

TEST(Code, IsEasyToType) {
  SeededRandom random(1);
  const Code code = Code::make(7, random);
  EXPECT_EQ(code.to_string(), "7-" + code.words);
  const auto same = Code::parse(" " + code.to_string() + "\n");
  ASSERT_TRUE(same);
  EXPECT_EQ(same->mailbox, 7u);
  EXPECT_EQ(same->words, code.words);
  EXPECT_EQ(Code::parse("12-Copper-VIOLIN")->words, "copper-violin");
  for (const char* other : {"", "7", "7-", "7-copper", "7--violin", "7-copper-", "copper-violin", "x-copper-violin",
                            "7-copper-violin-oboe", "99999999999-copper-violin", "7-c0pper-violin", "kaon-abc"}) {
    EXPECT_FALSE(Code::parse(other)) << other;
  }
}

TEST(Code, UsesAllWords) {
  SeededRandom random(2);
  std::set<std::string> seen;
  for (int i = 0; i < 5000; ++i) {
    const std::string words = Code::make(1, random).words;
    seen.insert(words.substr(0, words.find('-')));
  }
  EXPECT_EQ(seen.size(), 256u);
}

class Rendezvous : public testing::Test {
 protected:
  crypto::SystemRandom random_;
  const Code code_{.mailbox = 7, .words = "copper-violin"};
};

TEST_F(Rendezvous, GivesEachTheOthersInvitation) {
  RendezvousHost host(code_, random_);
  RendezvousGuest guest(code_, random_);
  const auto claim = guest.claim(host.opening());
  ASSERT_TRUE(claim);
  const auto sealed = host.accept(*claim, "the host's");
  ASSERT_TRUE(sealed);
  EXPECT_EQ(guest.open(*sealed), "the host's");
  const auto answer = guest.seal("the guest's");
  EXPECT_EQ(host.open(answer), "the guest's");
  EXPECT_LE(claim->size(), kMaxRendezvousMessage);
  EXPECT_EQ(std::ranges::search(*sealed, std::string_view("host")).size(), 0u) << "nobody else can read it";
}

TEST_F(Rendezvous, OtherWordsOrAnotherMailboxAreRefused) {
  for (const Code& wrong :
       {Code{.mailbox = 7, .words = "copper-violet"}, Code{.mailbox = 8, .words = "copper-violin"}}) {
    RendezvousHost host(code_, random_);
    RendezvousGuest guest(wrong, random_);
    EXPECT_FALSE(host.accept(*guest.claim(host.opening()), "secret"));
  }
}

TEST_F(Rendezvous, AMailboxInBetweenLearnsNothingAndCanChangeNothing) {
  RendezvousHost host(code_, random_);
  RendezvousGuest guest(code_, random_);
  // It plays the host to the guest without the words.
  RendezvousHost false_host({.mailbox = 7, .words = "guess-wrong"}, random_);
  const auto to_false_host = guest.claim(false_host.opening());
  ASSERT_TRUE(to_false_host);
  EXPECT_FALSE(false_host.accept(*to_false_host, "false"));
  EXPECT_FALSE(host.accept(*to_false_host, "secret")) << "handed on";
  // It changes what it carries.
  RendezvousGuest second(code_, random_);
  auto claim = *second.claim(host.opening());
  auto sealed = *host.accept(claim, "the host's");
  for (size_t at = 0; at < sealed.size(); ++at) {
    sealed[at] ^= 1;
    EXPECT_FALSE(second.open(sealed)) << at;
    sealed[at] ^= 1;
  }
  EXPECT_FALSE(host.open(sealed)) << "its own message back";
  for (size_t size = 0; size < claim.size(); ++size) EXPECT_FALSE(host.accept(ByteView(claim).first(size), "secret"));
  EXPECT_FALSE(second.claim(as_bytes("no point")));
  EXPECT_FALSE(second.open(std::vector<uint8_t>(kMaxRendezvousMessage + 1)));
}

}  // namespace
}  // namespace kaon::transfer
