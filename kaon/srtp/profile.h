// SRTP protection profiles and the keys that DTLS exports for them.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

#include "kaon/base/bytes.h"
#include "kaon/net/dtls_role.h"

namespace kaon::srtp {

/// Values are those of the DTLS extension use_srtp (RFC 5764 §4.1.2, RFC 7714 §14.2). The registry has reserved those
/// of AES256_CM, which RFC 6188 describes, since a draft assigned them; peers that have the profiles go on using them.
enum class Profile : uint16_t {
  Aes128CmSha1_80 = 0x0001,
  Aes128CmSha1_32 = 0x0002,
  Aes256CmSha1_80 = 0x0003,
  Aes256CmSha1_32 = 0x0004,
  NullSha1_80 = 0x0005,  // authenticates, but encrypts nothing: for looking at packets
  NullSha1_32 = 0x0006,
  AeadAes128Gcm = 0x0007,
  AeadAes256Gcm = 0x0008,
};

/// All that there are.
inline constexpr std::array kProfiles = {Profile::Aes128CmSha1_80, Profile::Aes128CmSha1_32, Profile::Aes256CmSha1_80,
                                         Profile::Aes256CmSha1_32, Profile::NullSha1_80,     Profile::NullSha1_32,
                                         Profile::AeadAes128Gcm,   Profile::AeadAes256Gcm};

/// What we offer and choose, best first. Never one that does not encrypt.
inline constexpr std::array kPreferredProfiles = {Profile::AeadAes128Gcm, Profile::AeadAes256Gcm,
                                                  Profile::Aes128CmSha1_80, Profile::Aes128CmSha1_32};

/// Nothing if we do not have the profile.
std::optional<Profile> profile_from_id(uint16_t id);
/// As the IANA registry spells it: "SRTP_AEAD_AES_128_GCM".
std::string_view to_string(Profile profile);

/// False for the NULL profiles.
bool encrypts(Profile profile);
/// Bytes of a master key and a master salt. RFC 5764 gives the NULL profiles neither, and then no key to derive that of
/// the HMAC from; as elsewhere they have those of Aes128Cm.
size_t key_size(Profile profile);
size_t salt_size(Profile profile);
/// Bytes that protection adds to a packet, always exactly: the tag; for RTCP the tag and the word with the index.
size_t rtp_overhead(Profile profile);
size_t rtcp_overhead(Profile profile);

/// Whether packets of the profile can carry the rollover counter (RFC 4771): those with a tag of 4 bytes have no room.
bool can_carry_roc(Profile profile);
/// Bytes by which such a packet is larger: with GCM the counter stands behind it (mode 3 of RFC 4771), elsewhere it
/// takes the place of the last 4 of the 10 bytes of the tag (mode 2).
size_t roc_overhead(Profile profile);

/// Encryption of RTP header extensions and contributing sources (Cryptex, RFC 9335): what was negotiated.
enum class Cryptex : uint8_t {
  Off,       ///< neither sent nor accepted
  On,        ///< sent; headers in the clear are accepted too
  Required,  ///< sent; headers with something to hide that come in the clear are dropped
};

/// Ids of header extension elements, 1 to 255.
using ExtensionIds = std::bitset<256>;

/// Longest master key identifier (RFC 4568 §6.1).
inline constexpr size_t kMaxMkiSize = 128;
/// Master keys that a sender or a receiver may have at once.
inline constexpr size_t kMaxMasterKeys = 8;

/// Borrowed master key and salt of one direction; key_size() and salt_size() bytes.
struct KeyingMaterial {
  ByteView key;
  ByteView salt;
  /// Master key identifier (RFC 3711 §3.1), up to kMaxMkiSize bytes (asserted), which every packet then carries. Empty
  /// for none, as with DTLS.
  ByteView mki = {};
};

/// Why a master key cannot be added, chosen or removed.
enum class KeyError : uint8_t {
  BadMki,       ///< not of the size of the first key's, or that has none
  MkiInUse,     ///< there is a key with this identifier
  UnknownMki,   ///< there is none
  KeyInUse,     ///< the key that is sent with, or the last one
  TooManyKeys,  ///< kMaxMasterKeys
};

using net::DtlsRole;

/// The keys of both directions, seen from our side.
struct DirectionKeys {
  KeyingMaterial local;   // for Sender
  KeyingMaterial remote;  // for Receiver
};

/// Bytes to export with the label "EXTRACTOR-dtls_srtp" (RFC 5764 §4.2): 56, 60, 88 or 92.
size_t exported_size(Profile profile);
inline constexpr size_t kMaxExportedSize = 92;
/// Cuts an exported block of exported_size() bytes (asserted) into views of it: client key, server key, client salt,
/// server salt. `own` is our role in the handshake.
DirectionKeys split_exported_keys(Profile profile, ByteView block, DtlsRole own);

}  // namespace kaon::srtp
