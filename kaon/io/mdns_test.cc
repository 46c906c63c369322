#include "kaon/io/mdns.h"

#include <gtest/gtest.h>

#include "kaon/io/internal/test_support.h"

namespace kaon::io {
namespace {

constexpr const char* kNobody = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

TEST(Mdns, IsOnePerLoopAndEndsWithItsLastHolder) {
  Loop loop;
  auto one = Mdns::of(loop);
  EXPECT_EQ(one, Mdns::of(loop));
  const std::weak_ptr<Mdns> gone = one;
  one.reset();
  EXPECT_TRUE(gone.expired());
}

TEST(Mdns, ANamePublishedOnOneLoopIsFoundFromAnother) {
  Loop a, b;
  const auto publisher = Mdns::of(a);
  const auto asker = Mdns::of(b);
  ASSERT_TRUE(publisher->open() && asker->open());  // port 5353 is shared
  const net::IpAddress hidden = net::IpAddress::v4(192, 0, 2, 7);
  const std::string name = publisher->publish(hidden).value();
  std::optional<net::IpAddress> found;
  int calls = 0;
  const auto done = [&](std::optional<net::IpAddress> address) {
    found = address;
    ++calls;
  };
  ASSERT_TRUE(asker->resolve(name, done).has_value());
  ASSERT_TRUE(asker->resolve(name, done).has_value());
  EXPECT_EQ(calls, 0);  // never within the call
  ASSERT_TRUE(step_until({&a, &b}, [&] { return calls == 2; }));
  EXPECT_EQ(found, hidden);
}

TEST(Mdns, OtherNamesAreRefused) {
  Loop loop;
  EXPECT_EQ(Mdns::of(loop)->resolve("localhost", [](auto) {}).error(), mdns::Error::BadName);
}

TEST(Mdns, AHandlerMayLetGoOfIt) {
  Loop a, b;
  const auto publisher = Mdns::of(a);
  const std::string name = publisher->publish(net::IpAddress::v4(192, 0, 2, 7)).value();
  std::shared_ptr<Mdns> asker = Mdns::of(b);
  const std::weak_ptr<Mdns> weak = asker;
  ASSERT_TRUE(asker->resolve(name, [&](auto) { asker.reset(); }).has_value());
  ASSERT_TRUE(step_until({&a, &b}, [&] { return weak.expired(); }));
}

TEST(Mdns, WhoLooksUpMayEndBeforeTheAnswer) {
  Loop loop;
  auto mdns = Mdns::of(loop);
  ASSERT_TRUE(mdns->resolve(kNobody, [](auto) { FAIL(); }).has_value());
  mdns.reset();
  loop.step();
}

}  // namespace
}  // namespace kaon::io
