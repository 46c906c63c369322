// Channels and coroutines. Both connections live on one loop that the test steps.
#include "kaon/webrtc/detached_channel.h"

#include <gtest/gtest.h>

#include "kaon/webrtc/internal/test_support.h"
#include "kaon/webrtc/task.h"

namespace kaon::webrtc {
namespace {

class OneLoop : public testing::Test {
 protected:
  OneLoop() { connect({}, {}); }
  void connect(Configuration for_alice, Configuration for_bob) {
    bob_ = std::make_unique<PeerConnection>(loop_, std::move(for_bob),
                                            PeerConnectionHandlers{.on_data_channel = [this](const auto& channel) {
                                              streams_.push_back(std::make_unique<DetachedChannel>(channel->detach()));
                                            }});
    alice_ = std::make_unique<PeerConnection>(loop_, std::move(for_alice));
  }
  std::shared_ptr<DataChannel> channel(const std::string& label, DataChannelHandlers handlers = {}) {
    return alice_->create_data_channel(label, {}, std::move(handlers)).value();
  }
  void negotiate() {
    ASSERT_TRUE(bob_->set_remote_description(alice_->set_local_description().value()));
    ASSERT_TRUE(alice_->set_remote_description(bob_->set_local_description().value()));
  }
  template <class Condition>
  bool until(Condition condition) {
    const Time end = io::Loop::now() + kTestLimit;
    while (!condition() && io::Loop::now() < end) loop_.step();
    return condition();
  }
  bool until_streams(size_t count) {
    return until([&] { return streams_.size() == count; });
  }

  io::Loop loop_;
  std::unique_ptr<PeerConnection> alice_, bob_;
  std::vector<std::unique_ptr<DetachedChannel>> streams_;  // of bob
};

// What a coroutine has done so far.
struct Log {
  std::vector<std::string> lines;
  size_t bytes = 0;
  int sent = 0;
  std::optional<SendError> error;
};

Task send_all(std::shared_ptr<DataChannel> channel, size_t size, int count, Log& log) {
  std::vector<uint8_t> bytes(size);
  for (int i = 0; i < count; ++i) {
    bytes[0] = static_cast<uint8_t>(i);
    const auto sent = co_await channel->async_send(bytes);
    if (!sent) {
      log.error = sent.error();
      co_return;
    }
    ++log.sent;
  }
}

Task read_all(DetachedChannel& stream, size_t size, Log& log) {
  std::vector<uint8_t> bytes(size);
  while (const auto part = co_await stream.read(bytes)) {
    log.bytes += part->size;
    log.lines.push_back((part->binary ? "b:" : "t:") + std::string(as_text(ByteView(bytes).first(part->size))) +
                        (part->end_of_message ? "." : ""));
  }
  log.lines.emplace_back("end");
}

TEST_F(OneLoop, ReadsMessagesPartByPartAndThenTheEnd) {
  const auto sender = channel("x");
  const auto send = [&]() -> Task {
    // Waits for the channel to open.
    EXPECT_TRUE(co_await sender->async_send("hello world"));
    EXPECT_TRUE(co_await sender->async_send(""));
    EXPECT_TRUE(co_await sender->async_send(as_bytes("12345")));
    sender->close();
  };
  const Task sending = send();
  EXPECT_FALSE(sending.done());
  negotiate();
  ASSERT_TRUE(until_streams(1));
  Log log;
  const Task reading = read_all(*streams_[0], 5, log);
  ASSERT_TRUE(until([&] { return reading.done(); }));
  EXPECT_TRUE(sending.done());
  EXPECT_EQ(log.lines, (std::vector<std::string>{"t:hello", "t: worl", "t:d.", "t:.", "b:12345.", "end"}));
  EXPECT_EQ(streams_[0]->channel()->state(), ChannelState::Closed);
}

TEST_F(OneLoop, WhoeverWaitsForRoomGoesOnInOrderAndChannelsTakeTurns) {
  Configuration tight;
  tight.data.sctp.send_buffer = tight.data.sctp.max_send_buffer = 100'000;
  connect(std::move(tight), {});
  const auto one = channel("one"), two = channel("two");
  Log first, second, third, received_one, received_two;
  const Task a = send_all(one, 10'000, 100, first);
  const Task b = send_all(one, 10'000, 100, second);  // on the same channel
  const Task c = send_all(two, 10'000, 100, third);
  negotiate();
  ASSERT_TRUE(until_streams(2));
  const Task r1 = read_all(*streams_[0], 20'000, received_one);
  const Task r2 = read_all(*streams_[1], 20'000, received_two);
  int apart = 0;
  ASSERT_TRUE(until([&] {
    EXPECT_LE(one->buffered_amount() + two->buffered_amount(), 100'000u);
    if (!c.done()) apart = std::max(apart, std::abs(first.sent + second.sent - third.sent));
    return a.done() && b.done() && c.done();
  }));
  EXPECT_LE(apart, 20) << "no channel starves the other";
  EXPECT_LE(std::abs(first.sent - second.sent), 1);
  ASSERT_TRUE(until([&] { return received_one.bytes == 2'000'000 && received_two.bytes == 1'000'000; }));
}

TEST_F(OneLoop, WhatIsNotReadStopsThePeerButNotOtherChannels) {
  Configuration small;
  small.data.sctp.receive_window = 1'000'000;
  connect({}, std::move(small));
  const auto bulk = channel("bulk"), chat = channel("chat");
  negotiate();
  ASSERT_TRUE(until_streams(2));
  DetachedChannel& unread = *streams_[streams_[0]->channel()->label() == "bulk" ? 0 : 1];
  DetachedChannel& talk = *streams_[streams_[0]->channel()->label() == "bulk" ? 1 : 0];
  Log sent, said, heard, received;
  const Task few = send_all(bulk, 50'000, 5, sent);
  ASSERT_TRUE(until([&] { return unread.unread() == 250'000; }));
  Task listening = read_all(talk, 100, heard);
  const Task talking = send_all(chat, 10, 3, said);
  ASSERT_TRUE(until([&] { return heard.lines.size() == 3; })) << "what others do not read is not in the way";

  const Task many = send_all(bulk, 50'000, 500, sent);
  ASSERT_TRUE(until([&] { return unread.unread() >= 700'000; }));
  for (int i = 0; i < 20'000; ++i) {
    loop_.step();
    ASSERT_LE(unread.unread(), 1'000'000u);
  }
  const Task reading = read_all(unread, 100'000, received);
  ASSERT_TRUE(until([&] { return received.bytes == 505u * 50'000; }));
  EXPECT_EQ(received.lines[504][2], static_cast<char>(499 % 256));
}

TEST_F(OneLoop, WaitingEndsWithTheChannel) {
  Configuration tight;
  tight.data.sctp.send_buffer = tight.data.sctp.max_send_buffer = 100'000;
  Configuration small;
  small.data.sctp.receive_window = 100'000;
  small.data.sctp.max_message_size = 40'000;
  connect(std::move(tight), std::move(small));
  const auto sender = channel("x");
  Log sent;
  const Task sending = send_all(sender, 10'000, 1000, sent);
  negotiate();
  ASSERT_TRUE(until_streams(1));
  ASSERT_TRUE(until([&] { return streams_[0]->unread() >= 70'000; }));
  EXPECT_FALSE(sending.done()) << "nobody reads";
  streams_.clear();  // closes it
  ASSERT_TRUE(until([&] { return sending.done(); }));
  EXPECT_EQ(sent.error, SendError::NotOpen);
  ASSERT_TRUE(until([&] { return sender->state() == ChannelState::Closed; })) << "its room is free again";
}

TEST_F(OneLoop, TheEndOfTheConnectionIsToldAtTheNextTurn) {
  const auto sender = channel("x");
  negotiate();
  ASSERT_TRUE(until_streams(1));
  Log sent, received, of_ghost;
  const Task reading = read_all(*streams_[0], 100, received);
  auto forgotten = std::make_unique<Task>(read_all(*streams_[0], 100, of_ghost));
  bob_->close();
  EXPECT_FALSE(reading.done()) << "never within a call";
  forgotten.reset();
  ASSERT_TRUE(until([&] { return reading.done(); }));
  EXPECT_TRUE(of_ghost.lines.empty());
  const Task late = send_all(streams_[0]->channel(), 10, 1, sent);
  EXPECT_TRUE(late.done());
  EXPECT_EQ(sent.error, SendError::NotOpen);
}

TEST_F(OneLoop, AReaderMayDestroyTheStreamAndTheConnection) {
  const auto sender = channel("x");
  negotiate();
  ASSERT_TRUE(until_streams(1));
  Log other;
  const auto destroy = [this]() -> Task {
    std::vector<uint8_t> bytes(10);
    EXPECT_TRUE(co_await streams_[0]->read(bytes));
    streams_.clear();
    bob_.reset();
  };
  const Task first = destroy();
  const Task second = read_all(*streams_[0], 100, other);
  ASSERT_TRUE(until([&] { return sender->state() == ChannelState::Open; }));
  ASSERT_TRUE(sender->send("a"));
  ASSERT_TRUE(sender->send("b"));
  ASSERT_TRUE(until([&] { return first.done() && second.done(); }));
  EXPECT_EQ(other.lines, std::vector<std::string>{"end"});
}

TEST_F(OneLoop, OneCoroutineWaitsForAnother) {
  const auto sender = channel("x");
  negotiate();
  ASSERT_TRUE(until_streams(1));
  Log log;
  std::vector<std::string> order;
  const auto outer = [&]() -> Task {
    co_await send_all(sender, 10, 3, log);
    order.push_back("sent " + std::to_string(log.sent));
    co_await read_all(*streams_[0], 100, log);
    order.emplace_back("read");
  };
  const Task task = outer();
  ASSERT_TRUE(until([&] { return streams_[0]->unread() == 0 && log.bytes == 30; }));
  EXPECT_FALSE(task.done());
  sender->close();
  ASSERT_TRUE(until([&] { return task.done(); }));
  EXPECT_EQ(order, (std::vector<std::string>{"sent 3", "read"}));
}

}  // namespace
}  // namespace kaon::webrtc
