// Key derivation.
#pragma once

#include <string_view>

#include "kaon/base/bytes.h"
#include "kaon/crypto/hash.h"

namespace kaon::crypto {

/// TLS 1.2 PRF (RFC 5246 §5) with `algorithm`; fills `out`. `seed` follows the label.
void tls12_prf(HashAlgorithm algorithm, ByteView secret, std::string_view label, ByteView seed, Bytes out);

/// HKDF (RFC 5869).
Digest hkdf_extract(HashAlgorithm algorithm, ByteView salt, ByteView secret);
void hkdf_expand(HashAlgorithm algorithm, ByteView key, ByteView info, Bytes out);

/// HKDF-Expand-Label (RFC 8446 §7.1); `prefix` is "tls13 " for TLS and "dtls13" for DTLS (RFC 9147 §5.9).
void hkdf_expand_label(HashAlgorithm algorithm, ByteView secret, std::string_view prefix, std::string_view label,
                       ByteView context, Bytes out);

}  // namespace kaon::crypto
