#include "kaon/dtls/internal/record_layer.h"

#include <gmock/gmock.h>

#include <set>

#include "kaon/base/random.h"

namespace kaon::dtls {
namespace {

using crypto::AeadAlgorithm;
using crypto::CbcHmacAlgorithm;
using Packet = std::vector<uint8_t>;

/// How records are protected, and with CBC in which order.
struct Protection {
  RecordAlgorithm algorithm = AeadAlgorithm::Aes128Gcm;
  bool encrypt_then_mac = false;
};

RecordCipher12 cipher(const Protection& protection, uint8_t seed) {
  const RecordKeySizes sizes = record_key_sizes(protection.algorithm);
  const Packet mac(sizes.mac, static_cast<uint8_t>(seed + 2));
  const Packet key(sizes.cipher, seed);
  const Packet iv(sizes.iv, static_cast<uint8_t>(seed + 1));
  return {protection.algorithm, {.mac = mac, .cipher = key, .iv = iv}, protection.encrypt_then_mac};
}

struct Ends {
  explicit Ends(const Protection& protection = {}) {
    a.install(cipher(protection, 1), cipher(protection, 2));
    b.install(cipher(protection, 2), cipher(protection, 1));
  }
  void use_connection_ids(const Packet& id) {
    id_size = id.size();
    a.use_connection_ids({}, id);
    b.use_connection_ids(id, {});
  }
  Packet seal(std::string_view text) {
    Packet out(text.size() + a.overhead(1));
    out.resize(a.seal(1, ContentType::ApplicationData, as_bytes(text), out));
    return out;
  }
  Result<Bytes, DropReason> open(Packet& packet) {
    Bytes datagram = packet;
    const auto record = next_record(datagram, id_size);
    EXPECT_TRUE(record && datagram.empty());
    const auto opened = b.open(*record);
    if (!opened) return fail(opened.error());
    EXPECT_EQ(opened->type, ContentType::ApplicationData);
    return opened->plaintext;
  }
  size_t id_size = 0;
  RecordLayer a;
  RecordLayer b;
};

const Protection kProtections[] = {{AeadAlgorithm::Aes128Gcm},
                                   {AeadAlgorithm::Aes256Gcm},
                                   {AeadAlgorithm::ChaCha20Poly1305},
                                   {AeadAlgorithm::Aes128Ccm},
                                   {AeadAlgorithm::Aes128Ccm8},
                                   {CbcHmacAlgorithm::Aes128Sha1},
                                   {CbcHmacAlgorithm::Aes128Sha1, true},
                                   {CbcHmacAlgorithm::Aes256Sha1},
                                   {CbcHmacAlgorithm::Aes256Sha1, true},
                                   {CbcHmacAlgorithm::Aes128Sha256},
                                   {CbcHmacAlgorithm::Aes128Sha256, true}};
/// Sizes of connection ids: none, and up to and beyond what libcrypto's MAC for CBC takes for the header.
constexpr size_t kIdSizes[] = {0, 1, 8, kMaxConnectionIdSize};

TEST(RecordLayer, RoundTripsWithEveryAlgorithm) {
  for (const Protection& protection : kProtections)
    for (const size_t id_size : kIdSizes) {
      Ends ends(protection);
      ends.use_connection_ids(Packet(id_size, 3));
      for (size_t size = 0; size < 70; ++size) {
        const std::string text(size, 't');
        Packet packet = ends.seal(text);
        const auto opened = ends.open(packet);
        ASSERT_TRUE(opened);
        EXPECT_EQ(as_text(*opened), text);
      }
    }
}

// One reason and no other, whether it is type, number, id, length, IV, text, padding or MAC that is wrong.
TEST(RecordLayer, EveryFlippedBitIsForgedWithEveryAlgorithm) {
  for (const Protection& protection : kProtections)
    for (const size_t id_size : {size_t{0}, size_t{8}}) {
      Ends ends(protection);
      ends.use_connection_ids(Packet(id_size, 3));
      const Packet good = ends.seal("text");
      uint64_t forgeries = 0;
      for (size_t bit = 0; bit < good.size() * 8; ++bit) {
        Packet bad = good;
        bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
        Bytes datagram = bad;
        const auto record = next_record(datagram, id_size);
        // Epoch 0 is not protected, so nothing of it is trusted.
        if (!record || (!record->unified && record->epoch == 0)) continue;
        const auto opened = ends.b.open(*record);
        ASSERT_FALSE(opened) << bit;
        if (opened.error() == DropReason::BadTag) ++forgeries;
        const size_t header = kRecordHeaderSize + id_size;
        EXPECT_TRUE(bit < 8 * header || opened.error() == DropReason::BadTag) << bit;
      }
      EXPECT_EQ(ends.b.forgeries(), forgeries);
      Packet packet = good;
      EXPECT_TRUE(ends.open(packet));
      packet = good;
      EXPECT_EQ(ends.open(packet).error(), DropReason::Replayed);
    }
}

// A record that says it is shorter or longer than it was.
TEST(RecordLayer, EveryShorterFragmentIsForgedWithEveryAlgorithm) {
  for (const Protection& protection : kProtections) {
    Ends ends(protection);
    const Packet good = ends.seal("some text of more than a block");
    for (size_t size = kRecordHeaderSize; size < good.size(); ++size) {
      Packet bad(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
      store_be16(&bad[11], static_cast<uint16_t>(size - kRecordHeaderSize));
      EXPECT_EQ(ends.open(bad).error(), DropReason::BadTag) << size;
    }
    EXPECT_EQ(ends.b.forgeries(), good.size() - kRecordHeaderSize);
  }
}

TEST(RecordLayer, EveryTruncationIsMalformed) {
  Ends ends;
  Packet good = ends.seal("text");
  for (size_t size = 1; size < good.size(); ++size) {
    Bytes datagram = Bytes(good).first(size);
    EXPECT_EQ(next_record(datagram).error(), DropReason::Malformed);
    EXPECT_TRUE(datagram.empty());
  }
}

TEST(RecordLayer, RefusesForeignHeaders) {
  const auto reason_of = [](Packet packet) {
    Bytes datagram = packet;
    const auto record = next_record(datagram);
    return record ? DropReason::Count : record.error();
  };
  EXPECT_EQ(reason_of({22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), DropReason::Count);
  EXPECT_EQ(reason_of({22, 0xfe, 0xff, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}), DropReason::UnsupportedVersion);
  EXPECT_EQ(reason_of({22, 0x03, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), DropReason::UnsupportedVersion);
  EXPECT_EQ(reason_of({25, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), DropReason::UnknownContentType);
  EXPECT_EQ(reason_of({0x2f, 0xfe, 0xfd, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0}), DropReason::Malformed);  // too long
  EXPECT_EQ(reason_of({0x3f, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), DropReason::Malformed);  // connection id
}

TEST(RecordLayer, ReplaysAreDroppedAndForgeriesDoNotMoveTheWindow) {  // C8
  Ends ends;
  std::vector<Packet> packets;
  packets.reserve(600);
  for (int i = 0; i < 600; ++i) packets.push_back(ends.seal("x"));
  const auto open_copy = [&](size_t i) {
    Packet copy = packets[i];
    return ends.open(copy);
  };
  EXPECT_TRUE(open_copy(300));
  EXPECT_EQ(open_copy(300).error(), DropReason::Replayed);
  EXPECT_TRUE(open_copy(45));  // the oldest inside of the window of 256
  EXPECT_EQ(open_copy(44).error(), DropReason::Replayed);
  Packet forged = packets[599];
  forged.back() ^= 1;
  EXPECT_EQ(ends.open(forged).error(), DropReason::BadTag);
  EXPECT_TRUE(open_copy(46));  // the window stayed
  EXPECT_EQ(ends.b.forgeries(), 1u);
  EXPECT_TRUE(open_copy(599));
  EXPECT_EQ(open_copy(301).error(), DropReason::Replayed);
}

TEST(RecordLayer, FarFutureAndTheLastSequenceNumberWork) {  // C8
  Ends ends;
  Packet first = ends.seal("first");
  ends.a.skip_to(RecordLayer::kMaxSequence);
  Packet last = ends.seal("last");
  EXPECT_TRUE(ends.open(last));
  EXPECT_EQ(ends.open(first).error(), DropReason::Replayed);
  EXPECT_TRUE(ends.a.exhausted());
  EXPECT_TRUE(ends.seal("more").empty());
}

TEST(RecordLayer, NoKeyOf13WritesMoreThanItsLimit) {  // C9
  RecordLayer records;
  const Packet secret(32, 9);
  records.install_write(kEpochApplication13,
                        {AeadAlgorithm::Aes128Gcm, crypto::HashAlgorithm::Sha256, ByteView(secret)});
  records.skip_to(RecordLayer::kMaxRecordsPerKey13 - 1);
  Packet out(100);
  const auto seal = [&] { return records.seal(kEpochApplication13, ContentType::ApplicationData, as_bytes("x"), out); };
  EXPECT_FALSE(records.used_up(kEpochApplication13));
  EXPECT_GT(seal(), 0u);
  EXPECT_TRUE(records.used_up(kEpochApplication13));
  EXPECT_TRUE(records.exhausted());
  EXPECT_EQ(seal(), 0u);
  EXPECT_FALSE(records.used_up(kEpochClear));
  records.install_write(kEpochApplication13 + 1,
                        {AeadAlgorithm::Aes128Gcm, crypto::HashAlgorithm::Sha256, ByteView(secret)});
  EXPECT_FALSE(records.exhausted()) << "new keys";
}

TEST(RecordLayer, IsExhaustedAfterTooManyForgeries) {  // C9, scaled down
  Ends ends;
  RecordLayer reader(3);
  reader.install(cipher({}, 2), cipher({}, 1));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(reader.exhausted());
    Packet packet = ends.seal("x");
    packet.back() ^= 1;
    Bytes datagram = packet;
    EXPECT_EQ(reader.open(*next_record(datagram)).error(), DropReason::BadTag);
  }
  EXPECT_TRUE(reader.exhausted());
}

TEST(RecordLayer, NeverUsesANonceTwice) {  // C7
  Ends ends;
  std::set<uint64_t> nonces;
  for (int i = 0; i < 100'000; ++i) {
    const Packet packet = ends.seal("x");
    EXPECT_TRUE(nonces.insert(load_be64(&packet[kRecordHeaderSize])).second);
  }
}

TEST(RecordLayer, OtherEpochsHaveNoKeys) {
  Ends ends;
  Packet packet = ends.seal("x");
  packet[4] = 2;
  EXPECT_EQ(ends.open(packet).error(), DropReason::WrongEpoch);
}

// RFC 6347 §4.1.2.1: the number that the MAC covers has the epoch in it. RFC 9146 §5.1 and §5.2: with a connection id
// it begins otherwise.
TEST(RecordLayer, TheMacOfCbcCoversWhatItShould) {
  for (const size_t id_size : {size_t{0}, size_t{8}})
    for (const bool encrypt_then_mac : {false, true}) {
      const Packet id(id_size, 3);
      const Protection protection{CbcHmacAlgorithm::Aes128Sha1, encrypt_then_mac};
      Ends ends(protection);
      ends.use_connection_ids(id);
      ends.a.skip_to(0x010203040506);
      const Packet packet = ends.seal("text");
      const Packet record(packet.begin() + 13 + static_cast<ptrdiff_t>(id_size), packet.end());
      Packet header = {0, 1, 1, 2, 3, 4, 5, 6, 23, 0xfe, 0xfd, 0, 0};
      if (id_size != 0) {
        header = Packet(8, 0xff);
        header.insert(header.end(), {25, 8, 25, 0xfe, 0xfd, 0, 1, 1, 2, 3, 4, 5, 6});
        header.insert(header.end(), id.begin(), id.end());
        header.insert(header.end(), 2, 0);
      }
      const auto order = encrypt_then_mac ? crypto::CbcHmacOrder::EncryptThenMac : crypto::CbcHmacOrder::MacThenEncrypt;
      crypto::CbcHmac keys(CbcHmacAlgorithm::Aes128Sha1, order, Packet(20, 4), Packet(16, 2));
      Packet fragment = record;
      const auto opened = keys.open(header, fragment);
      ASSERT_TRUE(opened);
      EXPECT_EQ(as_text(*opened), id_size == 0 ? "text" : "text\x17");
      const size_t length = encrypt_then_mac ? record.size() - 20 : opened->size();
      EXPECT_EQ(load_be16(&header[header.size() - 2]), length);
    }
}

TEST(ReplayWindow, AgreesWithASetOfEverythingSeen) {
  SeededRandom random(5);
  ReplayWindow window;
  std::set<uint64_t> seen;
  uint64_t highest = 0;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t sequence =
        highest + random.below(40) < 20 ? 0 : highest + random.below(600) - std::min<uint64_t>(highest, 300);
    const bool too_old = !seen.empty() && highest >= ReplayWindow::kSize && sequence <= highest - ReplayWindow::kSize;
    const bool expected = !too_old && !seen.contains(sequence);
    ASSERT_EQ(window.fresh(sequence), expected) << sequence << " with highest " << highest;
    if (expected) {
      window.mark(sequence);
      seen.insert(sequence);
      highest = std::max(highest, sequence);
    }
  }
  EXPECT_GT(seen.size(), 1000u);
}

// -- connection ids ---------------------------------------------------------------------------------------------------

const Packet kId = {1, 2, 3, 4, 5, 6, 7, 8};

TEST(RecordLayer, ConnectionIdOf12HasTheFormOfRfc9146) {
  Ends ends;
  ends.a.use_connection_ids({}, kId);
  ends.b.use_connection_ids(kId, {});
  Packet packet = ends.seal("text");
  ASSERT_EQ(packet.size(), 13 + kId.size() + 8 + 4 + 1 + 16);
  EXPECT_THAT(Packet(packet.begin(), packet.begin() + 23),
              ::testing::ElementsAre(25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 29, 0, 1));
  Bytes datagram = packet;
  const auto record = next_record(datagram, kId.size());
  ASSERT_TRUE(record);
  EXPECT_TRUE(datagram.empty());
  const auto opened = ends.b.open(*record);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->type, ContentType::ApplicationData);
  EXPECT_EQ(as_text(opened->plaintext), "text");
}

TEST(RecordLayer, PaddingOf12WithAConnectionIdIsTakenOff) {
  // RFC 9146 §4: content, real type, zeros.
  const Packet inners[] = {{'h', 'i', 23, 0, 0, 0}, {'h', 'i', 23}, {22, 0}, {0, 0, 0}};
  uint64_t number = uint64_t{1} << 48;
  Ends ends;
  ends.b.use_connection_ids(kId, {});
  for (const Packet& inner : inners) {
    RecordCipher12 sender = cipher({}, 2);
    Packet packet = {25, 0xfe, 0xfd};
    packet.resize(13 + kId.size() + inner.size() + sender.overhead());
    store_be64(&packet[3], number);
    std::ranges::copy(kId, packet.begin() + 11);
    store_be16(&packet[11 + kId.size()], static_cast<uint16_t>(inner.size() + sender.overhead()));
    sender.seal({ContentType::Tls12Cid, number++, kId}, inner, Bytes(packet).subspan(13 + kId.size()));
    Bytes datagram = packet;
    const auto record = next_record(datagram, kId.size());
    ASSERT_TRUE(record);
    const auto opened = ends.b.open(*record);
    const size_t zeros = static_cast<size_t>(std::ranges::count(inner, 0));
    ASSERT_TRUE(opened);
    if (zeros == inner.size()) {
      EXPECT_EQ(opened->type, ContentType::None);
      EXPECT_TRUE(opened->plaintext.empty());
      continue;
    }
    EXPECT_EQ(opened->plaintext.size(), inner.size() - zeros - 1);
    EXPECT_EQ(static_cast<uint8_t>(opened->type), inner[inner.size() - zeros - 1]);
  }
}

TEST(RecordLayer, OneConnectionIdPerDatagramIsEnoughIn13) {
  const Packet secret(32, 7);
  const auto cipher13 = [&] { return RecordCipher13(AeadAlgorithm::Aes128Gcm, crypto::HashAlgorithm::Sha256, secret); };
  RecordLayer a;
  RecordLayer b;
  a.install_write(kEpochApplication13, cipher13());
  b.install_read(kEpochApplication13, cipher13());
  b.use_connection_ids(kId, {});
  const auto seal = [&](std::string_view text, Packet id) {
    a.write_connection_id(std::move(id));
    Packet out(text.size() + a.overhead(kEpochApplication13));
    EXPECT_EQ(a.seal(kEpochApplication13, ContentType::ApplicationData, as_bytes(text), out), out.size());
    return out;
  };
  Packet both = seal("with", kId);
  const Packet without = seal("without", {});
  both.insert(both.end(), without.begin(), without.end());
  Bytes datagram = both;
  const auto first = next_record(datagram, kId.size());
  auto second = next_record(datagram, kId.size());
  ASSERT_TRUE(first && second && datagram.empty());
  EXPECT_TRUE(b.open(*first));
  EXPECT_EQ(b.open(*second).error(), DropReason::WrongConnectionId);
  second->follows_connection_id = true;
  const auto opened = b.open(*second);
  ASSERT_TRUE(opened);
  EXPECT_EQ(as_text(opened->plaintext), "without");
}

}  // namespace
}  // namespace kaon::dtls
