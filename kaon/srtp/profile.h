// SRTP protection profiles and the keys that DTLS exports for them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "kaon/base/bytes.h"
#include "kaon/net/dtls_role.h"

namespace kaon::srtp {

/// Values are those of the DTLS extension use_srtp (RFC 5764 §4.1.2, RFC 7714 §14.2).
enum class Profile : uint16_t {
  Aes128CmSha1_80 = 0x0001,
  Aes128CmSha1_32 = 0x0002,
  AeadAes128Gcm = 0x0007,
  AeadAes256Gcm = 0x0008,
};

/// What we offer and choose, best first.
inline constexpr std::array kPreferredProfiles = {Profile::AeadAes128Gcm, Profile::AeadAes256Gcm,
                                                  Profile::Aes128CmSha1_80, Profile::Aes128CmSha1_32};

/// Nothing if we do not have the profile.
std::optional<Profile> profile_from_id(uint16_t id);
/// As the IANA registry spells it: "SRTP_AEAD_AES_128_GCM".
std::string_view to_string(Profile profile);

/// Bytes of a master key and a master salt.
size_t key_size(Profile profile);
size_t salt_size(Profile profile);
/// Bytes that protection adds to a packet, always exactly: the tag; for RTCP the tag and the word with the index.
size_t rtp_overhead(Profile profile);
size_t rtcp_overhead(Profile profile);

/// Borrowed master key and salt of one direction; key_size() and salt_size() bytes.
struct KeyingMaterial {
  ByteView key;
  ByteView salt;
};

using net::DtlsRole;

/// The keys of both directions, seen from our side.
struct DirectionKeys {
  KeyingMaterial local;   // for Sender
  KeyingMaterial remote;  // for Receiver
};

/// Bytes to export with the label "EXTRACTOR-dtls_srtp" (RFC 5764 §4.2): 56, 60 or 88.
size_t exported_size(Profile profile);
/// Cuts an exported block of exported_size() bytes (asserted) into views of it: client key, server key, client salt,
/// server salt. `own` is our role in the handshake.
DirectionKeys split_exported_keys(Profile profile, ByteView block, DtlsRole own);

}  // namespace kaon::srtp
