// The vectors of testdata/srtp: libsrtp2's and those of RFC 9335.
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>

#include "kaon/srtp/internal/packet_cipher.h"
#include "kaon/srtp/internal/test_session.h"
#include "kaon_testdata.h"

namespace kaon::srtp {
namespace {

using internal::from_hex;

struct Vector {
  std::string kind;
  std::vector<uint8_t> plain;
  std::vector<uint8_t> sealed;
};

struct VectorSession {
  Profile profile;
  std::vector<uint8_t> key;
  std::vector<uint8_t> salt;
  std::vector<Vector> packets;
};

std::vector<VectorSession> read_vectors(const char* name = "libsrtp2.txt") {
  std::ifstream file(std::string(KAON_TESTDATA "/srtp/") + name);
  std::vector<VectorSession> sessions;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string kind, first, second, third;
    words >> kind >> first >> second >> third;
    if (kind == "profile") {
      sessions.push_back(
          {*profile_from_id(static_cast<uint16_t>(std::stoi(first))), from_hex(second), from_hex(third), {}});
    } else if (kind == "rtp" || kind == "rtcp") {
      sessions.back().packets.push_back({kind, from_hex(first), from_hex(second)});
    }
  }
  return sessions;
}

TEST(LibsrtpVectors, AreThereForEveryProfile) {
  const auto sessions = read_vectors();
  ASSERT_EQ(sessions.size(), kProfiles.size());
  for (const auto& session : sessions) EXPECT_EQ(session.packets.size(), 23u);
}

TEST(LibsrtpVectors, ComeOutOfTheReceiverAsTheyWentIn) {
  for (const auto& session : read_vectors()) {
    Receiver receiver(session.profile, {session.key, session.salt});
    for (const auto& v : session.packets) {
      std::vector<uint8_t> out(v.sealed.size());
      const auto size =
          v.kind == "rtp" ? receiver.unprotect_rtp(v.sealed, out) : receiver.unprotect_rtcp(v.sealed, out);
      ASSERT_TRUE(size) << to_string(session.profile) << " " << static_cast<int>(size.error());
      out.resize(*size);
      EXPECT_EQ(to_hex(out), to_hex(v.plain));
    }
  }
}

TEST(LibsrtpVectors, ComeOutOfTheSenderByteForByte) {
  for (const auto& session : read_vectors()) {
    Sender sender(session.profile, {session.key, session.salt});
    auto rtcp = internal::PacketCipher::derive(session.profile, internal::Stream::Rtcp, {session.key, session.salt});
    const size_t index_from_end = rtcp.index_word_from_end();
    for (const auto& v : session.packets) {
      std::vector<uint8_t> out(v.sealed.size());
      if (v.kind == "rtp") {
        ASSERT_TRUE(sender.protect_rtp(v.plain, out));
      } else {
        // libsrtp2 counts from one and per SSRC, we from zero and per key: the index is taken from the vector.
        const uint32_t index_word = load_be32(v.sealed.data() + v.sealed.size() - index_from_end);
        rtcp.seal_rtcp({load_be32(v.plain.data() + 4), index_word & 0x7fffffff}, v.plain, out);
      }
      EXPECT_EQ(to_hex(out), to_hex(v.sealed)) << to_string(session.profile);
    }
  }
}

// Appendix A, but for packets with sources and without an extension, of which there are none there.
TEST(Rfc9335Vectors, ComeOutOfTheSenderAndOfTheReceiver) {
  const auto sessions = read_vectors("rfc9335.txt");
  ASSERT_EQ(sessions.size(), 2u);
  for (const auto& session : sessions) {
    ASSERT_EQ(session.packets.size(), 6u);
    Sender sender(session.profile, {session.key, session.salt});
    Receiver receiver(session.profile, {session.key, session.salt});
    sender.set_cryptex(Cryptex::On);
    receiver.set_cryptex(Cryptex::Required);
    for (const auto& v : session.packets) {
      std::vector<uint8_t> out(v.sealed.size());
      ASSERT_EQ(sender.protect_rtp(v.plain, out), v.sealed.size()) << to_string(session.profile);
      EXPECT_EQ(to_hex(out), to_hex(v.sealed)) << to_string(session.profile);
      ASSERT_EQ(receiver.unprotect_rtp(v.sealed, out), v.plain.size()) << to_string(session.profile);
      EXPECT_EQ(to_hex(ByteView(out).first(v.plain.size())), to_hex(v.plain)) << to_string(session.profile);
    }
  }
}

}  // namespace
}  // namespace kaon::srtp
