#include "kaon/io/internal/http_connect.h"

#include <gtest/gtest.h>

namespace kaon::io {
namespace {

TEST(HttpConnect, AsksForTheServerByNameOrAddress) {
  const HttpProxy proxy{.host = "proxy.example.org"};
  EXPECT_EQ(connect_request(proxy, "turn.example.org", 443),
            "CONNECT turn.example.org:443 HTTP/1.1\r\nHost: turn.example.org:443\r\n\r\n");
  EXPECT_EQ(connect_request(proxy, "2001:db8::1", 5349),
            "CONNECT [2001:db8::1]:5349 HTTP/1.1\r\nHost: [2001:db8::1]:5349\r\n\r\n");
  EXPECT_EQ(proxy.name(), "proxy.example.org:3128");
}

// The pair of RFC 7617 §2.
TEST(HttpConnect, SaysWhoWeAre) {
  const HttpProxy proxy{.host = "p", .username = "Aladdin", .password = "open sesame"};
  const std::string request = connect_request(proxy, "192.0.2.1", 3478).value();
  EXPECT_NE(request.find("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), std::string::npos);
}

TEST(HttpConnect, ANameThatWouldBeMoreThanANameIsRefused) {
  for (const std::string_view name : {"", "a b", "a\r\nX: y", "a\n", "\xc3\xa4"}) {
    EXPECT_FALSE(connect_request({.host = "p"}, name, 1)) << name;
  }
}

TEST(HttpConnect, AnAnswerIsReadOnceItIsWhole) {
  const std::string_view text = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n";
  for (size_t size = 0; size < text.size(); ++size) {
    const auto part = parse_proxy_answer(text.substr(0, size));
    ASSERT_TRUE(part) << size;
    EXPECT_FALSE(*part) << size;
  }
  const auto whole = parse_proxy_answer(text);
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->status, 407);
  EXPECT_EQ((*whole)->reason, "Proxy Authentication Required");
  EXPECT_EQ((*parse_proxy_answer("HTTP/1.0 200\r\n\r\n"))->status, 200);
  EXPECT_EQ((*parse_proxy_answer("HTTP/1.0 200\r\n\r\n"))->reason, "");
}

TEST(HttpConnect, WhatIsNoHttpIsNoticedEarly) {
  for (const std::string_view text :
       {"SSH-2.0-x\r\n", "HTTQ", "HTTP/2 200\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 099 x\r\n\r\n", "HTTP/1.1 600 x\r\n\r\n", "HTTP/1.1200 OK\r\n\r\n"}) {
    EXPECT_FALSE(parse_proxy_answer(text)) << text;
  }
  EXPECT_FALSE(parse_proxy_answer("HTTP/1.1 200 " + std::string(kMaxProxyAnswer, 'x')));
}

TEST(HttpConnect, AReasonIsForPeopleToRead) {
  const std::string text = "HTTP/1.1 403 no\x1b[31m\x01 " + std::string(1000, 'x') + "\r\n\r\n";
  const std::string reason = (*parse_proxy_answer(text))->reason;
  EXPECT_LE(reason.size(), 128u);
  EXPECT_EQ(reason.substr(0, 7), "no[31m ");
}

}  // namespace
}  // namespace kaon::io
