// The master keys of one direction, told apart by identifiers (RFC 3711 §8.1), each with what is derived from it.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "kaon/base/assert.h"
#include "kaon/base/result.h"
#include "kaon/srtp/internal/extension_cipher.h"
#include "kaon/srtp/internal/packet_cipher.h"

namespace kaon::srtp::internal {

struct MasterKey {
  MasterKey(Profile profile, const KeyingMaterial& keys, bool encrypts_extensions)
      : mki(keys.mki.begin(), keys.mki.end()),
        rtp(PacketCipher::derive(profile, Stream::Rtp, keys)),
        rtcp(PacketCipher::derive(profile, Stream::Rtcp, keys)) {
    if (encrypts_extensions) extensions.emplace(ExtensionCipher::derive(profile, keys));
  }

  std::vector<uint8_t> mki;
  PacketCipher rtp;
  PacketCipher rtcp;
  std::optional<ExtensionCipher> extensions;  // if there are any to encrypt
};

/// At least one. Without an identifier there is exactly one.
class MasterKeys {
 public:
  MasterKeys(Profile profile, const KeyingMaterial& first, bool encrypts_extensions)
      : profile_(profile), encrypts_extensions_(encrypts_extensions), mki_size_(first.mki.size()) {
    KAON_ASSERT(mki_size_ <= kMaxMkiSize);
    keys_.emplace_back(profile, first, encrypts_extensions);
  }

  Result<void, KeyError> add(const KeyingMaterial& keys) {
    if (mki_size_ == 0 || keys.mki.size() != mki_size_) return fail(KeyError::BadMki);
    if (find(keys.mki) != nullptr) return fail(KeyError::MkiInUse);
    if (keys_.size() == kMaxMasterKeys) return fail(KeyError::TooManyKeys);
    keys_.emplace_back(profile_, keys, encrypts_extensions_);
    return {};
  }
  Result<void, KeyError> remove(ByteView mki) {
    const MasterKey* key = find(mki);
    if (key == nullptr) return fail(KeyError::UnknownMki);
    const auto at = static_cast<size_t>(key - keys_.data());
    if (at == current_ || keys_.size() == 1) return fail(KeyError::KeyInUse);
    keys_.erase(keys_.begin() + static_cast<ptrdiff_t>(at));
    if (at < current_) --current_;
    return {};
  }
  /// True if it is another one than before.
  Result<bool, KeyError> choose(ByteView mki) {
    const MasterKey* key = find(mki);
    if (key == nullptr) return fail(KeyError::UnknownMki);
    const size_t before = std::exchange(current_, static_cast<size_t>(key - keys_.data()));
    return before != current_;
  }
  /// A receiver has no current key: any but the last may go.
  void choose_none() { current_ = SIZE_MAX; }

  size_t mki_size() const { return mki_size_; }
  MasterKey& current() { return keys_[current_]; }
  MasterKey* find(ByteView mki) {
    const auto it = std::ranges::find_if(keys_, [&](const MasterKey& key) { return std::ranges::equal(key.mki, mki); });
    return it == keys_.end() ? nullptr : &*it;
  }
  /// The key of a packet whose identifier stands `from_end` bytes before its end; null if there is none such. The
  /// packet is that long at least.
  MasterKey* of_packet(ByteView packet, size_t from_end) {
    return mki_size_ == 0 ? &keys_.front() : find(packet.subspan(packet.size() - from_end, mki_size_));
  }
  const MasterKey& any() const { return keys_.front(); }

 private:
  Profile profile_;
  bool encrypts_extensions_;
  size_t mki_size_;
  size_t current_ = 0;
  std::vector<MasterKey> keys_;
};

}  // namespace kaon::srtp::internal
