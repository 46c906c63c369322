// What is told of this machine's addresses, and which of them are used.
#include <gmock/gmock.h>

#include "kaon/base/text.h"
#include "kaon/io/interfaces.h"
#include "kaon/webrtc/internal/test_support.h"

namespace kaon::webrtc {
namespace {

using testing::HasSubstr;
using testing::Not;

class TwoMachines : public testing::Test {
 protected:
  TwoMachines() {
    a_.start();
    b_.start();
  }

  // With a data channel; true once it has carried a message there and back.
  bool connect(Side& alice, Side& bob) {
    alice.on_loop([&](PeerConnection& connection) {
      chat_ = *connection.create_data_channel(
          "chat", {},
          {.on_open = [&] { EXPECT_TRUE(chat_->send("hello")); },
           .on_message =
               [&](const Message& message) { received_.change([&](std::string& text) { text = message.text(); }); }});
    });
    negotiate(alice, bob);
    return received_.wait([](const std::string& text) { return text == "hello"; });
  }
  static PeerConnectionHandlers echo() {
    return {.on_data_channel = [](const std::shared_ptr<DataChannel>& channel) {
      channel->set_handlers({.on_message = [channel = channel.get()](const Message& message) {
        EXPECT_TRUE(channel->send(message.text()));
      }});
    }};
  }

  io::Loop a_;
  io::Loop b_;
  Watched<std::string> received_;
  std::shared_ptr<DataChannel> chat_;
};

// All that a program tells a peer, or may show to somebody.
std::string told_by(Side& side) {
  std::string all;
  side.on_loop(
      [&](PeerConnection& connection) { all = connection.local_description().sdp + connection.get_stats().to_json(); });
  return all;
}

TEST_F(TwoMachines, HiddenAddressesAreFoundByTheirNames) {
  const Configuration hiding{.own_port = {.hide_addresses = true}};
  Side alice(a_, {}, hiding);
  Side bob(b_, echo(), hiding);
  ASSERT_TRUE(connect(alice, bob));
  for (Side* side : {&alice, &bob}) {
    const std::string told = told_by(*side);
    EXPECT_THAT(told, HasSubstr(".local"));
    for (const io::Interface& i : *io::interfaces()) {
      if (i.ip == net::IpAddress::v4(127, 0, 0, 1) || i.ip.is_link_local() || i.ip.is_loopback()) continue;
      EXPECT_THAT(told, Not(HasSubstr(i.ip.to_string())));
    }
  }
}

TEST_F(TwoMachines, NamesOfCandidatesThatTrickleAreLookedUpToo) {
  std::unique_ptr<Side> alice, bob;
  const auto to = [](std::unique_ptr<Side>& other) {
    return PeerConnectionHandlers{.on_ice_candidate = [&other](const IceCandidate& candidate) {
      other->loop.post([&other, candidate] { EXPECT_TRUE(other->connection->add_ice_candidate(candidate)); });
    }};
  };
  const Configuration hiding{.own_port = {.hide_addresses = true}};
  alice = std::make_unique<Side>(a_, to(bob), hiding);
  bob = std::make_unique<Side>(b_, to(alice), hiding);
  SessionDescription offer, answer;
  alice->on_loop([&](PeerConnection& connection) {
    chat_ = *connection.create_data_channel(
        "chat", {}, {.on_open = [&] { received_.change([](std::string& text) { text = "open"; }); }});
    offer = *connection.create_offer();
  });
  bob->on_loop([&](PeerConnection& connection) {
    ASSERT_TRUE(connection.set_remote_description(offer));
    answer = *connection.create_answer();
    ASSERT_TRUE(connection.set_local_description(answer));
  });
  alice->on_loop([&](PeerConnection& connection) {
    ASSERT_TRUE(connection.set_local_description(offer));
    ASSERT_TRUE(connection.set_remote_description(answer));
  });
  EXPECT_TRUE(received_.wait([](const std::string& text) { return text == "open"; }));
}

TEST_F(TwoMachines, ANameThatIsNoneOfMulticastDnsIsNotLookedUp) {
  Side alice(a_, {});
  alice.on_loop([](PeerConnection& connection) {
    EXPECT_EQ(connection.add_ice_candidate({"candidate:1 1 udp 1 localhost 5000 typ host"}).error(),
              ice::Error::Unresolved);
  });
}

TEST_F(TwoMachines, NoMoreThanSixteenNamesOfAPeerAreLookedUpAtOnce) {
  Side alice(a_, {});
  alice.on_loop([](PeerConnection& connection) {
    const auto add = [&](int i) {
      const std::string line = cat("candidate:1 1 udp 1 1f4712db-ea17-4bcf-a596-1051390000", i, ".local 5000 typ host");
      return connection.add_ice_candidate({line});
    };
    for (int i = 10; i < 26; ++i) EXPECT_TRUE(add(i));
    EXPECT_EQ(add(26).error(), ice::Error::TooMany);
  });
}

TEST_F(TwoMachines, OnlyInterfacesThatAreWantedAreToldAndUsed) {
  const auto loopback = [](const io::Interface& i) { return i.ip == net::IpAddress::v4(127, 0, 0, 1); };
  const Configuration configuration{.own_port = {.use_interface = loopback}};
  Side alice(a_, {}, configuration);
  Side bob(b_, echo(), configuration);
  ASSERT_TRUE(connect(alice, bob));
  alice.on_loop([](PeerConnection& connection) {
    const std::string sdp = connection.local_description().sdp;
    EXPECT_EQ(sdp.find("typ host"), sdp.rfind("typ host")) << sdp;
    EXPECT_THAT(sdp, HasSubstr("127.0.0.1"));
  });
}

TEST_F(TwoMachines, PortsAreChosenFromTheRange) {
  const Configuration configuration{.own_port = {.port_range = std::pair<uint16_t, uint16_t>(47100, 47109)}};
  std::vector<std::unique_ptr<Side>> sides;
  Watched<int> failed;
  for (int i = 0; i < 11; ++i) {
    sides.push_back(std::make_unique<Side>(a_,
                                           PeerConnectionHandlers{.on_connection_state =
                                                                      [&](ConnectionState state, const std::string&) {
                                                                        if (state == ConnectionState::Failed)
                                                                          failed.change([](int& n) { ++n; });
                                                                      }},
                                           configuration));
  }
  EXPECT_TRUE(failed.wait([](int n) { return n == 1; }));
  sides[0]->on_loop([](PeerConnection& connection) {
    ASSERT_TRUE(connection.create_data_channel("x"));
    EXPECT_THAT(connection.set_local_description()->sdp, HasSubstr(" 4710"));
  });
}

TEST_F(TwoMachines, AnAddressIsToldAsItsTranslatorShowsIt) {
  const net::IpAddress inside = net::IpAddress::v4(127, 0, 0, 1);
  std::vector<io::Interface> all = *io::interfaces();
  std::erase_if(all, [](const io::Interface& i) { return !i.ip.is_v4() || i.loopback; });
  if (all.empty()) GTEST_SKIP() << "no interface but loopback, which is never rewritten";
  const net::IpAddress mapped = all.front().ip;
  const net::IpAddress outside = net::IpAddress::v4(203, 0, 113, 7);
  Side alice(a_, {},
             {.own_port = {.public_addresses = {{.told = outside, .local = mapped},
                                                {.told = net::IpAddress::v4(203, 0, 113, 8), .local = inside}}}});
  alice.on_loop([&](PeerConnection& connection) {
    ASSERT_TRUE(connection.create_data_channel("x"));
    const std::string sdp = connection.set_local_description()->sdp;
    EXPECT_THAT(sdp, HasSubstr(outside.to_string()));
    EXPECT_THAT(sdp, Not(HasSubstr(mapped.to_string())));
    EXPECT_THAT(sdp, Not(HasSubstr("203.0.113.8")));
  });
}

TEST_F(TwoMachines, ThePeersAddressesAreFiltered) {
  Configuration guarded;
  guarded.remote_addresses.only = {*net::IpRange::parse("192.0.2.0/24")};
  Side alice(a_, {}, guarded);
  alice.on_loop([](PeerConnection& connection) {
    EXPECT_EQ(connection.add_ice_candidate({"candidate:1 1 udp 1 198.51.100.1 5000 typ host"}).error(),
              ice::Error::Refused);
    EXPECT_TRUE(connection.add_ice_candidate({"candidate:1 1 udp 1 192.0.2.1 5000 typ host"}));
  });
}

}  // namespace
}  // namespace kaon::webrtc
