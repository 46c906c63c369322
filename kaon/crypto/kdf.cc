#include "kaon/crypto/kdf.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kaon/base/assert.h"
#include "kaon/base/writer.h"

namespace kaon::crypto {

// RFC 5246 §5: P_hash(secret, seed) = HMAC(secret, A(1) + seed) + HMAC(secret, A(2) + seed) + …, A(i) = HMAC(secret,
// A(i-1)).
void tls12_prf(HashAlgorithm algorithm, ByteView secret, std::string_view label, ByteView seed, Bytes out) {
  const Hmac mac(algorithm, secret);
  const std::array<ByteView, 2> first = {as_bytes(label), seed};
  Digest a = mac.compute(first);
  while (!out.empty()) {
    const std::array<ByteView, 3> parts = {a.view(), as_bytes(label), seed};
    Digest block = mac.compute(parts);
    const size_t n = std::min(out.size(), block.size);
    std::memcpy(out.data(), block.data.data(), n);
    wipe(block.data);
    out = out.subspan(n);
    const std::array<ByteView, 1> previous = {a.view()};
    a = mac.compute(previous);
  }
}

Digest hkdf_extract(HashAlgorithm algorithm, ByteView salt, ByteView secret) { return hmac(algorithm, salt, secret); }

// RFC 5869 §2.3: T(i) = HMAC(key, T(i-1) | info | i).
void hkdf_expand(HashAlgorithm algorithm, ByteView key, ByteView info, Bytes out) {
  KAON_ASSERT(out.size() <= 255 * digest_size(algorithm));
  Digest block;
  if (out.size() <= digest_size(algorithm)) {  // as of nearly all keys: no need to keep the keyed state
    const std::array<ByteView, 2> parts = {info, as_bytes("\x01")};
    block = hmac(algorithm, key, parts);
    std::memcpy(out.data(), block.data.data(), out.size());
    return wipe(block.data);
  }
  const Hmac mac(algorithm, key);
  for (uint8_t i = 1; !out.empty(); ++i) {
    const std::array<ByteView, 3> parts = {block.view(), info, ByteView(&i, 1)};
    block = mac.compute(parts);
    const size_t n = std::min(out.size(), block.size);
    std::memcpy(out.data(), block.data.data(), n);
    out = out.subspan(n);
  }
  wipe(block.data);
}

// struct { uint16 length; opaque label<7..255>; opaque context<0..255>; } HkdfLabel
void hkdf_expand_label(HashAlgorithm algorithm, ByteView secret, std::string_view prefix, std::string_view label,
                       ByteView context, Bytes out) {
  KAON_ASSERT(prefix.size() + label.size() <= 255 && context.size() <= 255 && out.size() <= 0xffff);
  std::array<uint8_t, 2 + 1 + 255 + 1 + 255> info;
  Writer writer(info);
  writer.u16(static_cast<uint16_t>(out.size()));
  writer.u8(static_cast<uint8_t>(prefix.size() + label.size()));
  writer.bytes(as_bytes(prefix));
  writer.bytes(as_bytes(label));
  writer.u8(static_cast<uint8_t>(context.size()));
  writer.bytes(context);
  hkdf_expand(algorithm, secret, writer.written(), out);
}

}  // namespace kaon::crypto
