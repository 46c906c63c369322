// The server over real HTTP: requests from many threads at once against sessions on several loops.
#include "kaon/sfu/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "kaon/base/text.h"
#include "kaon/sfu/stream.h"
#include "kaon_testdata.h"

namespace kaon::sfu {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::unique_ptr<Server> start(std::string token = {}, size_t max_sessions = kMaxSessions, ServerConfig config = {}) {
  static NullLogger log;
  config.http = net::Endpoint{net::IpAddress::v4(127, 0, 0, 1), 0};
  config.loops = 3;
  config.token = std::move(token);
  config.max_sessions = max_sessions;
  config.version = "test";
  auto server = Server::start(std::move(config), log);
  EXPECT_TRUE(server) << server.error();
  return std::move(*server);
}

// One request on a connection of its own; the whole answer as text.
std::string request(const Server& server, const std::string& head, const std::string& body = {}) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(server.http_address()->port);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string text =
      cat(head, "\r\nHost: test\r\nConnection: close\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  EXPECT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  std::string answer;
  char piece[4096];
  for (ssize_t n = recv(fd, piece, sizeof piece, 0); n > 0; n = recv(fd, piece, sizeof piece, 0)) {
    answer.append(piece, static_cast<size_t>(n));
  }
  close(fd);
  return answer;
}

std::string offer(const char* name) {
  std::ifstream file(cat(KAON_TESTDATA, "/sdp/chromium156/", name), std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string publish(const Server& server, const std::string& name) {
  return request(server, cat("POST /whip/", name, " HTTP/1.1\r\nContent-Type: application/sdp"),
                 offer("av-data.offer.sdp"));
}

std::string location(const std::string& answer) {
  const size_t at = answer.find("Location: ") + 10;
  return answer.substr(at, answer.find("\r\n", at) - at);
}

TEST(Server, ServesItsPageAndTellsItsState) {
  const auto server = start();
  EXPECT_THAT(request(*server, "GET / HTTP/1.1"), HasSubstr("<title>Kaon</title>"));
  EXPECT_THAT(request(*server, "GET /api/status HTTP/1.1"), HasSubstr("\"loops\":3"));
  EXPECT_THAT(request(*server, "GET /nothing HTTP/1.1"), StartsWith("HTTP/1.1 404"));
}

TEST(Server, PublishesWatchesAndEndsViewersWithTheirPublisher) {
  const auto server = start();
  const std::string watch = "POST /whep/a HTTP/1.1\r\nContent-Type: application/sdp";
  EXPECT_THAT(request(*server, watch, offer("recvonly.offer.sdp")), HasSubstr("Retry-After"));
  const std::string publisher = publish(*server, "a");
  ASSERT_THAT(publisher, StartsWith("HTTP/1.1 201"));
  EXPECT_THAT(publisher, HasSubstr("a=setup:passive"));
  EXPECT_THAT(publish(*server, "a"), StartsWith("HTTP/1.1 409"));
  const std::string viewer = request(*server, watch, offer("recvonly.offer.sdp"));
  ASSERT_THAT(viewer, StartsWith("HTTP/1.1 201"));
  EXPECT_THAT(request(*server, cat("DELETE ", location(publisher), " HTTP/1.1")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(request(*server, cat("DELETE ", location(viewer), " HTTP/1.1")), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(request(*server, "GET /api/streams HTTP/1.1"), HasSubstr("{\"streams\":[]}"));
}

TEST(Server, GivesNewConnectionsAnotherCertificateWhenItsOwnIsOld) {
  const auto fingerprint = [](const std::string& answer) {
    const size_t at = answer.find("a=fingerprint:");
    EXPECT_NE(at, std::string::npos);
    return answer.substr(at, answer.find("\r\n", at) - at);
  };
  const auto steady = start();
  EXPECT_EQ(fingerprint(publish(*steady, "a")), fingerprint(publish(*steady, "b")));
  ServerConfig config;
  config.certificate_lifetime = {};
  const auto changing = start({}, kMaxSessions, std::move(config));
  EXPECT_NE(fingerprint(publish(*changing, "a")), fingerprint(publish(*changing, "b")));
}

TEST(Server, LetsNobodyInWithoutTheToken) {
  const auto server = start("secret");
  EXPECT_THAT(publish(*server, "a"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(request(*server, "GET /api/status HTTP/1.1\r\nAuthorization: Bearer wrong"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(request(*server, "GET /api/status HTTP/1.1\r\nAuthorization: Bearer secret"), StartsWith("HTTP/1.1 200"));
}

TEST(Server, TakesOffersAndGoodbyesFromManyAtOnce) {
  auto server = start();
  std::vector<std::thread> people;
  for (int person = 0; person < 6; ++person) {
    people.emplace_back([&, person] {
      for (int round = 0; round < 5; ++round) {
        const std::string answer = publish(*server, cat("stream", person));
        ASSERT_THAT(answer, StartsWith("HTTP/1.1 201"));
        EXPECT_THAT(request(*server, "GET /api/connections HTTP/1.1"), HasSubstr("publisher"));
        // The last one is left to the server's end.
        if (round < 4) {
          EXPECT_THAT(request(*server, cat("DELETE ", location(answer), " HTTP/1.1")), StartsWith("HTTP/1.1 200"));
        }
      }
    });
  }
  for (std::thread& person : people) person.join();
  server.reset();
}

TEST(Server, SendsOffersAwayForAWhileWhenItIsFull) {
  const auto server = start({}, 2);
  const std::string first = publish(*server, "a");
  ASSERT_THAT(first, StartsWith("HTTP/1.1 201"));
  ASSERT_THAT(publish(*server, "b"), StartsWith("HTTP/1.1 201"));
  // RFC 9725 §4.5.
  EXPECT_THAT(publish(*server, "c"), testing::AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("Retry-After: ")));
  EXPECT_THAT(request(*server, cat("DELETE ", location(first), " HTTP/1.1")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(publish(*server, "c"), StartsWith("HTTP/1.1 201"));
}

TEST(IceServer, IsWrittenAsALink) {
  EXPECT_EQ(IceServer::parse("stun:a.example:3478")->to_link(), R"(<stun:a.example:3478>; rel="ice-server")");
  EXPECT_EQ(
      IceServer::parse(R"(turn:a.example,me,se",cr\et)")->to_link(),
      R"(<turn:a.example>; rel="ice-server"; username="me"; credential="se\",cr\\et"; credential-type="password")");
}

TEST(IceServer, IsRefusedIfItCannotBeTold) {
  for (const char* text : {"", "stun:", "http://a.example", "a.example", "turn:a.example", "turn:a.example,me",
                           "turn:a.example,,secret", "stun:a>b", "stun:a b", "turn:a,me,se\r\nX: cret"}) {
    EXPECT_FALSE(IceServer::parse(text)) << text;
  }
}

TEST(DelayHistogram, GivesTheMedianOfPackets) {
  DelayHistogram delays;
  EXPECT_EQ(delays.median(), 0);
  delays.add(std::chrono::microseconds(10), 5);
  delays.add(std::chrono::milliseconds(2), 4);
  EXPECT_DOUBLE_EQ(delays.median(), 0.05);
  delays.add(std::chrono::seconds(10), 20);
  EXPECT_DOUBLE_EQ(delays.median(), 50);
}

}  // namespace
}  // namespace kaon::sfu
