#include "kaon/io/trace_file.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "kaon/container/capture.h"
#include "kaon/io/loop.h"

namespace kaon::io {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class TraceFile : public ::testing::Test {
 protected:
  TraceFile() : folder_(std::filesystem::temp_directory_path() / cat("kaon-trace-", ::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~TraceFile() override { std::filesystem::remove_all(folder_); }

  std::string path(std::string_view name) const { return (folder_ / name).string(); }
  std::string content(std::string_view name) const {
    std::ifstream file(path(name), std::ios::binary);
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }
  std::vector<container::IpPacket> packets(const std::string& bytes) {
    container::CaptureReader reader;
    reader.feed(as_bytes(bytes));
    reader.finish();
    std::vector<container::IpPacket> found;
    while (const auto packet = reader.next()) {
      EXPECT_TRUE(*packet) << packet->error().to_string();
      if (!*packet) break;
      const auto ip = container::parse_ip((*packet)->link, (*packet)->bytes);
      EXPECT_TRUE(ip) << ip.error().to_string();
      if (ip) found.push_back(*ip);
    }
    return found;
  }
  static trace::Packet packet(trace::Layer layer, trace::Direction direction, ByteView bytes) {
    return {layer,
            direction,
            Loop::now(),
            *net::Endpoint::parse("192.0.2.1:1000"),
            *net::Endpoint::parse("192.0.2.2:2000"),
            "Abcd",
            bytes,
            {}};
  }

 private:
  std::filesystem::path folder_;
};

class OneLine final : public Logger {
 public:
  void write(LogLevel, std::string_view, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

TEST_F(TraceFile, KeepsClearAndWireApartAndKnowsWhoSent) {
  const uint8_t bytes[] = {1, 2, 3};
  {
    const auto sink = open_trace({.capture = path("clear"), .wire_capture = path("wire"), .program = "test 1"});
    ASSERT_TRUE(sink) << sink.error();
    EXPECT_TRUE((*sink)->wants().clear && (*sink)->wants().wire && !(*sink)->wants().events);
    (*sink)->packet(packet(trace::Layer::Rtp, trace::Direction::Out, bytes));
    (*sink)->packet(packet(trace::Layer::Sctp, trace::Direction::In, bytes));
    (*sink)->packet(packet(trace::Layer::Wire, trace::Direction::In, bytes));
  }
  const std::string clear = content("clear");
  const auto two = packets(clear);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].source.to_string(), "192.0.2.1:1000");
  EXPECT_EQ(two[0].protocol, container::IpProtocol::Udp);
  EXPECT_EQ(two[1].source.ip.to_string(), "192.0.2.2");
  EXPECT_EQ(two[1].protocol, container::IpProtocol::Sctp);
  EXPECT_THAT(clear, AllOf(HasSubstr("test 1"), HasSubstr("connection Abcd")));
  const std::string wire = content("wire");
  const auto one = packets(wire);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].source.to_string(), "192.0.2.2:2000");
}

TEST_F(TraceFile, NeverGrowsBeyondItsBoundAndSaysSoOnce) {
  OneLine log;
  const std::vector<uint8_t> bytes(1000, 7);
  {
    const auto sink = open_trace({.capture = path("clear"), .events = path("events"), .max_bytes = 5000, .log = &log});
    ASSERT_TRUE(sink) << sink.error();
    for (int i = 0; i < 20; ++i) {
      (*sink)->packet(packet(trace::Layer::Rtp, trace::Direction::Out, bytes));
      const trace::Event event = trace::ConnectionState{"failed", std::string(400, 'x')};
      (*sink)->event({Loop::now(), "Abcd", event});
    }
  }
  const std::string clear = content("clear");
  EXPECT_LE(clear.size(), 5000u);
  EXPECT_EQ(packets(clear).size(), 4u);
  const std::string events = content("events");
  EXPECT_LE(events.size(), 5000u);
  EXPECT_EQ(events.back(), '\n');
  EXPECT_EQ(log.lines.size(), 2u);
  EXPECT_THAT(log.lines[0], HasSubstr("is full"));
}

TEST_F(TraceFile, TakesPacketsFromSeveralThreads) {
  {
    const auto sink = open_trace({.capture = path("clear")});
    ASSERT_TRUE(sink) << sink.error();
    std::vector<std::thread> threads;
    for (uint8_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        const std::vector<uint8_t> bytes(100, i);
        for (int n = 0; n < 200; ++n) (*sink)->packet(packet(trace::Layer::Rtp, trace::Direction::Out, bytes));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const std::string clear = content("clear");
  EXPECT_EQ(packets(clear).size(), 800u);
}

TEST_F(TraceFile, WhatCannotBeOpenedIsASentence) {
  const auto sink = open_trace({.events = "/nonexistent/file"});
  ASSERT_FALSE(sink);
  EXPECT_EQ(sink.error(), "The trace file /nonexistent/file cannot be written: No such file or directory.");
}

}  // namespace
}  // namespace kaon::io
