// What is told of this machine's addresses, and which of them are used.
#include <gmock/gmock.h>
#ifdef __linux__
#include <poll.h>
#include <sched.h>
#endif

#include <cstdlib>
#include <thread>

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
  // Below those that the system gives away by itself, of which other tests may have some.
  const Configuration configuration{.own_port = {.port_range = std::pair<uint16_t, uint16_t>(27100, 27109)}};
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
    EXPECT_THAT(connection.set_local_description()->sdp, HasSubstr(" 2710"));
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

#ifdef __linux__
// In a network namespace of its own, whose loopback interface gets other addresses. Both ends live there, and both lose
// the address they use at the same moment.
class Moving {
 public:
  static bool enter() { return ::unshare(CLONE_NEWNET) == 0 && std::system("ip link set lo up") == 0; }

  void run() {
    ip("add 10.9.0.1/32");
    start();
    ASSERT_TRUE(step_until([&] { return echoed_ > 0; }));
    ASSERT_THAT(path(), HasSubstr("10.9.0.1"));
    for (int i = 2; i < 5; ++i) {
      ip(cat("add 10.9.0.", i, "/32"));
      ip(cat("del 10.9.0.", i - 1, "/32"));
      const std::string next = cat("10.9.0.", i);
      ASSERT_TRUE(step_until([&] { return path().find(next) != std::string::npos; })) << path();
      const int before = echoed_;
      ASSERT_TRUE(step_until([&] { return echoed_ > before + 5; }));
    }
    EXPECT_EQ(alice_->connection_state(), ConnectionState::Connected);
    alice_.reset();
    bob_.reset();
    loop_.step();
  }

 private:
  static void ip(const std::string& words) { ASSERT_EQ(std::system(("ip addr " + words + " dev lo").c_str()), 0); }

  void start() {
    const auto to = [this](std::unique_ptr<PeerConnection>& other) {
      return PeerConnectionHandlers{
          .on_ice_candidate =
              [this, &other](const IceCandidate& candidate) {
                loop_.post([&other, candidate] { static_cast<void>(other->add_ice_candidate(candidate)); });
              },
          .on_data_channel =
              [](const std::shared_ptr<DataChannel>& channel) {
                channel->set_handlers({.on_message = [channel = channel.get()](const Message& message) {
                  static_cast<void>(channel->send(message.text()));
                }});
              }};
    };
    alice_ = std::make_unique<PeerConnection>(loop_, Configuration{}, to(bob_));
    bob_ = std::make_unique<PeerConnection>(loop_, Configuration{}, to(alice_));
    chat_ = *alice_->create_data_channel("chat", {},
                                         {.on_open = [this] { EXPECT_TRUE(chat_->send("x")); },
                                          .on_message =
                                              [this](const Message&) {
                                                ++echoed_;
                                                EXPECT_TRUE(chat_->send("x"));
                                              }});
    const auto offer = alice_->set_local_description();
    ASSERT_TRUE(offer && bob_->set_remote_description(*offer));
    const auto answer = bob_->set_local_description();
    ASSERT_TRUE(answer && alice_->set_remote_description(*answer));
  }

  std::string path() const {
    const StatsReport stats = alice_->get_stats();
    const Stats* transport = stats.first_of("transport");
    const Stats* pair = transport == nullptr ? nullptr : stats.find(transport->text("selectedCandidatePairId"));
    const Stats* local = pair == nullptr ? nullptr : stats.find(pair->text("localCandidateId"));
    return local == nullptr ? std::string() : local->text("address");
  }

  template <class Done>
  bool step_until(Done done) {
    const Time limit = io::Loop::now() + kTestLimit;
    while (!done()) {
      if (io::Loop::now() > limit) return false;
      pollfd fd{loop_.poll_fd(), POLLIN, 0};
      ::poll(&fd, 1, 1);
      loop_.step();
    }
    return true;
  }

  io::Loop loop_;
  std::unique_ptr<PeerConnection> alice_, bob_;
  std::shared_ptr<DataChannel> chat_;
  int echoed_ = 0;
};

TEST(NetworkChange, AConnectionGoesOnFromTheNextAddressWhenItsOwnGoes) {
  bool permitted = true;
  std::thread elsewhere([&] {
    permitted = Moving::enter();
    if (permitted) Moving().run();
  });
  elsewhere.join();
  if (!permitted) GTEST_SKIP() << "a network namespace of its own wants root and the ip command";
}
#endif

}  // namespace
}  // namespace kaon::webrtc
