#include "kaon/turn/redirects.h"

#include <gtest/gtest.h>

#include "kaon/base/text.h"

namespace kaon::turn {
namespace {

net::Endpoint endpoint(std::string_view text) { return net::Endpoint::parse(text).value(); }

TEST(TurnRedirects, FourHopsAreFollowedAndNoFifth) {
  Redirects redirects(endpoint("192.0.2.1:3478"));
  for (int i = 2; i <= 5; ++i) EXPECT_TRUE(redirects.follow(endpoint(cat("192.0.2.", i, ":3478"))));
  EXPECT_EQ(redirects.hops(), Redirects::kMaxHops);
  EXPECT_EQ(redirects.follow(endpoint("192.0.2.6:3478")).error(), RedirectRefusal::TooManyHops);
}

TEST(TurnRedirects, NoServerIsAskedTwice) {
  Redirects redirects(endpoint("192.0.2.1:3478"));
  EXPECT_EQ(redirects.follow(endpoint("192.0.2.1:3478")).error(), RedirectRefusal::Tried);
  EXPECT_TRUE(redirects.follow(endpoint("192.0.2.1:3479")));
  EXPECT_TRUE(redirects.follow(endpoint("192.0.2.2:3478")));
  for (const std::string_view back : {"192.0.2.1:3478", "192.0.2.1:3479", "192.0.2.2:3478"}) {
    EXPECT_EQ(redirects.follow(endpoint(back)).error(), RedirectRefusal::Tried) << back;
  }
  EXPECT_EQ(redirects.hops(), 2u);
}

TEST(TurnRedirects, AServerElsewhereCannotSendUsToThisMachine) {
  for (const std::string_view own : {"127.0.0.1:25", "127.9.9.9:25"}) {
    EXPECT_EQ(Redirects(endpoint("192.0.2.1:3478")).follow(endpoint(own)).error(), RedirectRefusal::Loopback) << own;
  }
  for (const std::string_view own : {"[::1]:25", "[::ffff:127.0.0.1]:25"}) {
    EXPECT_EQ(Redirects(endpoint("[2001:db8::1]:1")).follow(endpoint(own)).error(), RedirectRefusal::Loopback) << own;
  }
  EXPECT_EQ(Redirects({}).follow(endpoint("127.0.0.1:25")).error(), RedirectRefusal::Loopback);
  EXPECT_TRUE(Redirects(endpoint("127.0.0.1:3478")).follow(endpoint("127.0.0.2:3478")));
}

TEST(TurnRedirects, OtherFamiliesAndWhatIsNoServerAreRefused) {
  EXPECT_EQ(Redirects(endpoint("192.0.2.1:1")).follow(endpoint("[2001:db8::1]:1")).error(), RedirectRefusal::Family);
  EXPECT_TRUE(Redirects({}).follow(endpoint("[2001:db8::1]:1")));
  for (const std::string_view none : {"0.0.0.0:1", "224.0.0.1:1", "192.0.2.2:0"}) {
    EXPECT_EQ(Redirects(endpoint("192.0.2.1:1")).follow(endpoint(none)).error(), RedirectRefusal::NoServer) << none;
  }
  EXPECT_EQ(Redirects(endpoint("192.0.2.1:1")).follow({}).error(), RedirectRefusal::NoServer);
}

TEST(TurnRedirects, EveryRefusalHasAText) {
  for (int i = 0; i <= static_cast<int>(RedirectRefusal::TooManyHops); ++i) {
    EXPECT_FALSE(to_text(static_cast<RedirectRefusal>(i)).empty());
  }
}

}  // namespace
}  // namespace kaon::turn
