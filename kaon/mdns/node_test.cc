#include "kaon/mdns/node.h"

#include <gtest/gtest.h>

#include "kaon/base/text.h"
#include "kaon/mdns/name.h"

namespace kaon::mdns {
namespace {

using namespace std::chrono_literals;

net::IpAddress ip(std::string_view text) { return *net::IpAddress::parse(text); }
const net::Endpoint kGroup{ip("224.0.0.251"), kPort};

struct Packet {
  net::Transmit transmit;
  std::vector<uint8_t> bytes;
  Message message() const { return Message::parse(bytes).value(); }
};

class Side {
 public:
  explicit Side(std::string_view address, uint64_t seed) : random_(seed), node(Env{random_, log_}), own(ip(address)) {
    node.set_interfaces({{1, own, 24}}, Time());
  }
  std::vector<Packet> sent() {
    std::vector<Packet> all;
    std::vector<uint8_t> out(Node::kMaxPacket);
    while (const auto transmit = node.poll_transmit(out)) {
      all.push_back({*transmit, {out.begin(), out.begin() + static_cast<ptrdiff_t>(transmit->size)}});
    }
    return all;
  }
  void take(const Packet& packet, net::Endpoint from, Time now) {
    std::vector<uint8_t> bytes = packet.bytes;
    node.handle_packet({.local = {own, kPort}, .remote = from, .bytes = bytes}, now);
  }

 private:
  SeededRandom random_;
  NullLogger log_;

 public:
  Node node;
  net::IpAddress own;
};

Packet packet_of(const Message& message) {
  std::vector<uint8_t> bytes(message.size());
  bytes.resize(message.write(bytes));
  return {{}, bytes};
}

Message question(const std::string& name, Type type = Type::A, bool unicast = false) {
  Message message;
  message.questions = {{name, type, unicast}};
  return message;
}

Message claim(const std::string& name, std::string_view address, uint32_t ttl = 120) {
  Message message;
  message.response = true;
  message.answers = {
      {.name = name, .type = type_of(ip(address)), .cache_flush = true, .ttl = ttl, .address = ip(address)}};
  return message;
}

// Two on one link; each hears everything, also itself.
class Link : public ::testing::Test {
 protected:
  void deliver() {
    for (bool any = true; any;) {
      any = false;
      for (Side* from : {&a, &b}) {
        for (const Packet& packet : from->sent()) {
          any = true;
          ++packets;
          for (Side* to : {&a, &b}) to->take(packet, {from->own, kPort}, now);
        }
      }
    }
  }
  void advance(Duration time) {
    const Time end = now + time;
    while (true) {
      const Time next = std::min(a.node.next_timeout(), b.node.next_timeout());
      now = std::max(now, std::min(next, end));
      a.node.handle_timeout(now);
      b.node.handle_timeout(now);
      deliver();
      if (next > end) return;
    }
  }
  std::optional<net::IpAddress> resolved(Side& side) {
    const auto event = side.node.poll_event();
    const auto* found = event ? std::get_if<Resolved>(&*event) : nullptr;
    return found ? std::optional(found->address) : std::nullopt;
  }

  Time now = Time(1h);
  Side a{"10.0.0.1", 1};
  Side b{"10.0.0.2", 2};
  const net::Endpoint b_end{ip("10.0.0.2"), kPort};
  size_t packets = 0;
};

TEST_F(Link, ANameOfOneIsFoundByTheOtherWithOneQuestionAndOneAnswer) {
  const std::string name = a.node.publish(a.own).value();
  ASSERT_TRUE(b.node.resolve(name, now).has_value());
  deliver();
  EXPECT_EQ(resolved(b), a.own);
  EXPECT_EQ(packets, 2u);
  EXPECT_EQ(a.node.drops().total() + b.node.drops().total(), 0u);
}

TEST_F(Link, CapitalsMakeNoDifference) {
  std::string name = a.node.publish(a.own).value();
  for (char& c : name) c = static_cast<char>(std::toupper(c));
  ASSERT_TRUE(b.node.resolve(name, now).has_value());
  deliver();
  EXPECT_EQ(resolved(b), a.own);
}

TEST_F(Link, AnIpv6AddressIsFoundToo) {
  const std::string name = a.node.publish(ip("2001:db8::7")).value();
  ASSERT_TRUE(b.node.resolve(name, now).has_value());
  deliver();
  EXPECT_EQ(resolved(b), ip("2001:db8::7"));
}

TEST_F(Link, OurOwnNamesNeedNoQuestion) {
  const std::string name = a.node.publish(a.own).value();
  ASSERT_TRUE(a.node.resolve(name, now).has_value());
  EXPECT_EQ(resolved(a), a.own);
  EXPECT_TRUE(a.sent().empty());
}

TEST_F(Link, ANameThatComesLateIsFoundWithTheNextQuestion) {
  SeededRandom same(1);
  const std::string name = make_hidden_name(same);  // what `a` will call itself
  ASSERT_TRUE(b.node.resolve(name, now).has_value());
  advance(2s);
  EXPECT_FALSE(b.node.poll_event());
  ASSERT_EQ(a.node.publish(a.own), name);
  advance(1s);
  EXPECT_EQ(resolved(b), a.own);
}

TEST_F(Link, WhatNobodyAnswersIsUnresolvedAfterFourQuestions) {
  ASSERT_TRUE(b.node.resolve("1f4712db-ea17-4bcf-a596-105139dfd8bf.local", now).has_value());
  advance(20s);
  EXPECT_EQ(packets, 4u);
  const auto event = b.node.poll_event();
  ASSERT_TRUE(event);
  EXPECT_TRUE(std::holds_alternative<Unresolved>(*event));
  EXPECT_FALSE(b.node.poll_event());
  EXPECT_EQ(b.node.next_timeout(), kNever);
}

TEST_F(Link, OneNameIsAskedForOnceHoweverOftenItIsWanted) {
  const std::string name = a.node.publish(a.own).value();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(b.node.resolve(name, now).has_value());
  deliver();
  EXPECT_EQ(packets, 2u);
  EXPECT_EQ(resolved(b), a.own);
  EXPECT_FALSE(b.node.poll_event());
  // Later it is known, for as long as the record lives.
  ASSERT_TRUE(b.node.resolve(name, now).has_value());
  deliver();
  EXPECT_EQ(packets, 2u);
  EXPECT_EQ(resolved(b), a.own);
  advance(121s);
  ASSERT_TRUE(b.node.resolve(name, now).has_value());
  deliver();
  EXPECT_EQ(packets, 4u);
}

TEST_F(Link, OtherNamesAreRefused) {
  EXPECT_EQ(b.node.resolve("printer.local", now).error(), Error::BadName);
  EXPECT_EQ(a.node.publish(net::IpAddress::any(net::Family::V4)).error(), Error::BadAddress);
  EXPECT_EQ(a.node.publish(ip("224.0.0.1")).error(), Error::BadAddress);
}

TEST_F(Link, AWithdrawnNameIsForgottenByThoseWhoHeardIt) {
  const std::string name = a.node.publish(a.own).value();
  ASSERT_TRUE(b.node.resolve(name, now).has_value());
  deliver();
  ASSERT_TRUE(resolved(b));
  a.node.withdraw(name, now);
  const auto goodbye = a.sent();
  ASSERT_EQ(goodbye.size(), 1u);
  EXPECT_EQ(goodbye[0].message().answers.at(0).ttl, 0u);
  b.take(goodbye[0], {a.own, kPort}, now);
  b.node.handle_timeout(now);
  ASSERT_TRUE(b.node.resolve(name, now).has_value());
  EXPECT_EQ(b.sent().size(), 1u);  // asks again
  EXPECT_FALSE(b.node.poll_event());
}

TEST_F(Link, ANameNobodyHeardIsWithdrawnInSilence) {
  const std::string name = a.node.publish(a.own).value();
  a.node.withdraw(name, now);
  EXPECT_TRUE(a.sent().empty());
  EXPECT_EQ(a.node.names(), 0u);
}

// -- the responder's duties ------------------------------------------------------------------------------------------

TEST_F(Link, AnAnswerIsMulticastUniqueAndTellsThatThereIsNoOtherType) {
  const std::string name = a.node.publish(a.own).value();
  a.take(packet_of(question(name, Type::Aaaa)), b_end, now);
  const auto sent = a.sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].transmit.remote, kGroup);
  EXPECT_EQ(sent[0].transmit.local.ip, a.own);
  const Message message = sent[0].message();
  EXPECT_EQ(message.id, 0);
  EXPECT_TRUE(message.response && message.questions.empty());
  EXPECT_TRUE(message.answers.at(0).cache_flush);
  EXPECT_EQ(message.answers.at(0).ttl, Node::kTtl);
  EXPECT_EQ(message.additionals.at(0).type, Type::Nsec);
}

TEST_F(Link, ARecordIsMulticastOnceASecondHoweverManyAsk) {
  const std::string name = a.node.publish(a.own).value();
  for (int i = 0; i < 50; ++i) a.take(packet_of(question(name)), b_end, now);
  EXPECT_EQ(a.sent().size(), 1u);
  EXPECT_EQ(a.node.next_timeout(), now + 1s);
  a.node.handle_timeout(now + 999ms);
  EXPECT_TRUE(a.sent().empty());
  a.node.handle_timeout(now + 1s);
  EXPECT_EQ(a.sent().size(), 1u);
  EXPECT_EQ(a.node.next_timeout(), kNever);
}

TEST_F(Link, WhoKnowsTheAnswerGetsNone) {
  const std::string name = a.node.publish(a.own).value();
  Message query = question(name);
  query.answers = claim(name, "10.0.0.1", 60).answers;
  a.take(packet_of(query), b_end, now);
  EXPECT_TRUE(a.sent().empty());
  query.answers[0].ttl = 59;  // less than half of its life is left
  a.take(packet_of(query), b_end, now);
  EXPECT_EQ(a.sent().size(), 1u);
}

TEST_F(Link, AUnicastAnswerGoesToWhoWantsItOnceTheLinkHasHeardTheRecord) {
  const std::string name = a.node.publish(a.own).value();
  a.take(packet_of(question(name, Type::A, true)), b_end, now);
  auto sent = a.sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].transmit.remote, kGroup);
  a.take(packet_of(question(name, Type::A, true)), b_end, now + 29s);
  sent = a.sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].transmit.remote, b_end);
}

TEST_F(Link, WhoAsksForBothTypesAtOnceGetsOneAnswer) {
  const std::string name = a.node.publish(a.own).value();
  Message both = question(name, Type::A, true);
  both.questions.push_back({name, Type::Aaaa, true});
  a.take(packet_of(both), b_end, now);
  EXPECT_EQ(a.sent().size(), 1u);
  EXPECT_EQ(a.node.next_timeout(), kNever);
  a.take(packet_of(both), b_end, now + 2s);
  EXPECT_EQ(a.sent().size(), 1u);
}

TEST_F(Link, ALegacyQuerierGetsItsQuestionBackAndNothingLarge) {
  const std::string name = a.node.publish(a.own).value();
  Message query = question(name);
  query.id = 77;
  const Packet asked = packet_of(query);
  a.take(asked, {b.own, 40000}, now);
  const auto sent = a.sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].transmit.remote, (net::Endpoint{b.own, 40000}));
  const Message message = sent[0].message();
  EXPECT_EQ(message.id, 77);
  EXPECT_EQ(message.questions, query.questions);
  EXPECT_FALSE(message.answers.at(0).cache_flush);
  EXPECT_EQ(message.answers.at(0).ttl, 10u);
  EXPECT_LE(sent[0].bytes.size(), asked.bytes.size() + 16);
}

TEST_F(Link, UnicastAnswersAreBoundedToo) {
  const std::string name = a.node.publish(a.own).value();
  for (int i = 0; i < 1000; ++i) {
    a.take(packet_of(question(name)), {b.own, 40000}, now);
    a.sent();
  }
  EXPECT_EQ(a.node.drops()[Drop::TooOften], 1000u - Node::kMaxAnswersPerSecond);
}

TEST_F(Link, NobodyFromOutsideTheLinkIsAnsweredOrBelieved) {
  const std::string name = a.node.publish(a.own).value();
  a.take(packet_of(question(name)), {ip("192.0.2.1"), kPort}, now);
  EXPECT_TRUE(a.sent().empty());
  EXPECT_EQ(a.node.drops()[Drop::OffLink], 1u);
  const std::string other = b.node.publish(b.own).value();
  ASSERT_TRUE(a.node.resolve(other, now).has_value());
  a.take(packet_of(claim(other, "10.0.0.66")), {ip("192.0.2.1"), kPort}, now);
  a.take(packet_of(claim(other, "10.0.0.66")), {b.own, 40000}, now);
  EXPECT_EQ(a.node.drops()[Drop::WrongPort], 1u);
  EXPECT_FALSE(a.node.poll_event());
}

TEST_F(Link, AnswersToWhatWasNotAskedAreForgotten) {
  b.take(packet_of(claim("1f4712db-ea17-4bcf-a596-105139dfd8bf.local", "10.0.0.9")), {a.own, kPort}, now);
  EXPECT_FALSE(b.node.poll_event());
  ASSERT_TRUE(b.node.resolve("1f4712db-ea17-4bcf-a596-105139dfd8bf.local", now).has_value());
  EXPECT_EQ(b.sent().size(), 1u);
}

TEST_F(Link, ASecondAnswerDoesNotChangeTheFirst) {
  const std::string name = a.node.publish(a.own).value();
  ASSERT_TRUE(b.node.resolve(name, now).has_value());
  deliver();
  EXPECT_EQ(resolved(b), a.own);
  b.take(packet_of(claim(name, "10.0.0.66")), {a.own, kPort}, now);
  EXPECT_FALSE(b.node.poll_event());
  ASSERT_TRUE(b.node.resolve(name, now).has_value());
  EXPECT_EQ(resolved(b), a.own);
}

TEST_F(Link, WhoClaimsANameOfOursIsContradictedOnceASecond) {
  const std::string name = a.node.publish(a.own).value();
  for (int i = 0; i < 20; ++i) a.take(packet_of(claim(name, "10.0.0.66")), b_end, now);
  const auto sent = a.sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message().answers.at(0).address, a.own);
  EXPECT_EQ(a.node.drops()[Drop::Conflict], 20u);
  EXPECT_EQ(a.node.names(), 1u);
}

// -- interfaces ------------------------------------------------------------------------------------------------------

TEST_F(Link, QuestionsGoOutOnEachInterfaceOnceAndAnswersWhereTheyWereAskedFor) {
  a.node.set_interfaces(
      {{1, ip("10.0.0.1"), 24}, {1, ip("10.0.9.1"), 24}, {2, ip("10.1.0.1"), 24}, {2, ip("fe80::1"), 64}}, now);
  ASSERT_TRUE(a.node.resolve("1f4712db-ea17-4bcf-a596-105139dfd8bf.local", now).has_value());
  const auto asked = a.sent();
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_EQ(asked[2].transmit.remote.ip, group(net::Family::V6));
  const std::string name = a.node.publish(ip("10.0.0.1")).value();
  std::vector<uint8_t> bytes = packet_of(question(name)).bytes;
  a.node.handle_packet({.local = {ip("10.1.0.1"), kPort}, .remote = {ip("10.1.0.5"), kPort}, .bytes = bytes}, now);
  const auto sent = a.sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].transmit.local.ip, ip("10.1.0.1"));
}

TEST_F(Link, WhatIsBeingLookedForIsAskedForOnANewNetworkAtOnce) {
  ASSERT_TRUE(a.node.resolve("1f4712db-ea17-4bcf-a596-105139dfd8bf.local", now).has_value());
  a.sent();
  a.node.set_interfaces({{1, ip("10.0.0.1"), 24}, {2, ip("10.1.0.1"), 24}}, now);
  a.node.handle_timeout(now);
  EXPECT_EQ(a.sent().size(), 2u);
}

TEST_F(Link, TheTablesAreBounded) {
  for (size_t i = 0; i < Node::kMaxNames; ++i) ASSERT_TRUE(a.node.publish(a.own).has_value());
  EXPECT_EQ(a.node.publish(a.own).error(), Error::TooMany);
  SeededRandom random(5);
  for (size_t i = 0; i < Node::kMaxLookups; ++i) {
    ASSERT_TRUE(a.node.resolve(make_hidden_name(random), now).has_value());
  }
  EXPECT_EQ(a.node.resolve(make_hidden_name(random), now).error(), Error::TooMany);
  EXPECT_LE(a.sent().size(), Node::kMaxOutgoing);
}

}  // namespace
}  // namespace kaon::mdns
