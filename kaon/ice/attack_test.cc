// Attacks on ICE: off path (any source, no credentials), on path (sees and replays packets), and by the peer itself.
#include <gmock/gmock.h>

#include "kaon/ice/agent.h"
#include "kaon/ice/internal/test_world.h"

namespace kaon::ice {
namespace {

using namespace test;

const net::Endpoint kUs = at("10.0.0.1:1000");
const net::Endpoint kPeer = at("10.0.0.2:2000");
const net::Endpoint kVictim = at("198.51.100.77:53");

class IceAttack : public testing::Test {
 protected:
  IceAttack() : world_(seed_or(1)) {}

  void connect(Role role = Role::Controlled, bool lite = false) {
    Config config;
    config.role = role;
    config.lite = lite;
    us_ = &world_.add(config);
    us_->add_address(kUs.to_string());
    Config other;
    other.role = role == Role::Controlled ? Role::Controlling : Role::Controlled;
    peer_ = &world_.add(other);
    peer_->add_address(kPeer.to_string());
    us_->peer = peer_;
    peer_->peer = us_;
    us_->accept_peer();
    peer_->accept_peer(lite);
    ASSERT_TRUE(us_->agent.add_remote_candidate(peer_->candidates[0], world_.now).has_value());
    ASSERT_TRUE(peer_->agent.add_remote_candidate(us_->candidates[0], world_.now).has_value());
    world_.drain(*us_);
    world_.drain(*peer_);
    ASSERT_TRUE(world_.run(seconds(5), [&] { return us_->path() && us_->selections.back().nominated; }));
    world_.run(seconds(3));
  }
  /// Hands a packet to our agent and returns how many bytes it sends at once in answer.
  size_t inject(std::vector<uint8_t> bytes, const net::Endpoint& from) {
    net::Datagram packet;
    packet.local = kUs;
    packet.remote = from;
    packet.bytes = bytes;
    const size_t before = us_->bytes_sent;
    us_->agent.handle_packet(packet, world_.now);
    world_.drain(*us_);
    return us_->bytes_sent - before;
  }
  CheckOptions check_options() const {
    return {.username = cat(us_->agent.local_credentials().ufrag, ":", peer_->agent.local_credentials().ufrag),
            .password = us_->agent.local_credentials().password};
  }

  World world_;
  Node* us_ = nullptr;
  Node* peer_ = nullptr;
  SeededRandom random_{99};
};

TEST_F(IceAttack, A1UnauthenticatedRequestsGetNoAnswerAndLeaveNoState) {
  connect();
  const auto pairs = us_->agent.pair_stats().size();
  CheckOptions wrong_password = check_options();
  wrong_password.password = "xxxxxxxxxxxxxxxxxxxxxxxx";
  CheckOptions unknown_ufrag = check_options();
  unknown_ufrag.username = "nobody:x";
  CheckOptions no_colon = check_options();
  no_colon.username = us_->agent.local_credentials().ufrag;
  std::vector<uint8_t> bare(128);
  bare.resize(stun::Builder(bare, stun::Method::Binding, stun::Class::Request, stun::TransactionId::random(random_))
                  .add_fingerprint()
                  .finish()
                  .size());
  const std::array floods{make_check(random_, wrong_password), make_check(random_, unknown_ufrag),
                          make_check(random_, no_colon), bare};
  size_t answered = 0;
  for (uint32_t i = 0; i < 100000; ++i) {
    answered += inject(floods[i % floods.size()], {net::IpAddress::v4(0x0b000000 + i), 9});
  }
  EXPECT_EQ(answered, 0u);
  EXPECT_EQ(us_->agent.pair_stats().size(), pairs);
  EXPECT_EQ(us_->agent.remote_candidates().size(), 1u);
  EXPECT_EQ(us_->agent.drops()[Drop::BadIntegrity], 25000u);
  EXPECT_EQ(us_->agent.drops()[Drop::UnknownUfrag], 50000u);
  EXPECT_EQ(us_->agent.drops()[Drop::NoUsername], 25000u);
}

TEST_F(IceAttack, A1ForgedAnswersChangeNothing) {
  connect(Role::Controlling);
  std::vector<uint8_t> request;
  world_.tap = [&](const Packet& packet) {
    const auto m = stun::Message::parse(packet.bytes);
    if (packet.from == kUs && m->message_class() == stun::Class::Request) request = packet.bytes;
    return packet.to != kPeer;
  };
  ASSERT_TRUE(world_.run(seconds(7), [&] { return !request.empty(); }));
  const auto id = stun::Message::parse(request)->transaction_id();
  for (const auto message_class : {stun::Class::Success, stun::Class::Error}) {
    std::vector<uint8_t> forged(256);
    stun::Builder builder(forged, stun::Method::Binding, message_class, id);
    builder.add_xor_address(stun::Attribute::XorMappedAddress, kVictim).add_error(stun::ErrorNumber::RoleConflict);
    builder.add_integrity(stun::short_term_key("guessed")).add_fingerprint();
    forged.resize(builder.finish().size());
    EXPECT_EQ(inject(forged, kPeer), 0u);
  }
  EXPECT_EQ(us_->agent.drops()[Drop::BadIntegrity], 2u);
  EXPECT_EQ(us_->agent.role(), Role::Controlling);
}

TEST_F(IceAttack, A3UseCandidateBehindTheIntegrityIsIgnored) {
  connect();
  std::vector<uint8_t> check = make_check(random_, check_options());
  check.resize(check.size() - 8);  // without FINGERPRINT
  const size_t size = check.size();
  check.resize(size + 4);
  store_be16(&check[size], static_cast<uint16_t>(stun::Attribute::UseCandidate));
  store_be16(&check[2], static_cast<uint16_t>(check.size() - stun::kHeaderSize));
  const size_t selections = us_->selections.size();
  EXPECT_GT(inject(check, at("10.0.0.3:3000")), 0u);
  world_.run(seconds(3));
  EXPECT_EQ(us_->selections.size(), selections);
}

TEST_F(IceAttack, A4AReplayedCheckFromAForgedAddressMovesNoData) {
  for (const bool lite : {false, true}) {
    world_.tap = nullptr;
    std::vector<uint8_t> recorded;
    world_.tap = [&](const Packet& packet) {
      const auto m = stun::Message::parse(packet.bytes);
      if (packet.to == kUs && m->message_class() == stun::Class::Request && m->has(stun::Attribute::UseCandidate)) {
        recorded = packet.bytes;
      }
      return true;
    };
    connect(Role::Controlled, lite);
    ASSERT_FALSE(recorded.empty());
    size_t to_victim = 0;
    world_.tap = [&](const Packet& packet) {
      to_victim += packet.to == kVictim ? packet.bytes.size() : 0;
      return true;
    };
    const auto path = us_->path();
    inject(recorded, kVictim);
    for (int i = 0; i < 300; ++i) {
      world_.run(milliseconds(100));
      ASSERT_EQ(us_->path(), path);
    }
    // One answer and a few checks, no more.
    EXPECT_LE(to_victim, 6 * recorded.size());
    us_->agent.close();
    peer_->agent.close();
    us_->addresses.clear();
    peer_->addresses.clear();
  }
}

TEST_F(IceAttack, A4ReplaysFromManyAddressesAreBounded) {
  connect();
  const std::vector<uint8_t> recorded = make_check(random_, check_options());
  const size_t before = us_->packets_sent;
  const Time start = world_.now;
  for (uint32_t i = 0; i < 10000; ++i) {
    inject(recorded, {net::IpAddress::v4(0x0b000000 + i), 9});
    if (i % 10 == 0) world_.run(milliseconds(1));
  }
  world_.run(seconds(1));
  EXPECT_LE(us_->agent.remote_candidates().size(), 1 + Agent::kMaxPeerReflexive);
  // One answer each; checks no denser than kMinPace.
  const auto checks_allowed = static_cast<size_t>((world_.now - start) / Agent::kMinPace) + 1;
  EXPECT_LE(us_->packets_sent - before, 10000 + checks_allowed);
  EXPECT_EQ(us_->path()->remote, kPeer);
}

TEST_F(IceAttack, A5ErrorAnswersAreSmallerThanRequestsAndFew) {
  connect(Role::Controlling);
  CheckOptions conflict = check_options();
  conflict.role = Role::Controlling;
  conflict.tie_breaker = 0;  // always loses
  CheckOptions unknown = check_options();
  unknown.role = Role::Controlled;
  unknown.extra = static_cast<stun::Attribute>(0x7777);
  size_t answers = 0;
  for (int i = 0; i < 10000; ++i) {
    for (const auto& options : {conflict, unknown}) {
      const auto check = make_check(random_, options);
      const size_t sent = inject(check, kPeer);
      EXPECT_LE(sent, check.size());
      answers += sent != 0;
    }
    if (i % 1000 == 999) world_.run(seconds(1));
  }
  // Ten windows of a second, and the consent checks that happened to go out with them.
  EXPECT_LE(answers, 11u * Agent::kMaxErrorsPerSecond);
  EXPECT_EQ(us_->agent.role(), Role::Controlling);
}

TEST_F(IceAttack, A7AFloodOfCandidatesIsCappedAndPaced) {
  World& world = world_;
  Config config;
  config.role = Role::Controlling;
  Node& us = world.add(config);
  for (int i = 1; i <= 8; ++i) us.add_address(cat("10.0.0.", i, ":1000"));
  ASSERT_TRUE(us.agent.set_remote_credentials({"abcd", "0123456789012345678901"}, false, world.now).has_value());
  size_t accepted = 0;
  for (uint32_t i = 0; i < 10000; ++i) {
    Candidate c;
    c.foundation = "1";
    c.priority = i;
    c.address = {net::IpAddress::v4(0x0b000000 + i), 22};
    accepted += us.agent.add_remote_candidate(c, world.now).has_value();
    world.drain(us);
  }
  EXPECT_EQ(accepted, Agent::kMaxRemoteCandidates);
  EXPECT_LE(us.agent.pair_stats().size(), Agent::kMaxPairs);
  const size_t before = us.packets_sent;
  world.run(seconds(10));
  // The first checks of all pairs, and the pace of those that repeat them.
  EXPECT_LE(us.packets_sent - before, Agent::kMaxPairs + 10000u / 20 + 1);
}

TEST_F(IceAttack, A7AddressesThatNobodyMayNameAreRefused) {
  Config config;
  config.remote_policy = {.loopback = false, .link_local = false, .private_networks = false, .min_port = 1024};
  Node& us = world_.add(config);
  for (const auto refused : {"127.0.0.1:5000", "[::1]:5000", "169.254.169.254:5000", "224.0.0.1:5000",
                             "255.255.255.255:5000", "0.0.0.0:5000", "[ff02::1]:5000", "[fe80::1]:5000",
                             "10.0.0.1:5000", "192.168.0.1:5000", "[::ffff:127.0.0.1]:5000", "203.0.113.1:22"}) {
    Candidate c;
    c.foundation = "1";
    c.address = at(refused);
    const auto result = us.agent.add_remote_candidate(c, world_.now);
    EXPECT_EQ(result.has_value() ? std::optional<Error>() : result.error(), Error::Refused) << refused;
  }
  EXPECT_EQ(us.agent.drops()[Drop::RefusedAddress], 12u);
  EXPECT_TRUE(us.agent.remote_candidates().empty());
}

TEST_F(IceAttack, A7LoopbackAndMetadataAddressesAreNeverCheckedFromOrdinaryOnes) {
  Config config;
  config.role = Role::Controlling;
  Node& us = world_.add(config);
  us.add_address("10.0.0.1:1000");
  ASSERT_TRUE(us.agent.set_remote_credentials({"abcd", "0123456789012345678901"}, false, world_.now).has_value());
  for (const auto address : {"127.0.0.1:80", "169.254.169.254:80"}) {
    Candidate c;
    c.foundation = "1";
    c.address = at(address);
    ASSERT_TRUE(us.agent.add_remote_candidate(c, world_.now).has_value());
  }
  world_.run(seconds(5));
  EXPECT_EQ(us.packets_sent, 0u);
}

TEST_F(IceAttack, A8RoleConflictPingPongByThePeerIsBounded) {
  connect();
  const size_t before = us_->packets_sent;
  for (int i = 0; i < 1000; ++i) {
    CheckOptions options = check_options();
    options.role = i % 2 == 0 ? Role::Controlled : Role::Controlling;
    options.tie_breaker = i % 2 == 0 ? 0 : UINT64_MAX;
    inject(make_check(random_, options), kPeer);
  }
  EXPECT_LE(us_->packets_sent - before, 1000u + 2);
  world_.run(seconds(20));
  EXPECT_TRUE(us_->path().has_value());
}

TEST_F(IceAttack, A11OldOrMalformedNominationsAreIgnored) {
  connect();
  peer_->add_address("10.0.0.3:3000");  // a second path, which answers
  const auto nominate = [&](uint32_t number, const net::Endpoint& from) {
    CheckOptions options = check_options();
    options.use_candidate = true;
    options.nomination = number;
    inject(make_check(random_, options), from);
    world_.run(milliseconds(300));
  };
  nominate(5, at("10.0.0.3:3000"));
  EXPECT_EQ(us_->path()->remote, at("10.0.0.3:3000"));
  nominate(4, kPeer);
  EXPECT_EQ(us_->path()->remote, at("10.0.0.3:3000"));
  EXPECT_EQ(us_->agent.drops()[Drop::OldNomination], 1u);
  nominate(6, kPeer);
  EXPECT_EQ(us_->path()->remote, kPeer);
}

TEST_F(IceAttack, A12ChecksOfTheOldGenerationDoNothingForTheNewOne) {
  connect();
  CheckOptions old = check_options();
  old.use_candidate = true;
  const auto before = us_->path();
  ASSERT_TRUE(us_->agent.restart(world_.now).has_value());
  world_.drain(*us_);
  // From the old path: answered, because the peer may not know yet. From elsewhere: nothing at all.
  EXPECT_GT(inject(make_check(random_, old), kPeer), 0u);
  EXPECT_EQ(inject(make_check(random_, old), at("10.0.0.3:3000")), 0u);
  EXPECT_TRUE(us_->agent.remote_candidates().size() == 1);
  EXPECT_EQ(us_->path(), before);
  ASSERT_TRUE(peer_->agent.restart(world_.now).has_value());
  world_.drain(*peer_);
  us_->accept_peer();
  peer_->accept_peer();
  ASSERT_TRUE(us_->agent.add_remote_candidate(peer_->candidates.back(), world_.now).has_value());
  world_.drain(*us_);
  ASSERT_TRUE(world_.run(seconds(5), [&] { return us_->selections.size() >= 2 && us_->selections.back().nominated; }));
  world_.run(seconds(1));
  // Once the new pair has taken over, the old credentials are dead.
  EXPECT_EQ(inject(make_check(random_, old), kPeer), 0u);
}

TEST_F(IceAttack, C1DataOfAddressesThatIceHasNotCheckedIsToldApart) {
  connect();
  EXPECT_EQ(us_->agent.source_of(kUs, kPeer), Source::Validated);
  EXPECT_EQ(us_->agent.source_of(kUs, kVictim), Source::Unknown);
  EXPECT_EQ(us_->agent.source_of(kUs, {kPeer.ip, 2001}), Source::Unknown);
  Candidate signalled;
  signalled.foundation = "1";
  signalled.address = at("10.0.0.9:9");
  ASSERT_TRUE(us_->agent.add_remote_candidate(signalled, world_.now).has_value());
  EXPECT_EQ(us_->agent.source_of(kUs, signalled.address), Source::Known);
}

// Anything in any order: nothing breaks, every queue keeps its bound, data only ever goes where an answer came from.
TEST(IceProperty, RandomInterleavingsKeepTheInvariants) {
  for (uint64_t seed = seed_or(1), last = seed + 150; seed < last; ++seed) {
    SCOPED_TRACE(cat("KAON_SEED=", seed));
    World world(seed);
    SeededRandom& random = world.random;
    world.loss_percent = random.below(40);
    world.duplicate_percent = random.below(20);
    world.jitter = milliseconds(random.below(100) + 1);
    Config ca, cb;
    ca.role = random.below(2) != 0 ? Role::Controlling : Role::Controlled;
    cb.role = random.below(2) != 0 ? Role::Controlling : Role::Controlled;
    ca.renomination = cb.renomination = random.below(2) != 0;
    cb.lite = random.below(4) == 0;
    std::array<Node*, 2> nodes{&world.add(ca), &world.add(cb)};
    std::vector<Packet> recorded;
    world.tap = [&](const Packet& packet) {
      if (recorded.size() < 50 && random.below(4) == 0) recorded.push_back(packet);
      return true;
    };
    nodes[0]->peer = nodes[1];
    nodes[1]->peer = nodes[0];
    for (int step = 0; step < 200; ++step) {
      Node& node = *nodes[random.below(2)];
      const auto octet = random.below(6);
      switch (random.below(12)) {
        case 0:
          if (node.addresses.size() < 6)
            node.add_address(cat("10.0.", &node == nodes[0] ? 0 : 1, ".", octet + 1, ":", step + 1));
          break;
        case 1: (void)node.agent.set_remote_credentials(node.peer->agent.local_credentials(), false, world.now); break;
        case 2:
          if (!node.peer->candidates.empty()) {
            (void)node.agent.add_remote_candidate(node.peer->candidates[random.below(node.peer->candidates.size())],
                                                  world.now);
          }
          break;
        case 3:
          if (random.below(10) == 0) (void)node.agent.restart(world.now);
          break;
        case 4: node.agent.set_role(random.below(2) != 0 ? Role::Controlling : Role::Controlled); break;
        case 5: node.agent.end_of_local_candidates(world.now); break;
        case 6: (void)node.agent.add_stun_server(world.stun_server, world.now); break;
        case 7:
          if (!recorded.empty()) {
            Packet packet = recorded[random.below(recorded.size())];
            if (random.below(2) != 0) packet.from.port ^= 1;
            if (random.below(2) != 0) packet.bytes[random.below(packet.bytes.size())] ^= 1;
            world.deliver(packet);
          }
          break;
        case 8: node.agent.handle_timeout(world.now - seconds(1)); break;
        case 9: world.run(milliseconds(random.below(3000))); break;
        default: world.run(milliseconds(random.below(50))); break;
      }
      if (random.below(3) != 0) world.drain(node);
      const auto stats = node.agent.pair_stats();
      ASSERT_LE(stats.size(), Agent::kMaxPairs);
      if (const auto path = node.path()) {
        ASSERT_EQ(node.agent.source_of(path->local, path->remote), Source::Validated);
        ASSERT_EQ(std::ranges::count_if(stats, [](const PairStats& s) { return s.selected; }), 1);
        ASSERT_NE(node.agent.state(), State::Failed);
      }
    }
    nodes[0]->agent.close();
    world.drain(*nodes[0]);
    EXPECT_EQ(nodes[0]->agent.next_timeout(), kNever);
    EXPECT_FALSE(nodes[0]->path().has_value());
  }
}

}  // namespace
}  // namespace kaon::ice
