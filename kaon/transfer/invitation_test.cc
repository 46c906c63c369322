#include "kaon/transfer/invitation.h"

#include <gtest/gtest.h>

namespace kaon::transfer {
namespace {

using ice::CandidateType;

Invitation example() {
  Invitation invitation{.ufrag = "aB3/", .password = "0123456789abcdefghijkl"};
  for (size_t i = 0; i < invitation.fingerprint.size(); ++i) invitation.fingerprint[i] = static_cast<uint8_t>(i * 7);
  invitation.candidates = {{CandidateType::Host, *net::Endpoint::parse("192.0.2.7:5004")},
                           {CandidateType::Host, *net::Endpoint::parse("[2001:db8::7]:5004")}};
  return invitation;
}

TEST(Invitation, IsTheSameAfterBeingPasted) {
  const Invitation offer = example();
  const std::string text = offer.to_text();
  EXPECT_TRUE(text.starts_with("kaon-"));
  EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string::npos);
  EXPECT_EQ(Invitation::parse(text), offer);
  EXPECT_EQ(Invitation::parse(" " + text.substr(0, 40) + "\r\n" + text.substr(40) + "\n"), offer)
      << "wrapped by a mail";
  Invitation answer = offer;
  answer.kind = Invitation::Kind::Answer;
  answer.active = true;
  EXPECT_EQ(Invitation::parse(answer.to_text()), answer);
}

TEST(Invitation, HasAtMost300CharactersAndKeepsWhatReachesFurthest) {
  Invitation offer = example();
  offer.candidates.clear();
  for (uint8_t i = 0; i < 40; ++i) {
    std::array<uint8_t, 16> ip{0x20, 1, i};
    offer.candidates.push_back({CandidateType::Host, {net::IpAddress::from_bytes(ip), 9}});
  }
  const Invitation::Candidate reflexive{CandidateType::ServerReflexive, *net::Endpoint::parse("198.51.100.1:9")};
  offer.candidates.push_back(reflexive);
  const std::string text = offer.to_text();
  EXPECT_LE(text.size(), Invitation::kMaxText);
  EXPECT_GT(text.size(), Invitation::kMaxText - 40);
  const auto read = Invitation::parse(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->candidates.front(), reflexive);
}

TEST(Invitation, TellsDamagedOnesFromOtherText) {
  const std::string text = example().to_text();
  for (const char* other : {"", "kaon", "hello", "7-copper-violin"}) {
    EXPECT_EQ(Invitation::parse(other).error(), InvitationError::NotOne) << other;
  }
  for (size_t size = 5; size < text.size(); ++size) {
    EXPECT_EQ(Invitation::parse(text.substr(0, size)).error(), InvitationError::Damaged) << size;
  }
  for (size_t at = 5; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(Invitation::parse(changed)) << at;
  }
  EXPECT_EQ(Invitation::parse(text + std::string(300, 'A')).error(), InvitationError::Damaged);
}

TEST(Invitation, PutsNothingIntoTheDescriptionThatIsNoValue) {
  Invitation hostile = example();
  hostile.ufrag = "aB3/\r\na=x";
  EXPECT_EQ(Invitation::parse(hostile.to_text()).error(), InvitationError::Damaged);
  hostile = example();
  hostile.password = "short";
  EXPECT_EQ(Invitation::parse(hostile.to_text()).error(), InvitationError::Damaged);
}

TEST(Invitation, IsTakenFromADescriptionAndGivesOneBack) {
  const Invitation offer = example();
  const auto description = sdp::SessionDescription::parse(offer.to_description().write());
  ASSERT_TRUE(description) << description.error().to_string();
  EXPECT_EQ(description->media.at(0).transport.setup, sdp::Setup::ActPass);
  EXPECT_EQ(description->media.at(0).sctp_port, 5000);
  EXPECT_EQ(Invitation::of(Invitation::Kind::Offer, *description), offer);
  Invitation answer = offer;
  answer.kind = Invitation::Kind::Answer;
  for (const bool active : {false, true}) {
    answer.active = active;
    EXPECT_EQ(Invitation::of(Invitation::Kind::Answer, answer.to_description()), answer);
  }
}

}  // namespace
}  // namespace kaon::transfer
