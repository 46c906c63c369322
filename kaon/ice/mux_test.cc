#include "kaon/ice/mux.h"

#include <gtest/gtest.h>

#include "kaon/ice/internal/test_world.h"

namespace kaon::ice {
namespace {

using test::at;

const net::Endpoint kPort = at("192.0.2.1:3478");

class IceMux : public testing::Test {
 protected:
  std::optional<ConnectionId> route(std::vector<uint8_t> bytes, const net::Endpoint& remote) {
    net::Datagram packet;
    packet.local = kPort;
    packet.remote = remote;
    packet.bytes = bytes;
    return mux_.route(packet);
  }
  std::vector<uint8_t> request(std::string_view username) {
    return test::make_check(random_, {.username = std::string(username), .password = "p"});
  }
  std::vector<uint8_t> response(uint32_t tag) {
    stun::TransactionId id;
    store_be32(id.bytes.data(), tag);
    std::vector<uint8_t> memory(64);
    memory.resize(stun::Builder(memory, stun::Method::Binding, stun::Class::Success, id).finish().size());
    return memory;
  }
  static net::Endpoint remote(uint32_t n) {
    return {net::IpAddress::v4(0x0a000000 + n), static_cast<uint16_t>(1000 + n % 60000)};
  }

  SeededRandom random_{1};
  Mux mux_{42};
  const std::vector<uint8_t> dtls_{22, 254, 253, 0, 0};
};

TEST_F(IceMux, RoutesTheFirstCheckByUfragAndTheRestByAddress) {
  ASSERT_TRUE(mux_.add(ConnectionId(7), "aaaa", 1).has_value());
  ASSERT_TRUE(mux_.add(ConnectionId(8), "bbbb", 2).has_value());
  EXPECT_EQ(route(dtls_, remote(1)), std::nullopt);
  EXPECT_EQ(route(request("bbbb:xxxx"), remote(1)), ConnectionId(8));
  EXPECT_EQ(route(dtls_, remote(1)), std::nullopt);  // a check that nobody has authenticated binds nothing
  ASSERT_TRUE(mux_.bind(ConnectionId(8), {kPort, remote(1)}).has_value());
  EXPECT_EQ(route(dtls_, remote(1)), ConnectionId(8));
  EXPECT_EQ(mux_.drops()[MuxDrop::UnknownSource], 2u);
}

TEST_F(IceMux, RoutesAnswersToOurChecksByTheirTag) {
  ASSERT_TRUE(mux_.add(ConnectionId(7), "aaaa", 0xabcd0001).has_value());
  EXPECT_EQ(route(response(0xabcd0001), remote(1)), ConnectionId(7));
  EXPECT_EQ(route(response(0xabcd0002), remote(1)), std::nullopt);
  EXPECT_EQ(mux_.drops()[MuxDrop::UnknownTransaction], 1u);
}

TEST_F(IceMux, RoutesMediaFromAnUnknownAddressByItsStream) {
  std::vector<uint8_t> rtp(40);
  rtp[0] = 0x80;
  rtp[1] = 96;
  store_be32(rtp.data() + 8, 0x1234);
  ASSERT_TRUE(mux_.add(ConnectionId(7), "aaaa", 1).has_value());
  ASSERT_TRUE(mux_.add(ConnectionId(8), "bbbb", 2).has_value());
  EXPECT_EQ(route(rtp, remote(1)), std::nullopt);
  mux_.bind_ssrc(ConnectionId(7), 0x1234);
  mux_.bind_ssrc(ConnectionId(8), 0x1234);  // taken
  EXPECT_EQ(route(rtp, remote(1)), ConnectionId(7));
  ASSERT_TRUE(mux_.bind(ConnectionId(8), {kPort, remote(1)}).has_value());
  EXPECT_EQ(route(rtp, remote(1)), ConnectionId(8)) << "the address goes first";
  EXPECT_EQ(mux_.owner({kPort, remote(1)}), ConnectionId(8));
  EXPECT_EQ(mux_.owner({kPort, remote(2)}), std::nullopt);
  std::vector<uint8_t> rtcp = rtp;
  rtcp[1] = 200;
  EXPECT_EQ(route(rtcp, remote(2)), std::nullopt);
  EXPECT_EQ(route(std::vector<uint8_t>(rtp.begin(), rtp.begin() + 11), remote(2)), std::nullopt);
  for (uint32_t ssrc = 0; ssrc < 100; ++ssrc) mux_.bind_ssrc(ConnectionId(7), ssrc);
  store_be32(rtp.data() + 8, Mux::kMaxSsrcs);
  EXPECT_EQ(route(rtp, remote(2)), std::nullopt) << "more than a connection may have";
  mux_.remove(ConnectionId(7));
  store_be32(rtp.data() + 8, 0x1234);
  EXPECT_EQ(route(rtp, remote(2)), std::nullopt);
}

TEST_F(IceMux, AUfragWinsOverAnAddressThatAnotherConnectionHad) {
  ASSERT_TRUE(mux_.add(ConnectionId(7), "aaaa", 1).has_value());
  ASSERT_TRUE(mux_.add(ConnectionId(8), "bbbb", 2).has_value());
  ASSERT_TRUE(mux_.bind(ConnectionId(7), {kPort, remote(1)}).has_value());
  EXPECT_EQ(route(request("bbbb:x"), remote(1)), ConnectionId(8));
  ASSERT_TRUE(mux_.bind(ConnectionId(8), {kPort, remote(1)}).has_value());
  EXPECT_EQ(route(dtls_, remote(1)), ConnectionId(8));
  mux_.remove(ConnectionId(7));
  EXPECT_EQ(route(dtls_, remote(1)), ConnectionId(8));
}

TEST_F(IceMux, ARestartAddsAUfragAndDropsTheOldestInTheEnd) {
  ASSERT_TRUE(mux_.add(ConnectionId(7), "aaaa", 1).has_value());
  ASSERT_TRUE(mux_.add(ConnectionId(7), "bbbb", 1).has_value());
  EXPECT_EQ(route(request("aaaa:x"), remote(1)), ConnectionId(7));
  EXPECT_EQ(route(request("bbbb:x"), remote(1)), ConnectionId(7));
  ASSERT_TRUE(mux_.add(ConnectionId(7), "cccc", 1).has_value());
  EXPECT_EQ(route(request("aaaa:x"), remote(1)), std::nullopt);
  EXPECT_EQ(route(request("cccc:x"), remote(1)), ConnectionId(7));
}

TEST_F(IceMux, PathsThatDifferInOnePartAreOthers) {
  const auto scoped = [](uint32_t scope) {
    return net::Endpoint{net::IpAddress::from_bytes(at("[fe80::1]:1").ip.bytes(), scope), 9};
  };
  const net::Endpoint v4 = at("1.2.3.4:9"), v6 = at("[2001:db8::1]:9");
  const std::vector<Path> paths{{kPort, v4},
                                {kPort, at("1.2.3.5:9")},
                                {kPort, at("1.2.3.4:10")},
                                {kPort, at("[::1.2.3.4]:9")},
                                {at("192.0.2.2:3478"), v4},
                                {at("192.0.2.1:3479"), v4},
                                {kPort, v4, net::Protocol::Tcp},
                                {v6, v6},
                                {v6, at("[2001:db8:0:1::1]:9")},
                                {v6, at("[2001:db8::2]:9")},
                                {at("[2001:db8::2]:9"), v6},
                                {at("[2001:db8:0:1::1]:9"), v6},
                                {scoped(1), scoped(1)},
                                {scoped(1), scoped(2)},
                                {scoped(2), scoped(1)}};
  for (uint64_t i = 0; i < paths.size(); ++i) {
    ASSERT_TRUE(mux_.add(ConnectionId(i), cat("u", i), static_cast<uint32_t>(i)).has_value());
    ASSERT_TRUE(mux_.bind(ConnectionId(i), paths[i]).has_value());
  }
  EXPECT_EQ(mux_.paths(), paths.size());
  for (uint64_t i = 0; i < paths.size(); ++i) EXPECT_EQ(mux_.owner(paths[i]), ConnectionId(i)) << i;
}

TEST_F(IceMux, DuplicatesAreRefused) {
  ASSERT_TRUE(mux_.add(ConnectionId(7), "aaaa", 1).has_value());
  EXPECT_EQ(mux_.add(ConnectionId(8), "aaaa", 2).error(), MuxError::DuplicateUfrag);
  EXPECT_EQ(mux_.add(ConnectionId(8), "bbbb", 1).error(), MuxError::DuplicateTag);
  EXPECT_EQ(mux_.connections(), 1u);
  EXPECT_EQ(mux_.bind(ConnectionId(8), {kPort, remote(1)}).error(), MuxError::UnknownConnection);
}

TEST_F(IceMux, PathsOfAConnectionAreBounded) {
  ASSERT_TRUE(mux_.add(ConnectionId(7), "aaaa", 1).has_value());
  for (uint32_t i = 0; i < 1000; ++i) ASSERT_TRUE(mux_.bind(ConnectionId(7), {kPort, remote(i)}).has_value());
  EXPECT_EQ(mux_.paths(), Mux::kMaxPaths);
  EXPECT_EQ(route(dtls_, remote(0)), std::nullopt);
  EXPECT_EQ(route(dtls_, remote(999)), ConnectionId(7));
}

TEST_F(IceMux, A1StrangersLeaveNoTrace) {
  ASSERT_TRUE(mux_.add(ConnectionId(7), "aaaa", 1).has_value());
  const auto unknown = request("zzzz:x");
  auto no_username = unknown;
  no_username[20] = 0xff;
  uint64_t handled = 0;
  for (uint32_t i = 0; i < 100000; ++i) {
    handled += route(i % 2 == 0 ? unknown : dtls_, remote(i)).has_value();
  }
  EXPECT_FALSE(route(no_username, remote(1)).has_value());
  EXPECT_FALSE(route({0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, remote(1)).has_value());
  EXPECT_EQ(handled, 0u);
  EXPECT_EQ(mux_.paths(), 0u);
  EXPECT_EQ(mux_.drops()[MuxDrop::UnknownUfrag], 50000u);
  EXPECT_EQ(mux_.drops()[MuxDrop::UnknownSource], 50000u);
  EXPECT_EQ(mux_.drops()[MuxDrop::MalformedStun], 2u);
}

TEST_F(IceMux, TenThousandConnectionsComeAndGoAndEachFindsItsOwn) {
  constexpr uint32_t kCount = 10000;
  const auto ufrag = [](uint32_t i) { return cat("u", i, "xyz"); };
  for (uint32_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(mux_.add(ConnectionId(i), ufrag(i), i).has_value());
    ASSERT_TRUE(mux_.bind(ConnectionId(i), {kPort, remote(2 * i)}).has_value());
    ASSERT_TRUE(mux_.bind(ConnectionId(i), {kPort, remote(2 * i + 1)}).has_value());
  }
  EXPECT_EQ(mux_.paths(), 2 * kCount);
  for (uint32_t i = 0; i < kCount; i += 3) mux_.remove(ConnectionId(i));
  for (uint32_t i = 0; i < kCount; ++i) {
    const auto expected = i % 3 == 0 ? std::nullopt : std::optional(ConnectionId(i));
    ASSERT_EQ(route(dtls_, remote(2 * i)), expected) << i;
    ASSERT_EQ(route(dtls_, remote(2 * i + 1)), expected) << i;
    if (i % 10 == 0) {
      ASSERT_EQ(route(request(cat(ufrag(i), ":z")), at("198.51.100.1:1")), expected) << i;
    }
  }
  for (uint32_t i = 0; i < kCount; ++i) mux_.remove(ConnectionId(i));
  EXPECT_EQ(mux_.paths(), 0u);
  EXPECT_EQ(mux_.connections(), 0u);
}

// The table against a model, with few addresses so that runs of neighbours are long.
TEST_F(IceMux, TheAddressTableBehavesLikeAMap) {
  SeededRandom random(test::seed_or(5));
  std::map<uint32_t, uint64_t> model;
  for (int step = 0; step < 50000; ++step) {
    const auto id = random.below(40);
    const auto n = static_cast<uint32_t>(random.below(300));
    switch (random.below(8)) {
      case 0:
        mux_.remove(ConnectionId(id));
        std::erase_if(model, [&](const auto& entry) { return entry.second == id; });
        break;
      case 1: (void)mux_.add(ConnectionId(id), cat("u", id), static_cast<uint32_t>(id)); break;
      default:
        // At most kMaxPaths, so that the model need not know which one gives way.
        if (std::ranges::count_if(model, [&](const auto& e) { return e.second == id; }) >= int{Mux::kMaxPaths}) break;
        if (mux_.bind(ConnectionId(id), {kPort, remote(n)})) model[n] = id;
    }
    ASSERT_EQ(mux_.paths(), model.size());
    const auto found = route(dtls_, remote(n));
    const auto expected = model.find(n);
    ASSERT_EQ(found, expected == model.end() ? std::nullopt : std::optional(ConnectionId(expected->second)));
  }
}

}  // namespace
}  // namespace kaon::ice
