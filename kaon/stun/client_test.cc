#include "kaon/stun/client.h"

#include <gtest/gtest.h>

#include "kaon/stun/builder.h"

namespace kaon::stun {
namespace {

using std::chrono::milliseconds;

const net::Endpoint kLocal = *net::Endpoint::parse("10.0.0.1:1000");
const net::Endpoint kServer = *net::Endpoint::parse("192.0.2.1:3478");
const net::Endpoint kPublic = *net::Endpoint::parse("203.0.113.5:4000");

class StunClient : public testing::Test {
 protected:
  StunClient() { config_.local = kLocal, config_.server = kServer; }

  std::optional<TransactionId> sent(Client& client) {
    std::array<uint8_t, Client::kMaxPacket> memory{};
    const auto transmit = client.poll_transmit(memory);
    if (!transmit) return std::nullopt;
    EXPECT_EQ(transmit->local, kLocal);
    EXPECT_EQ(transmit->remote, kServer);
    const auto message = Message::parse(ByteView{memory}.first(transmit->size));
    EXPECT_TRUE(message.has_value() && message->is(Method::Binding, Class::Request) && message->has_fingerprint());
    return message->transaction_id();
  }
  void answer(Client& client, const TransactionId& id, Time now, const net::Endpoint& from = kServer) {
    std::array<uint8_t, 128> memory{};
    const size_t size = Builder(memory, Method::Binding, Class::Success, id)
                            .add_xor_address(Attribute::XorMappedAddress, kPublic)
                            .finish()
                            .size();
    net::Datagram packet;
    packet.local = kLocal;
    packet.remote = from;
    packet.bytes = Bytes{memory}.first(size);
    client.handle_packet(packet, now);
  }

  SeededRandom random_{1};
  NullLogger log_;
  Client::Config config_;
  Time now_{};
};

TEST_F(StunClient, LearnsTheAddressThatTheServerSees) {
  Client client({random_, log_}, config_, now_);
  client.handle_timeout(now_);
  const auto id = sent(client);
  ASSERT_TRUE(id.has_value());
  answer(client, *id, now_ + milliseconds(30));
  const auto event = client.poll_event();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(std::get<Mapped>(*event).address, kPublic);
  EXPECT_EQ(std::get<Mapped>(*event).rtt, milliseconds(30));
  EXPECT_EQ(client.next_timeout(), kNever);
}

// RFC 8489 §6.2.1 names these times for an RTO of 500 ms.
TEST_F(StunClient, RepeatsAtTheTimesOfRfc8489AndThenGivesUp) {
  Client client({random_, log_}, config_, now_);
  std::vector<int64_t> times;
  std::optional<TransactionId> first;
  while (client.next_timeout() != kNever) {
    now_ = client.next_timeout();
    client.handle_timeout(now_);
    if (const auto id = sent(client)) {
      if (!first) first = id;
      EXPECT_EQ(id, first);
      times.push_back(std::chrono::duration_cast<milliseconds>(now_.time_since_epoch()).count());
    }
  }
  EXPECT_EQ(times, (std::vector<int64_t>{0, 500, 1500, 3500, 7500, 15500, 31500}));
  EXPECT_EQ(now_, Time(milliseconds(39500)));
  EXPECT_EQ(std::get<Unreachable>(*client.poll_event()).reason, Unreachable::Reason::Timeout);
}

TEST_F(StunClient, OverReliableTransportsItAsksOnce) {
  config_.timing.reliable = true;
  Client client({random_, log_}, config_, now_);
  client.handle_timeout(now_);
  EXPECT_TRUE(sent(client).has_value());
  EXPECT_EQ(client.next_timeout(), Time(milliseconds(39500)));
  client.handle_timeout(client.next_timeout());
  EXPECT_FALSE(sent(client).has_value());
  EXPECT_TRUE(client.poll_event().has_value());
}

TEST_F(StunClient, IgnoresStrangersAndForeignTransactions) {
  Client client({random_, log_}, config_, now_);
  client.handle_timeout(now_);
  const auto id = sent(client);
  answer(client, *id, now_, kPublic);
  answer(client, TransactionId{}, now_);
  EXPECT_FALSE(client.poll_event().has_value());
  EXPECT_EQ(client.drops()[ClientDrop::WrongAddress], 1u);
  EXPECT_EQ(client.drops()[ClientDrop::UnknownTransaction], 1u);
  answer(client, *id, now_);
  EXPECT_TRUE(client.poll_event().has_value());
}

TEST_F(StunClient, RefreshesTheMappingAndTagsItsTransactions) {
  config_.refresh = std::chrono::seconds(15);
  config_.tag = 0xcafe0001;
  Client client({random_, log_}, config_, now_);
  client.handle_timeout(now_);
  const auto first = sent(client);
  EXPECT_EQ(load_be32(first->bytes.data()), 0xcafe0001u);
  answer(client, *first, now_);
  EXPECT_EQ(client.next_timeout(), now_ + std::chrono::seconds(15));
  client.handle_timeout(client.next_timeout());
  const auto second = sent(client);
  ASSERT_TRUE(second.has_value());
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace kaon::stun
