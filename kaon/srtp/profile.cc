#include "kaon/srtp/profile.h"

#include "kaon/base/assert.h"

namespace kaon::srtp {
namespace {

struct Parameters {
  Profile profile;
  std::string_view name;
  uint8_t key;
  uint8_t salt;
  uint8_t rtp_tag;
  uint8_t rtcp_tag;
};

constexpr size_t kShortTagSize = 4;
constexpr size_t kGcmTagSize = 16;
constexpr size_t kRocSize = 4;

constexpr Parameters kParameters[] = {
    {Profile::AeadAes128Gcm, "SRTP_AEAD_AES_128_GCM", 16, 12, 16, 16},
    {Profile::AeadAes256Gcm, "SRTP_AEAD_AES_256_GCM", 32, 12, 16, 16},
    {Profile::Aes128CmSha1_80, "SRTP_AES128_CM_HMAC_SHA1_80", 16, 14, 10, 10},
    {Profile::Aes128CmSha1_32, "SRTP_AES128_CM_HMAC_SHA1_32", 16, 14, 4, 10},  // RFC 5764 §4.1.2: RTCP keeps 80 bits
    {Profile::Aes256CmSha1_80, "SRTP_AES256_CM_SHA1_80", 32, 14, 10, 10},
    {Profile::Aes256CmSha1_32, "SRTP_AES256_CM_SHA1_32", 32, 14, 4, 10},
    {Profile::NullSha1_80, "SRTP_NULL_HMAC_SHA1_80", 16, 14, 10, 10},
    {Profile::NullSha1_32, "SRTP_NULL_HMAC_SHA1_32", 16, 14, 4, 10},
};
constexpr size_t kRtcpIndexSize = 4;

const Parameters* find(uint16_t id) {
  for (const Parameters& p : kParameters) {
    if (static_cast<uint16_t>(p.profile) == id) return &p;
  }
  return nullptr;
}

const Parameters& of(Profile profile) {
  const Parameters* parameters = find(static_cast<uint16_t>(profile));
  KAON_ASSERT(parameters != nullptr);
  return *parameters;
}

}  // namespace

std::optional<Profile> profile_from_id(uint16_t id) {
  const Parameters* parameters = find(id);
  if (parameters == nullptr) return std::nullopt;
  return parameters->profile;
}

std::string_view to_string(Profile profile) { return of(profile).name; }
bool encrypts(Profile profile) { return profile != Profile::NullSha1_80 && profile != Profile::NullSha1_32; }
size_t key_size(Profile profile) { return of(profile).key; }
size_t salt_size(Profile profile) { return of(profile).salt; }
size_t rtp_overhead(Profile profile) { return of(profile).rtp_tag; }
size_t rtcp_overhead(Profile profile) { return of(profile).rtcp_tag + kRtcpIndexSize; }
bool can_carry_roc(Profile profile) { return rtp_overhead(profile) > kShortTagSize; }
size_t roc_overhead(Profile profile) { return rtp_overhead(profile) == kGcmTagSize ? kRocSize : 0; }
size_t exported_size(Profile profile) { return 2 * (key_size(profile) + salt_size(profile)); }

// RFC 5764 §4.2: client_write_SRTP_master_key, server_…_key, client_…_salt, server_…_salt. Each side sends with its
// own.
DirectionKeys split_exported_keys(Profile profile, ByteView block, DtlsRole own) {
  KAON_ASSERT(block.size() == exported_size(profile));
  const size_t key = key_size(profile);
  const size_t salt = salt_size(profile);
  const KeyingMaterial client = {block.first(key), block.subspan(2 * key, salt)};
  const KeyingMaterial server = {block.subspan(key, key), block.subspan(2 * key + salt, salt)};
  return own == DtlsRole::Client ? DirectionKeys{client, server} : DirectionKeys{server, client};
}

}  // namespace kaon::srtp
