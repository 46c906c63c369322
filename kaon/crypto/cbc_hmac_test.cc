#include "kaon/crypto/cbc_hmac.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kaon/crypto/internal/openssl.h"
#include "kaon/crypto/internal/test_hex.h"

namespace kaon::crypto {
namespace {

using internal::from_hex;
using Data = std::vector<uint8_t>;
using Order = CbcHmacOrder;

constexpr size_t kBlock = CbcHmac::kBlockSize;

struct Kind {
  CbcHmacAlgorithm algorithm;
  Order order;
  size_t mac_size() const { return digest_size(cbc_hmac_hash(algorithm)); }
  Data mac_key() const { return Data(mac_size(), 1); }
  Data key() const { return Data(cbc_hmac_key_size(algorithm), 2); }
  std::string name() const {
    constexpr std::array kNames = {"Aes128Sha1", "Aes256Sha1", "Aes128Sha256"};
    return std::string(kNames[static_cast<size_t>(algorithm)]) +
           (order == Order::EncryptThenMac ? "EncryptThenMac" : "MacThenEncrypt");
  }
  CbcHmac make() const { return {algorithm, order, mac_key(), key()}; }
};

/// As in a record, and as with a connection id.
constexpr size_t kHeaderSizes[] = {13, 23 + 8};
Data header_of(size_t size) { return Data(size, 0x5a); }

Data seal(CbcHmac& keys, ByteView plaintext, size_t header_size = 13, uint64_t number = 7) {
  Data out(keys.sealed_size(plaintext.size()));
  Data header = header_of(header_size);
  keys.seal(number, header, plaintext, out);
  return out;
}
std::optional<Data> open(CbcHmac& keys, Data record, size_t header_size = 13) {
  Data header = header_of(header_size);
  const auto opened = keys.open(header, record);
  EXPECT_EQ(ERR_peek_error(), 0u);
  if (!opened) return std::nullopt;
  return Data(opened->begin(), opened->end());
}

Data text_of(size_t size) {
  Data text(size);
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<uint8_t>(i);
  return text;
}

class EveryCbcHmac : public ::testing::TestWithParam<Kind> {};
constexpr Kind kKinds[] = {
    {CbcHmacAlgorithm::Aes128Sha1, Order::MacThenEncrypt},   {CbcHmacAlgorithm::Aes128Sha1, Order::EncryptThenMac},
    {CbcHmacAlgorithm::Aes256Sha1, Order::MacThenEncrypt},   {CbcHmacAlgorithm::Aes256Sha1, Order::EncryptThenMac},
    {CbcHmacAlgorithm::Aes128Sha256, Order::MacThenEncrypt}, {CbcHmacAlgorithm::Aes128Sha256, Order::EncryptThenMac}};
INSTANTIATE_TEST_SUITE_P(CbcHmac, EveryCbcHmac, ::testing::ValuesIn(kKinds),
                         [](const auto& test) { return test.param.name(); });

TEST_P(EveryCbcHmac, RoundTripsEverySizeInPlaceAndApart) {
  CbcHmac keys = GetParam().make();
  for (const size_t header_size : kHeaderSizes)
    for (size_t size = 0; size < 300; ++size) {
      const Data text = text_of(size);
      const Data record = seal(keys, text, header_size);
      EXPECT_GT(record.size(), size + kBlock + GetParam().mac_size());
      EXPECT_LE(record.size(), size + keys.overhead());
      ASSERT_EQ(open(keys, record, header_size), text) << size;
      Data in_place(record.size());
      std::copy(text.begin(), text.end(), in_place.begin() + CbcHmac::kIvSize);
      Data header = header_of(header_size);
      keys.seal(7, header, ByteView(in_place).subspan(CbcHmac::kIvSize, size), in_place);
      ASSERT_EQ(in_place, record) << size;
    }
  const Data largest = text_of(1 << 14);
  EXPECT_EQ(open(keys, seal(keys, largest)), largest);
}

TEST_P(EveryCbcHmac, EveryFlippedBitAndEveryTruncationIsForged) {
  CbcHmac keys = GetParam().make();
  for (const size_t header_size : kHeaderSizes) {
    const Data good = seal(keys, text_of(70), header_size);
    // With the MAC inside, the IV is covered by what it makes of the first block.
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      Data bad = good;
      bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
      EXPECT_FALSE(open(keys, bad, header_size)) << bit;
    }
    for (size_t size = 0; size < good.size(); ++size)
      EXPECT_FALSE(open(keys, Data(good.begin(), good.begin() + static_cast<ptrdiff_t>(size)), header_size)) << size;
    for (size_t at = 0; at + 2 < header_size; ++at) {
      Data header = header_of(header_size);
      header[at] ^= 1;
      Data record = good;
      EXPECT_FALSE(keys.open(header, record)) << at;
    }
    EXPECT_TRUE(open(keys, good, header_size));
  }
}

/// A record that seal() would not make: all is as it should be but the padding.
Data with_padding(const Kind& kind, ByteView plaintext, const Data& padding, size_t header_size = 13) {
  Data header = header_of(header_size);
  const auto mac_of = [&](const Data& content) {
    store_be16(&header[header_size - 2], static_cast<uint16_t>(content.size()));
    const std::array<ByteView, 2> parts = {header, content};
    return hmac(cbc_hmac_hash(kind.algorithm), kind.mac_key(), parts);
  };
  const auto append = [](Data& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); };
  Data record(kBlock, 9);
  append(record, plaintext);
  if (kind.order == Order::MacThenEncrypt) append(record, mac_of(Data(plaintext.begin(), plaintext.end())).view());
  append(record, padding);
  EXPECT_EQ(record.size() % kBlock, 0u);
  const Data key = kind.key();
  const char* name = key.size() == 32 ? "AES-256-CBC" : "AES-128-CBC";
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int size = 0;
  EXPECT_EQ(EVP_EncryptInit_ex2(context, cipher, key.data(), Data(kBlock).data(), nullptr), 1);
  EVP_CIPHER_CTX_set_padding(context, 0);
  EXPECT_EQ(EVP_EncryptUpdate(context, record.data(), &size, record.data(), internal::int_size(record.size())), 1);
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(cipher);
  if (kind.order == Order::EncryptThenMac) append(record, mac_of(record).view());
  return record;
}

/// What has to stand behind `before` bytes to fill blocks up, with `more` further blocks.
Data padding_for(size_t before, size_t more) {
  const size_t count = kBlock - before % kBlock + more * kBlock;
  return Data(count, static_cast<uint8_t>(count - 1));
}

TEST_P(EveryCbcHmac, PaddingOfEveryLegalSizeIsTakenOff) {  // up to 256 bytes, RFC 5246 §6.2.3.2
  const Kind kind = GetParam();
  CbcHmac keys = kind.make();
  for (const size_t header_size : kHeaderSizes)
    for (size_t size = 0; size < 2 * kBlock; ++size)
      for (size_t more = 0; more < 16; ++more) {
        const Data text = text_of(size);
        const size_t before = size + (kind.order == Order::MacThenEncrypt ? kind.mac_size() : 0);
        const Data padding = padding_for(before, more);
        ASSERT_LE(padding.size(), 256u);
        ASSERT_EQ(open(keys, with_padding(kind, text, padding, header_size), header_size), text) << size << " " << more;
      }
}

TEST_P(EveryCbcHmac, PaddingWithAnyByteWrongIsForged) {
  const Kind kind = GetParam();
  CbcHmac keys = kind.make();
  const Data text = text_of(40);
  const size_t before = text.size() + (kind.order == Order::MacThenEncrypt ? kind.mac_size() : 0);
  for (const size_t more : {size_t{0}, size_t{3}, size_t{14}})
    for (size_t at = 0; at < padding_for(before, more).size(); ++at) {
      Data padding = padding_for(before, more);
      padding[at] ^= static_cast<uint8_t>(1 + at % 255);
      EXPECT_FALSE(open(keys, with_padding(kind, text, padding))) << more << " " << at;
    }
  // Every last byte but that which is right; the largest ones are more than the record has.
  for (int last = 0; last < 256; ++last) {
    Data padding = padding_for(before, 0);
    // Behind an authentic text, a zero is padding by itself.
    const bool right = padding.back() == last || (kind.order == Order::EncryptThenMac && last == 0);
    padding.back() = static_cast<uint8_t>(last);
    EXPECT_EQ(open(keys, with_padding(kind, text, padding)).has_value(), right) << last;
  }
}

TEST_P(EveryCbcHmac, IvsAreNeverTheSameAndNotTheNumber) {
  CbcHmac keys = GetParam().make();
  std::set<Data> seen;
  for (uint64_t number = 0; number < 1000; ++number) {
    const Data record = seal(keys, {}, 13, number);
    EXPECT_TRUE(seen.emplace(record.begin(), record.begin() + kBlock).second);
    EXPECT_NE(load_be64(record.data()), number);
  }
  // The same number gives the same record, whatever was sealed before.
  EXPECT_EQ(seal(keys, text_of(50), 13, 3), seal(keys, text_of(50), 13, 3));
}

TEST_P(EveryCbcHmac, ARecordSealedForTheOtherOrderIsForged) {
  const Kind kind = GetParam();
  const Kind other{kind.algorithm, kind.order == Order::MacThenEncrypt ? Order::EncryptThenMac : Order::MacThenEncrypt};
  CbcHmac ours = kind.make();
  CbcHmac theirs = other.make();
  for (size_t size = 0; size < 64; ++size) EXPECT_FALSE(open(ours, seal(theirs, text_of(size)))) << size;
}

// The client's Finished of a recorded connection of TLS 1.2 with TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
// (https://tls12.xargs.org, "The Illustrated TLS 1.2 Connection").
TEST(CbcHmac, OpensARecordMadeByOthers) {
  CbcHmac keys(CbcHmacAlgorithm::Aes128Sha1, Order::MacThenEncrypt,
               from_hex("1b7d117c7d5f690bc263cae8ef60af0f1878acc2"), from_hex("f656d037b173ef3e11169f27231a84b6"));
  Data header = from_hex("0000000000000000 16 0303 0000");
  Data record = from_hex(
      "404142434445464748494a4b4c4d4e4f 227bc9ba81ef30f2a8a78ff1df50844d"
      "5804b7eeb2e214c32b6892aca3db7b78 077fdd90067c516bacb3ba90dedf720f");
  const auto opened = keys.open(header, record);
  ASSERT_TRUE(opened);
  EXPECT_EQ(Data(opened->begin(), opened->end()), from_hex("1400000ccf919626f1360c536aaad73a"));
}

}  // namespace
}  // namespace kaon::crypto
