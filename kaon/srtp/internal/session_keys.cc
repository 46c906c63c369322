#include "kaon/srtp/internal/session_keys.h"

#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/crypto/cipher.h"

namespace kaon::srtp::internal {
namespace {

// RFC 3711 §4.3.2, where RTCP's labels follow in the same order; RFC 6904 §3.1.
enum class Label : uint8_t { Encryption = 0, Authentication = 1, Salt = 2, ExtensionEncryption = 6, ExtensionSalt = 7 };
constexpr uint8_t kRtcpLabels = 3;

// RFC 3711 §4.3.1 and §4.3.3: the key stream of AES-CM under the master key, with the label XORed onto the salt. The
// salt of 96 bits that GCM has is filled up with zeros at its end (RFC 7714 §11).
void derive(crypto::AesCtr& prf, ByteView salt, Label label, Stream stream, Bytes out) {
  constexpr size_t kLabelPosition = 7;
  std::array<uint8_t, 16> counter_block{};
  std::copy(salt.begin(), salt.end(), counter_block.begin());
  counter_block[kLabelPosition] ^=
      static_cast<uint8_t>(static_cast<uint8_t>(label) + (stream == Stream::Rtcp ? kRtcpLabels : 0));
  std::fill(out.begin(), out.end(), uint8_t{0});
  prf.crypt(counter_block, out, out);
  wipe(counter_block);
}

}  // namespace

SessionKeys::~SessionKeys() {
  wipe(key);
  wipe(salt);
  wipe(auth);
}

void derive_session_keys(Profile profile, const KeyingMaterial& master, Stream stream, SessionKeys& out) {
  KAON_ASSERT(master.key.size() == key_size(profile) && master.salt.size() == salt_size(profile));
  crypto::AesCtr prf(master.key);
  derive(prf, master.salt, Label::Encryption, stream, Bytes(out.key).first(key_size(profile)));
  derive(prf, master.salt, Label::Salt, stream, Bytes(out.salt).first(salt_size(profile)));
  derive(prf, master.salt, Label::Authentication, stream, out.auth);
}

void derive_extension_keys(Profile profile, const KeyingMaterial& master, SessionKeys& out) {
  KAON_ASSERT(master.key.size() == key_size(profile) && master.salt.size() == salt_size(profile));
  crypto::AesCtr prf(master.key);
  derive(prf, master.salt, Label::ExtensionEncryption, Stream::Rtp, Bytes(out.key).first(key_size(profile)));
  derive(prf, master.salt, Label::ExtensionSalt, Stream::Rtp, Bytes(out.salt).first(salt_size(profile)));
}

}  // namespace kaon::srtp::internal
