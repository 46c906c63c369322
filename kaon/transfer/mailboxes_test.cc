#include "kaon/transfer/mailboxes.h"

#include <gtest/gtest.h>

namespace kaon::transfer {
namespace {

class MailboxesTest : public testing::Test {
 protected:
  SeededRandom random_{1};
  Mailboxes mailboxes_{random_};
  Time now_{std::chrono::seconds(5)};
};

TEST_F(MailboxesTest, KeepEachMessageAsItWasFirstWritten) {
  const auto opened = mailboxes_.open(now_);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->number, 1u);
  EXPECT_EQ(mailboxes_.get(1, 0, now_)->has_value(), false);
  ASSERT_TRUE(mailboxes_.put(1, 0, "opening", now_));
  EXPECT_EQ(mailboxes_.put(1, 0, "another", now_).error(), MailboxError::Taken);
  EXPECT_EQ(**mailboxes_.get(1, 0, now_), "opening");
  EXPECT_EQ(mailboxes_.put(1, 1, std::string(kMaxRendezvousMessage + 1, 'x'), now_).error(), MailboxError::TooLarge);
  EXPECT_EQ(mailboxes_.put(2, 0, "", now_).error(), MailboxError::NoSuch);
}

TEST_F(MailboxesTest, HaveRoomForThreeTries) {
  ASSERT_TRUE(mailboxes_.open(now_));
  for (size_t i = 0; i < Mailboxes::kMessages; ++i) EXPECT_TRUE(mailboxes_.put(1, i, "x", now_));
  EXPECT_EQ(Mailboxes::kMessages, 12u);
  EXPECT_EQ(mailboxes_.put(1, Mailboxes::kMessages, "x", now_).error(), MailboxError::NoSuch);
  EXPECT_EQ(mailboxes_.get(1, Mailboxes::kMessages, now_).error(), MailboxError::NoSuch);
}

TEST_F(MailboxesTest, AreClosedByWhoOpenedThemOrByTime) {
  const auto first = mailboxes_.open(now_);
  const auto second = mailboxes_.open(now_);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->key, second->key);
  EXPECT_EQ(mailboxes_.close(first->number, second->key).error(), MailboxError::NotYours);
  EXPECT_EQ(mailboxes_.close(first->number, "").error(), MailboxError::NotYours);
  EXPECT_TRUE(mailboxes_.close(first->number, first->key));
  EXPECT_EQ(mailboxes_.get(1, 0, now_).error(), MailboxError::NoSuch);
  EXPECT_EQ(mailboxes_.open(now_)->number, 1u) << "the lowest number is used again";
  now_ += Mailboxes::kLifetime;
  EXPECT_EQ(mailboxes_.get(2, 0, now_).error(), MailboxError::NoSuch);
}

TEST_F(MailboxesTest, AreNotMoreThanTheirBound) {
  for (size_t i = 0; i < Mailboxes::kMaxMailboxes; ++i) ASSERT_TRUE(mailboxes_.open(now_));
  EXPECT_EQ(mailboxes_.open(now_).error(), MailboxError::Full);
  EXPECT_TRUE(mailboxes_.open(now_ + Mailboxes::kLifetime));
}

}  // namespace
}  // namespace kaon::transfer
