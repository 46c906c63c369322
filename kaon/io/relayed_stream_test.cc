// TCP connections between two clients of a TURN server, each by its relay.
#include <gtest/gtest.h>

#include "kaon/io/internal/test_relay.h"
#include "kaon/io/internal/turn_site.h"

namespace kaon::io {
namespace {

constexpr net::IpAddress kLoopback = net::IpAddress::v4(127, 0, 0, 1);

/// What one end of a stream has told.
struct End {
  RelayedStream::Handlers handlers() {
    RelayedStream::Handlers out;
    out.on_open = [this] { open = true; };
    out.on_data = [this](ByteView bytes) { received += as_text(bytes); };
    out.on_writable = [this] { writable = true; };
    out.on_end = [this](const std::string& reason) { ended = reason; };
    return out;
  }
  std::shared_ptr<RelayedStream> stream;
  std::string received;
  std::optional<std::string> ended;
  bool open = false;
  bool writable = false;
};

class RelayedStreamTest : public testing::TestWithParam<net::Protocol> {
 protected:
  static turn::ServerConfig config() {
    turn::ServerConfig out = TurnSite::config();
    out.tcp_relays = true;
    return out;
  }
  RelayServer server() const {
    RelayServer out{.address = site_.at(GetParam()), .protocol = GetParam(), .host = "127.0.0.1"};
    out.tcp = true;
    return out;
  }
  // Bob's relay connects to Alice's.
  void connect() {
    ASSERT_TRUE(alice_.settled() && bob_.settled());
    ASSERT_TRUE(alice_.allocated && bob_.allocated);
    ASSERT_TRUE(alice_.relay->let_in(kLoopback));
    // The permission goes the same way as what comes behind it, but Bob's request goes another one.
    ASSERT_TRUE(step_until({&loop_}, [&] { return site_.host().server().stats().requests >= 5; }));
    ASSERT_TRUE(bob_.relay->connect(*alice_.relay->relayed()));
    ASSERT_TRUE(step_until({&loop_}, [&] { return alice_.connected && bob_.connected; }));
    EXPECT_EQ(alice_.connected->peer, *bob_.relay->relayed());
    EXPECT_FALSE(alice_.connected->asked);
    EXPECT_EQ(bob_.connected->peer, *alice_.relay->relayed());
    EXPECT_TRUE(bob_.connected->asked);
    a_.stream = alice_.relay->take(*alice_.connected, a_.handlers());
    b_.stream = bob_.relay->take(*bob_.connected, b_.handlers());
    EXPECT_FALSE(a_.stream->send(as_bytes("too early")));
    ASSERT_TRUE(step_until({&loop_}, [&] { return a_.open && b_.open; }))
        << a_.ended.value_or("") << b_.ended.value_or("");
  }
  void TearDown() override {
    for (End* end : {&a_, &b_}) {
      if (end->stream) end->stream->close();
    }
  }

  Loop loop_;
  TestCertificate certificate_{"IP:127.0.0.1"};
  TurnSite site_{loop_, config(), &certificate_};
  TestRelay alice_{loop_, server()};
  TestRelay bob_{loop_, server()};
  End a_;
  End b_;
};

TEST_P(RelayedStreamTest, BytesGoBothWaysUntilOneEnds) {
  ASSERT_NO_FATAL_FAILURE(connect());
  EXPECT_TRUE(a_.stream->send(as_bytes("hello")));
  EXPECT_TRUE(b_.stream->send(as_bytes("and back")));
  EXPECT_TRUE(step_until({&loop_}, [&] { return a_.received == "and back" && b_.received == "hello"; }));
  EXPECT_TRUE(a_.stream->send(as_bytes(", the end")));
  a_.stream->close();
  EXPECT_TRUE(step_until({&loop_}, [&] { return b_.ended.has_value(); }));
  EXPECT_EQ(b_.received, "hello, the end");
  EXPECT_FALSE(a_.ended) << "who has closed is told nothing";
  EXPECT_TRUE(step_until({&loop_}, [&] { return site_.host().server().connections() == 0; }));
}

TEST_P(RelayedStreamTest, WhoDoesNotReadStopsTheSender) {
  ASSERT_NO_FATAL_FAILURE(connect());
  a_.stream->pause(true);
  std::string sent;
  const std::string piece(100'000, 'x');
  // Until all that is between them is full.
  for (int quiet = 0; quiet < 200 && sent.size() < 200'000'000;) {
    if (b_.stream->send(as_bytes(piece)))
      sent += piece, quiet = 0;
    else
      ++quiet;
    loop_.step();
  }
  ASSERT_LT(sent.size(), 100'000'000u) << "nobody stops the sender";
  EXPECT_LT(a_.received.size(), 200'000u);
  b_.writable = false;
  a_.stream->pause(false);
  EXPECT_TRUE(step_until({&loop_}, [&] { return a_.received.size() == sent.size() && b_.writable; }));
  EXPECT_TRUE(b_.stream->send(as_bytes("more")));
  EXPECT_TRUE(step_until({&loop_}, [&] { return a_.received.ends_with("more"); }));
}

TEST_P(RelayedStreamTest, WithTheRelayItsStreamsEnd) {
  ASSERT_NO_FATAL_FAILURE(connect());
  alice_.relay->close();
  EXPECT_TRUE(step_until({&loop_}, [&] { return a_.ended && b_.ended; }));
  EXPECT_EQ(site_.host().server().connections(), 0u);
}

TEST_P(RelayedStreamTest, AConnectionThatIsGoneIsToldAtItsEnd) {
  ASSERT_NO_FATAL_FAILURE(connect());
  End late;
  late.stream = bob_.relay->take(*bob_.connected, late.handlers());
  EXPECT_TRUE(step_until({&loop_}, [&] { return late.ended.has_value(); }));
  EXPECT_EQ(*late.ended, "the server does not bind it, error 400");
  EXPECT_FALSE(late.open);
}

INSTANTIATE_TEST_SUITE_P(Protocols, RelayedStreamTest, testing::Values(net::Protocol::Tcp, net::Protocol::Tls),
                         [](const auto& one) { return one.param == net::Protocol::Tcp ? "Tcp" : "Tls"; });

}  // namespace
}  // namespace kaon::io
