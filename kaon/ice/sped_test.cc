// Handshake packets in checks and answers (SPED, draft-hancke-webrtc-sped).
#include "kaon/ice/internal/sped.h"

#include <gmock/gmock.h>

#include "kaon/base/crc.h"
#include "kaon/ice/internal/test_world.h"

namespace kaon::ice {
namespace {

using namespace test;
using internal::Sped;
using stun::Attribute;
using testing::ElementsAre;
using testing::IsEmpty;

using Packet = std::vector<uint8_t>;

/// DTLS by its first byte.
Packet make_packet(uint8_t number, size_t size = 40) {
  Packet packet(size, number);
  packet[0] = 22;
  return packet;
}

struct Carried {
  std::optional<Packet> packet;
  std::optional<std::vector<uint32_t>> acks;
};

Carried carried_by(const stun::Message& message) {
  Carried carried;
  if (const auto packet = message.find(Attribute::DtlsInStun)) carried.packet = Packet(packet->begin(), packet->end());
  if (const auto acks = message.find(Attribute::DtlsInStunAck)) {
    carried.acks.emplace();
    for (size_t i = 0; i + 4 <= acks->size(); i += 4) carried.acks->push_back(load_be32(acks->data() + i));
  }
  return carried;
}

/// One side's lists, spoken to by messages.
struct Side {
  explicit Side(Sped::State state = Sped::State::Active) : sped(state != Sped::State::Off) {
    if (state == Sped::State::Active) sped.begin(true);
  }
  Carried write() {
    std::array<uint8_t, 2048> memory;
    stun::Builder builder(memory, stun::Method::Binding, stun::Class::Request, {});
    sped.write(builder);
    return carried_by(*stun::Message::parse(builder.finish()));
  }
  std::optional<Packet> receive(const std::optional<Packet>& packet, const std::optional<Packet>& acks,
                                stun::Class message_class = stun::Class::Request) {
    std::array<uint8_t, 2048> memory;
    stun::Builder builder(memory, stun::Method::Binding, message_class, {});
    if (acks) builder.add(Attribute::DtlsInStunAck, *acks);
    if (packet) builder.add(Attribute::DtlsInStun, *packet);
    const auto message = stun::Message::parse(builder.finish());
    const auto given = sped.receive(*message, drops);
    return given ? std::optional(Packet(given->begin(), given->end())) : std::nullopt;
  }
  static Packet acks_of(std::initializer_list<Packet> packets) {
    Packet list;
    for (const Packet& packet : packets) {
      list.resize(list.size() + 4);
      store_be32(&list[list.size() - 4], crc32(packet));
    }
    return list;
  }
  void flight(std::initializer_list<Packet> packets) {
    sped.begin_flight();
    for (const Packet& packet : packets) EXPECT_TRUE(sped.add(packet));
  }

  Sped sped;
  Counters<Drop> drops;
};

const Packet kOne = make_packet(1), kTwo = make_packet(2), kThree = make_packet(3);

TEST(Sped, PacketsTakeTurnsUntilTheyAreAcknowledged) {
  Side side;
  EXPECT_EQ(side.write().packet, std::nullopt);
  EXPECT_THAT(*side.write().acks, IsEmpty()) << "an empty list says that we can";
  side.flight({kOne, kTwo, kThree});
  for (const Packet& next : {kOne, kTwo, kThree, kOne}) EXPECT_EQ(side.write().packet, next);
  side.receive({}, Side::acks_of({kOne}));
  for (const Packet& next : {kThree, kTwo, kThree}) EXPECT_EQ(side.write().packet, next);
  side.receive({}, Side::acks_of({kThree, kThree, kTwo}));
  EXPECT_EQ(side.write().packet, std::nullopt);
  side.flight({kOne});
  side.flight({kTwo});
  EXPECT_EQ(side.write().packet, kTwo) << "of another flight nothing is left";
  EXPECT_EQ(side.sped.pending(), 1u);
}

TEST(Sped, WhatCameIsAcknowledgedByItsCrcTheNewestFour) {
  Side side;
  EXPECT_EQ(side.receive(kOne, {}), kOne);
  EXPECT_EQ(side.receive(kOne, {}), kOne) << "DTLS knows what a replay is";
  side.sped.acknowledge(kTwo);  // came by itself
  side.sped.acknowledge(kTwo);
  EXPECT_THAT(*side.write().acks, ElementsAre(crc32(kOne), crc32(kTwo)));
  for (uint8_t i = 3; i < 7; ++i) side.receive(make_packet(i), {});
  EXPECT_THAT(*side.write().acks,
              ElementsAre(crc32(make_packet(3)), crc32(make_packet(4)), crc32(make_packet(5)), crc32(make_packet(6))));
}

// A13: bounded, dropped and counted, and nothing changes.
TEST(Sped, WhatCannotBeIsDropped) {
  Side side;
  side.flight({kOne});
  for (const size_t size : {1u, 3u, 5u, 20u, 400u}) {
    Packet list(size);
    const Packet ack = Side::acks_of({kOne});
    std::copy_n(ack.begin(), std::min(size, ack.size()), list.begin());
    side.receive({}, list);
  }
  EXPECT_EQ(side.drops[Drop::BadEmbedding], 5u);
  EXPECT_EQ(side.sped.pending(), 1u);
  side.receive({}, Side::acks_of({kTwo, kThree}));  // never sent
  EXPECT_EQ(side.sped.pending(), 1u);
  for (const Packet& packet : {Packet{0, 1, 0, 0}, Packet{19}, Packet{64, 1}, Packet{128, 1, 2}, Packet{255}}) {
    EXPECT_EQ(side.receive(packet, {}), std::nullopt);
  }
  EXPECT_EQ(side.receive(Packet{}, {}), std::nullopt);
  EXPECT_EQ(side.drops[Drop::BadEmbedding], 10u);
  EXPECT_THAT(*side.write().acks, IsEmpty());
}

TEST(Sped, AFlightIsBounded) {
  Side side;
  side.sped.begin_flight();
  EXPECT_FALSE(side.sped.add(make_packet(1, Sped::kMaxPacket + 1)));
  for (size_t i = 0; i < Sped::kMaxPending; ++i) {
    EXPECT_TRUE(side.sped.add(make_packet(static_cast<uint8_t>(i), Sped::kMaxPacket)));
  }
  EXPECT_FALSE(side.sped.add(kOne));
}

TEST(Sped, APeerWhoseChecksHaveNeitherCannot) {
  Side side;
  side.flight({kOne});
  side.receive({}, {}, stun::Class::Success);
  EXPECT_EQ(side.sped.state(), Sped::State::Active) << "an answer may be older than what was agreed";
  side.receive({}, {});
  EXPECT_EQ(side.sped.state(), Sped::State::Off);
  EXPECT_FALSE(side.sped.in_checks() || side.sped.in_answers());
  EXPECT_EQ(side.receive(kTwo, Packet{}), std::nullopt);
  Side confirmed;
  confirmed.receive({}, Packet{});
  confirmed.receive({}, {});
  EXPECT_EQ(confirmed.sped.state(), Sped::State::Active);
}

TEST(Sped, BeforeTheAnswerPacketsAreTakenAndAcknowledgedAndNothingElse) {
  Side side(Sped::State::Offered);
  EXPECT_FALSE(side.sped.in_checks());
  EXPECT_FALSE(side.sped.in_answers());
  EXPECT_FALSE(side.sped.add(kTwo));
  EXPECT_EQ(side.receive(kOne, Packet{}), kOne);
  EXPECT_TRUE(side.sped.in_answers());
  EXPECT_THAT(*side.write().acks, ElementsAre(crc32(kOne)));
  side.sped.begin(true);
  EXPECT_TRUE(side.sped.confirmed());
  EXPECT_THAT(*side.write().acks, ElementsAre(crc32(kOne)));
  Side refused(Sped::State::Offered);
  refused.sped.begin(false);
  EXPECT_EQ(refused.receive(kOne, Packet{}), std::nullopt);
}

TEST(Sped, EndsWhenBothFlightsHaveArrived) {
  Side side;
  side.receive(kOne, Packet{});
  side.flight({kTwo});
  side.sped.finish(false);
  side.receive({}, Packet{});
  EXPECT_TRUE(side.sped.in_checks()) << "the last flight is ours and has not arrived";
  side.receive(kThree, Side::acks_of({kTwo}));
  EXPECT_TRUE(side.sped.in_checks()) << "the peer's is on its way";
  side.receive({}, Side::acks_of({kTwo}));
  EXPECT_EQ(side.sped.state(), Sped::State::Done);
  EXPECT_FALSE(side.sped.in_checks() || side.sped.in_answers());
  // A peer that still repeats its last flight has not heard that it arrived.
  EXPECT_EQ(side.receive(kThree, Packet{}), kThree);
  EXPECT_TRUE(side.sped.in_answers());
  EXPECT_THAT(*side.write().acks, testing::Contains(crc32(kThree)));
  EXPECT_EQ(side.write().packet, std::nullopt);
  side.receive({}, {});
  EXPECT_FALSE(side.sped.in_answers());
}

TEST(Sped, WhoUsesTheKeysHasTheLastFlight) {
  Side side;
  side.flight({kTwo});
  side.sped.end();
  EXPECT_EQ(side.sped.pending(), 1u) << "nothing can be told before the handshake is done here";
  side.sped.finish(false);
  side.sped.end();
  EXPECT_EQ(side.sped.pending(), 0u);
}

// -- agents ----------------------------------------------------------------------------------------------------------

class SpedAgents : public testing::Test {
 protected:
  SpedAgents() : world_(seed_or(1)) {
    Config config;
    config.sped = true;
    config.role = Role::Controlling;
    a_ = &world_.add(config);
    a_->add_address("10.0.0.1:1000");
    config.role = Role::Controlled;
    b_ = &world_.add(config);
    b_->add_address("10.0.0.2:2000");
    world_.signalling = Duration::zero();
    world_.on_embedded = [this](Node& node, Bytes packet) {
      (&node == a_ ? at_a_ : at_b_).push_back({packet.begin(), packet.end()});
      if (&node == b_ && answer_) embed(*b_, {*answer_});
    };
    world_.tap = [this](const test::Packet& packet) {
      const auto message = stun::Message::parse(packet.bytes);
      if (message)
        sent_.push_back({packet.from == a_->addresses[0], message->message_class(), world_.now, carried_by(*message)});
      return true;
    };
  }
  void embed(Node& node, std::initializer_list<Packet> packets) {
    node.agent.begin_flight();
    for (const Packet& packet : packets) node.agent.embed(packet);
    node.agent.flight_embedded(world_.now);
  }
  void begin() {
    a_->agent.begin_embedding(true);
    b_->agent.begin_embedding(true);
  }
  size_t count_sent(const Packet& packet) const {
    return static_cast<size_t>(std::ranges::count_if(sent_, [&](const Sent& s) { return s.carried.packet == packet; }));
  }

  struct Sent {
    bool by_a = false;
    stun::Class message_class{};
    Time at{};
    Carried carried;
  };
  World world_;
  Node* a_ = nullptr;
  Node* b_ = nullptr;
  std::vector<Packet> at_a_, at_b_;
  std::optional<Packet> answer_;  // b's, to whatever comes
  std::vector<Sent> sent_;
};

TEST_F(SpedAgents, AFlightAndItsAnswerTakeTheRoundTripOfACheck) {
  begin();
  answer_ = kTwo;
  embed(*a_, {kOne});
  world_.connect(*a_, *b_);
  const Time start = world_.now;
  ASSERT_TRUE(world_.run(seconds(1), [&] { return !at_a_.empty(); }));
  EXPECT_EQ(world_.now - start, 2 * world_.latency);
  EXPECT_EQ(at_b_.front(), kOne);
  EXPECT_EQ(at_a_.front(), kTwo);
  world_.run(seconds(2));
  EXPECT_EQ(a_->agent.embedded_packets(), 0u);
  EXPECT_EQ(b_->agent.embedded_packets(), 0u);
  EXPECT_EQ(a_->agent.sped_stats().received, at_a_.size());
  EXPECT_EQ(a_->agent.sped_stats().sent, count_sent(kOne));
}

TEST_F(SpedAgents, TheTwoHalvesOfALargeHelloGoOutAtOnce) {
  begin();
  const Packet first = make_packet(1, Agent::kMaxEmbedded), second = make_packet(2, 600);
  embed(*a_, {first, second});
  world_.connect(*a_, *b_);
  ASSERT_TRUE(world_.run(seconds(1), [&] { return at_b_.size() == 2; }));
  EXPECT_THAT(at_b_, ElementsAre(first, second));
  std::vector<Time> times;
  for (const Sent& sent : sent_) {
    if (sent.by_a && sent.carried.packet) times.push_back(sent.at);
  }
  ASSERT_GE(times.size(), 2u);
  EXPECT_EQ(times[0], times[1]);
}

TEST_F(SpedAgents, AnAnswerOfTwoPacketsNeedsNoFurtherCheckOfThePeer) {
  begin();
  const Packet first = make_packet(3, Agent::kMaxEmbedded), second = make_packet(4, 600);
  world_.on_embedded = [&](Node& node, Bytes packet) {
    if (&node == a_) at_a_.push_back({packet.begin(), packet.end()});
    if (&node == b_ && b_->agent.embedded_packets() == 0) embed(*b_, {first, second});
  };
  embed(*a_, {kOne});
  world_.connect(*a_, *b_);
  const Time start = world_.now;
  ASSERT_TRUE(world_.run(
      seconds(1), [&] { return std::ranges::count(at_a_, first) != 0 && std::ranges::count(at_a_, second) != 0; }));
  EXPECT_LE(world_.now - start, 2 * world_.latency + Agent::kMinPace);
}

TEST_F(SpedAgents, APathThatIsTooSmallForThePacketsIsFound) {
  begin();
  embed(*a_, {make_packet(1, 800)});
  world_.tap = [](const test::Packet& packet) { return packet.bytes.size() < 500; };
  world_.connect(*a_, *b_);
  EXPECT_TRUE(world_.run(seconds(5), [&] { return a_->path() && b_->path(); }));
  EXPECT_TRUE(at_b_.empty());
}

TEST_F(SpedAgents, WithoutAgreementNothingIsCarriedOrTaken) {
  a_->agent.begin_embedding(false);
  b_->agent.begin_embedding(false);
  embed(*a_, {kOne});
  world_.connect(*a_, *b_);
  ASSERT_TRUE(world_.run(seconds(5), [&] { return a_->path() && b_->path(); }));
  for (const Sent& sent : sent_) EXPECT_FALSE(sent.carried.packet || sent.carried.acks);
  EXPECT_TRUE(at_b_.empty());
}

TEST_F(SpedAgents, AnAgentThatKnowsNothingOfItConnects) {
  Config plain;
  plain.role = Role::Controlled;
  Node& other = world_.add(plain);
  other.add_address("10.0.0.3:3000");
  a_->agent.begin_embedding(true);
  embed(*a_, {kOne});
  world_.connect(*a_, other);
  ASSERT_TRUE(world_.run(seconds(5), [&] { return a_->path() && other.path(); }));
  EXPECT_FALSE(a_->agent.embedding_confirmed());
  EXPECT_TRUE(at_b_.empty());
}

// A3 and A13: what no MESSAGE-INTEGRITY covers does not exist, and a message that is not authentic is not looked at.
TEST_F(SpedAgents, OnlyWhatIsAuthenticatedIsTaken) {
  begin();
  world_.connect(*a_, *b_);
  world_.run(Duration::zero());
  SeededRandom random(5);
  const auto check = [&](std::string_view password, bool behind) {
    std::vector<uint8_t> memory(512);
    stun::Builder builder(memory, stun::Method::Binding, stun::Class::Request, stun::TransactionId::random(random));
    builder.add_text(Attribute::Username,
                     cat(b_->agent.local_credentials().ufrag, ":", a_->agent.local_credentials().ufrag));
    builder.add_u64(Attribute::IceControlling, 1);
    builder.add_u32(Attribute::Priority, 1);
    if (!behind) builder.add(Attribute::DtlsInStun, kThree);
    builder.add_integrity(stun::short_term_key(password));
    if (behind) builder.add(Attribute::DtlsInStun, kThree);
    builder.add_fingerprint();
    memory.resize(builder.finish().size());
    return memory;
  };
  const std::string& right = b_->agent.local_credentials().password;
  const auto give = [&](std::vector<uint8_t> bytes) {
    net::Datagram packet;
    packet.local = at("10.0.0.2:2000");
    packet.remote = at("10.0.0.1:1000");
    packet.bytes = bytes;
    b_->agent.handle_packet(packet, world_.now);
    return b_->agent.poll_embedded().has_value();
  };
  EXPECT_FALSE(give(check("wrong-password-of-24-chars", false)));
  EXPECT_EQ(b_->agent.sped_stats().received, 0u);
  EXPECT_TRUE(give(check(right, false)));
  EXPECT_FALSE(give(check(right, true)));
  EXPECT_EQ(b_->agent.sped_stats().received, 1u);
}

TEST_F(SpedAgents, EverythingArrivesWhateverIsLost) {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
    SCOPED_TRACE(seed);
    World world(seed);
    world.loss_percent = 30;
    world.jitter = milliseconds(30);
    Config config;
    config.sped = true;
    config.role = Role::Controlling;
    Node& a = world.add(config);
    a.add_address("10.0.0.1:1000");
    config.role = Role::Controlled;
    Node& b = world.add(config);
    b.add_address("10.0.0.2:2000");
    std::vector<Packet> at_a, at_b;
    const auto send = [&](Node& node, std::initializer_list<Packet> packets) {
      node.agent.begin_flight();
      for (const Packet& packet : packets) node.agent.embed(packet);
      node.agent.flight_embedded(world.now);
    };
    world.on_embedded = [&](Node& node, Bytes packet) {
      auto& list = &node == &a ? at_a : at_b;
      const Packet copy(packet.begin(), packet.end());
      if (std::ranges::count(list, copy) == 0) list.push_back(copy);
      if (&node == &b && at_b.size() == 2 && at_a.empty()) send(b, {kThree});
    };
    a.agent.begin_embedding(true);
    b.agent.begin_embedding(true);
    send(a, {kOne, kTwo});
    world.connect(a, b);
    EXPECT_TRUE(world.run(seconds(20), [&] { return at_b.size() == 2 && !at_a.empty(); }));
  }
}

}  // namespace
}  // namespace kaon::ice
