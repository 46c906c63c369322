#include "kaon/sctp/internal/state_cookie.h"

#include <cstring>

#include "kaon/base/reader.h"
#include "kaon/base/writer.h"
#include "kaon/crypto/hash.h"

namespace kaon::sctp {

std::array<uint8_t, StateCookie::kSize> CookieJar::seal(const StateCookie& cookie) const {
  std::array<uint8_t, StateCookie::kSize> out{};
  const Bytes body = Bytes(out).subspan(StateCookie::kMacSize);
  Writer writer(body);
  writer.u64(static_cast<uint64_t>(cookie.created.time_since_epoch().count()));
  writer.u32(cookie.local_tag);
  writer.u32(cookie.peer_tag);
  writer.u32(cookie.local_initial_tsn.value());
  writer.u32(cookie.peer_initial_tsn.value());
  writer.u32(cookie.peer_a_rwnd);
  writer.u32(cookie.local_tie_tag);
  writer.u32(cookie.peer_tie_tag);
  writer.u16(cookie.peer_outgoing_streams);
  writer.u16(cookie.peer_incoming_streams);
  writer.u8(static_cast<uint8_t>(
      (cookie.peer_capabilities.partial_reliability ? 1 : 0) | (cookie.peer_capabilities.stream_reset ? 2 : 0) |
      (cookie.peer_capabilities.interleaving ? 4 : 0) | (cookie.peer_capabilities.zero_checksum ? 8 : 0) |
      (cookie.peer_capabilities.ecn ? 16 : 0)));
  const crypto::Digest mac = crypto::hmac(crypto::HashAlgorithm::Sha256, secret_, body);
  std::memcpy(out.data(), mac.data.data(), StateCookie::kMacSize);
  return out;
}

std::optional<StateCookie> CookieJar::open(ByteView bytes) const {
  if (bytes.size() != StateCookie::kSize) return std::nullopt;
  const ByteView body = bytes.subspan(StateCookie::kMacSize);
  const crypto::Digest mac = crypto::hmac(crypto::HashAlgorithm::Sha256, secret_, body);
  if (!equal_in_constant_time(mac.view(), bytes.first(StateCookie::kMacSize))) return std::nullopt;
  Reader reader(body);
  StateCookie cookie;
  cookie.created = Time(Duration(static_cast<int64_t>(reader.u64())));
  cookie.local_tag = reader.u32();
  cookie.peer_tag = reader.u32();
  cookie.local_initial_tsn = Tsn(reader.u32());
  cookie.peer_initial_tsn = Tsn(reader.u32());
  cookie.peer_a_rwnd = reader.u32();
  cookie.local_tie_tag = reader.u32();
  cookie.peer_tie_tag = reader.u32();
  cookie.peer_outgoing_streams = reader.u16();
  cookie.peer_incoming_streams = reader.u16();
  const uint8_t capabilities = reader.u8();
  cookie.peer_capabilities.partial_reliability = (capabilities & 1) != 0;
  cookie.peer_capabilities.stream_reset = (capabilities & 2) != 0;
  cookie.peer_capabilities.interleaving = (capabilities & 4) != 0;
  cookie.peer_capabilities.zero_checksum = (capabilities & 8) != 0;
  cookie.peer_capabilities.ecn = (capabilities & 16) != 0;
  return cookie;
}

}  // namespace kaon::sctp
