// Return routability checks (RFC 9853), both versions.
#include <gmock/gmock.h>

#include "kaon/dtls/internal/record_layer.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kStart;
using testing::milliseconds;
using testing::Packet;
using testing::Pair;
using testing::Side;

class ReturnRoutability : public ::testing::TestWithParam<Version> {
 protected:
  static Config config(Role role, std::optional<size_t> id_size = 4, bool checks = true) {
    Config config = GetParam() == Version::Dtls13 ? testing::config13_of(role) : testing::config_of(role);
    if (id_size) config.connection_id = Packet(*id_size, role == Role::Client ? 0xc1 : 0x5e);
    config.return_routability = checks;
    return config;
  }
  static Pair connected_pair(size_t client_id = 4, size_t server_id = 4) {
    Pair pair(config(Role::Client, client_id), config(Role::Server, server_id));
    EXPECT_TRUE(pair.run());
    EXPECT_TRUE(pair.both_connected());
    return pair;
  }
  static Packet memory_for(Side& side) { return Packet(Connection::kPathMessageSize + side.connection.overhead()); }
  static Packet challenge(Side& side, Time now) {
    Packet out = memory_for(side);
    const auto size = side.connection.check_path(out, now);
    EXPECT_TRUE(size);
    out.resize(size.value_or(0));
    return out;
  }
  /// What the side answers to what came last; empty if nothing.
  static Packet answer(Side& side) {
    Packet out = memory_for(side);
    out.resize(side.connection.answer_path_check(out));
    return out;
  }
  /// What came of a check, if anything did.
  static std::optional<bool> told(Side& side) {
    while (auto event = side.connection.poll_event())
      if (const auto* checked = std::get_if<PathChecked>(&*event)) return checked->answered;
    return std::nullopt;
  }
  static void hear(Side& side, Packet packet, Time now) { side.connection.handle_packet(packet, now); }
};
INSTANTIATE_TEST_SUITE_P(Dtls, ReturnRoutability, ::testing::Values(Version::Dtls12, Version::Dtls13),
                         [](const auto& test) { return test.param == Version::Dtls13 ? "Of13" : "Of12"; });

TEST_P(ReturnRoutability, IsAnsweredByThePeerBothWays) {
  for (const auto& [client_id, server_id] : {std::pair<size_t, size_t>{4, 4}, {0, 4}, {4, 0}, {0, 0}}) {
    Pair pair = connected_pair(client_id, server_id);
    for (const bool client_asks : {true, false}) {
      Side& asking = pair.side(client_asks);
      Side& asked = pair.side(!client_asks);
      const Packet question = challenge(asking, pair.now);
      EXPECT_THAT(asking.take_packets(), IsEmpty()) << "it goes where the caller sends it";
      hear(asked, question, pair.now);
      const Packet reply = answer(asked);
      EXPECT_EQ(reply.size() - asked.connection.overhead(), question.size() - asking.connection.overhead());
      EXPECT_THAT(answer(asked), IsEmpty()) << "once";
      hear(asking, reply, pair.now);
      EXPECT_EQ(told(asking), true);
      EXPECT_EQ(told(asked), std::nullopt);
    }
    expect_carries_data(pair);
  }
}

TEST_P(ReturnRoutability, IsGivenUpAfterItsTime) {
  Pair pair = connected_pair();
  const Packet question = challenge(pair.server, pair.now);
  EXPECT_LE(pair.server.connection.next_timeout(), pair.now + Connection::kPathCheckTimeout);
  pair.server.connection.handle_timeout(pair.now + Connection::kPathCheckTimeout - milliseconds(1));
  EXPECT_EQ(told(pair.server), std::nullopt);
  pair.server.connection.handle_timeout(pair.now + Connection::kPathCheckTimeout);
  EXPECT_EQ(told(pair.server), false);
  // An answer that comes too late says nothing, and another check may begin.
  hear(pair.client, question, pair.now);
  hear(pair.server, answer(pair.client), pair.now);
  EXPECT_EQ(told(pair.server), std::nullopt);
  hear(pair.client, challenge(pair.server, pair.now), pair.now);
  hear(pair.server, answer(pair.client), pair.now);
  EXPECT_EQ(told(pair.server), true);
}

TEST_P(ReturnRoutability, OneRunsAtATimeAndItsEventIsTakenFirst) {
  Pair pair = connected_pair();
  const Packet question = challenge(pair.server, pair.now);
  Packet out = memory_for(pair.server);
  EXPECT_EQ(pair.server.connection.check_path(out, pair.now).error(), Error::Busy);
  hear(pair.client, question, pair.now);
  hear(pair.server, answer(pair.client), pair.now);
  EXPECT_EQ(pair.server.connection.check_path(out, pair.now).error(), Error::Busy);
  EXPECT_EQ(told(pair.server), true);
  EXPECT_TRUE(pair.server.connection.check_path(out, pair.now));
}

TEST_P(ReturnRoutability, QuestionsAreNotGuessableNorAnswersForged) {
  Pair pair = connected_pair();
  const Packet question = challenge(pair.server, pair.now);
  // Reflected, replayed, changed: nothing that a stranger makes of it is an answer.
  hear(pair.server, question, pair.now);
  for (size_t i = 0; i < question.size(); ++i) {
    Packet changed = question;
    changed[i] ^= 1;
    hear(pair.client, changed, pair.now);
    EXPECT_THAT(answer(pair.client), IsEmpty());
  }
  hear(pair.client, question, pair.now);
  const Packet reply = answer(pair.client);
  hear(pair.client, question, pair.now);
  EXPECT_THAT(answer(pair.client), IsEmpty()) << "a replay";
  EXPECT_EQ(told(pair.server), std::nullopt);
  hear(pair.server, reply, pair.now);
  EXPECT_EQ(told(pair.server), true);
  hear(pair.server, reply, pair.now);
  EXPECT_EQ(told(pair.server), std::nullopt);
}

TEST_P(ReturnRoutability, AQuestionIsForgottenWithTheNextPacket) {
  Pair pair = connected_pair();
  hear(pair.client, challenge(pair.server, pair.now), pair.now);
  hear(pair.client, pair.server.protect("x"), pair.now);
  EXPECT_THAT(answer(pair.client), IsEmpty()) << "that packet may have come from elsewhere";
}

TEST_P(ReturnRoutability, NeedsBothSidesAndConnectionIds) {
  for (int missing = 0; missing < 4; ++missing) {
    Pair pair(config(Role::Client, missing == 2 ? std::nullopt : std::optional<size_t>(4), missing != 0),
              config(Role::Server, missing == 3 ? std::nullopt : std::optional<size_t>(4), missing != 1));
    ASSERT_TRUE(pair.run());
    ASSERT_TRUE(pair.both_connected()) << missing;
    for (Side* side : {&pair.client, &pair.server}) {
      Packet out = memory_for(*side);
      EXPECT_EQ(side->connection.check_path(out, pair.now).error(), Error::NoReturnRoutability) << missing;
    }
    expect_carries_data(pair);
  }
  Side early(config(Role::Client), 1);
  Packet out(200);
  EXPECT_EQ(early.connection.check_path(out, kStart).error(), Error::NotConnected);
}

TEST_P(ReturnRoutability, ClosingEndsACheckWithoutAnEventOfIt) {
  Pair pair = connected_pair();
  challenge(pair.server, pair.now);
  pair.server.connection.close();
  EXPECT_EQ(told(pair.server), std::nullopt);
  EXPECT_EQ(pair.server.connection.next_timeout(), kNever);
}

}  // namespace
}  // namespace kaon::dtls
