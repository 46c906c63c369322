// For tests: the ClientHello of Chromium 156 and Firefox 153, field by field as measured on the wire.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "kaon/base/random.h"
#include "kaon/dtls/internal/builder.h"

namespace kaon::dtls::testing {

class HelloWriter {
 public:
  explicit HelloWriter(Random& random) : random_(random) {}

  void extension(uint16_t type, const std::function<void(Builder&)>& content) {
    Builder out;
    out.u16(type);
    const auto vector = out.begin_vector(2);
    content(out);
    out.end_vector(vector);
    extensions_.push_back(out.take());
  }
  void list(uint16_t type, size_t length_size, const std::vector<uint16_t>& values, bool mki = false) {
    extension(type, [&](Builder& out) {
      const auto vector = out.begin_vector(length_size);
      for (const uint16_t v : values) out.u16(v);
      out.end_vector(vector);
      if (mki) out.u8(0);
    });
  }
  void raw(uint16_t type, const std::vector<uint8_t>& content) {
    extension(type, [&](Builder& out) { out.bytes(content); });
  }
  /// X25519MLKEM768 and X25519.
  void key_shares() {
    extension(51, [&](Builder& out) {
      const auto all = out.begin_vector(2);
      for (const auto& [group, size] : {std::pair<uint16_t, size_t>(0x11ec, 1216), {0x001d, 32}}) {
        std::vector<uint8_t> share(size);
        random_.fill(share);
        out.u16(group);
        out.vector16(share);
      }
      out.end_vector(all);
    });
  }
  void shuffle() {
    for (size_t i = extensions_.size(); i > 1; --i) std::swap(extensions_[i - 1], extensions_[random_.below(i)]);
  }
  std::vector<uint8_t> write(const std::vector<uint16_t>& suites) {
    Builder out;
    out.u16(0xfefd);
    std::vector<uint8_t> random(32);
    random_.fill(random);
    out.bytes(random);
    out.vector8({});
    out.vector8({});
    const auto list = out.begin_vector(2);
    for (const uint16_t suite : suites) out.u16(suite);
    out.end_vector(list);
    out.vector8(std::vector<uint8_t>{0});
    const auto all = out.begin_vector(2);
    for (const auto& extension : extensions_) out.bytes(extension);
    out.end_vector(all);
    return out.take();
  }

 private:
  Random& random_;
  std::vector<std::vector<uint8_t>> extensions_;
};

inline std::vector<uint8_t> chromium_client_hello(Random& random) {
  HelloWriter hello(random);
  hello.list(14, 2, {0x0001, 0x0008, 0x0007}, true);
  hello.raw(11, {1, 0});
  hello.list(43, 1, {0xfefc, 0xfefd});
  hello.list(10, 2, {0x11ec, 0x001d, 0x0017, 0x0018});
  hello.raw(45, {1, 1});
  hello.key_shares();
  hello.raw(0xff01, {0});
  hello.list(13, 2, {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601, 0x0201});
  hello.raw(23, {});
  hello.shuffle();
  return hello.write(
      {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014, 0x009c, 0x002f, 0x0035});
}

inline std::vector<uint8_t> firefox_client_hello(Random& random) {
  HelloWriter hello(random);
  hello.raw(23, {});
  hello.raw(0xff01, {0});
  hello.list(10, 2, {0x11ec, 0x001d, 0x0017, 0x0018, 0x0100, 0x0101});
  hello.raw(11, {1, 0});
  hello.raw(16, {0, 16, 6, 'w', 'e', 'b', 'r', 't', 'c', 8, 'c', '-', 'w', 'e', 'b', 'r', 't', 'c'});
  hello.list(34, 2, {0x0403, 0x0503, 0x0603, 0x0203});
  hello.key_shares();
  hello.list(43, 1, {0xfefc, 0xfefd, 0x0303});
  hello.list(13, 2,
             {0x0403, 0x0503, 0x0603, 0x0203, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201, 0x0402, 0x0502,
              0x0602, 0x0202});
  hello.raw(28, {0x40, 0x01});
  hello.list(14, 2, {0x0007, 0x0008, 0x0001, 0x0002}, true);
  return hello.write({0x1301, 0x1303, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc00a, 0xc009, 0xc013, 0xc014});
}

}  // namespace kaon::dtls::testing
