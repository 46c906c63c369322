#include "kaon/crypto/internal/wide_gcm.h"

#ifdef KAON_HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>

#include <algorithm>
#include <array>
#include <vector>

#include "kaon/base/assert.h"

namespace kaon::crypto::internal {
namespace {

constexpr size_t kAlignment = 64;  // what its code for wide vectors stores with

/// The library's functions for this machine, chosen once per process and then only read; null if it has no wide
/// vectors, where libcrypto is as good.
const IMB_MGR* functions() {
  static const IMB_MGR* const kChosen = []() -> const IMB_MGR* {
    IMB_MGR* const manager = alloc_mb_mgr(0);
    if (manager == nullptr) return nullptr;
    init_mb_mgr_auto(manager, nullptr);
    constexpr uint64_t kWide = IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;
    if ((manager->features & kWide) == kWide) return manager;
    free_mb_mgr(manager);
    return nullptr;
  }();
  return kChosen;
}

/// Associated data in one piece. Of headers in several it is small; what is larger is rare enough to allocate.
class Joined {
 public:
  explicit Joined(std::span<const ByteView> parts) {
    if (parts.size() == 1) {
      view_ = parts[0];
      return;
    }
    size_t size = 0;
    for (const ByteView part : parts) size += part.size();
    if (size > small_.size()) large_.resize(size);
    uint8_t* const begin = size > small_.size() ? large_.data() : small_.data();
    uint8_t* to = begin;
    for (const ByteView part : parts) to = std::ranges::copy(part, to).out;
    view_ = {begin, size};
  }
  Joined(const Joined&) = delete;
  Joined& operator=(const Joined&) = delete;
  const uint8_t* data() const { return view_.empty() ? small_.data() : view_.data(); }
  size_t size() const { return view_.size(); }

 private:
  std::array<uint8_t, 256> small_;
  std::vector<uint8_t> large_;
  ByteView view_;
};

}  // namespace

struct WideGcm::State {
  const IMB_MGR* mb;
  bool wide_key;  // 256 bits
  alignas(kAlignment) gcm_key_data key;
};

std::unique_ptr<WideGcm> WideGcm::make(AeadAlgorithm algorithm, ByteView key) {
  const bool is_256 = algorithm == AeadAlgorithm::Aes256Gcm;
  if ((!is_256 && algorithm != AeadAlgorithm::Aes128Gcm) || functions() == nullptr) return nullptr;
  KAON_ASSERT(key.size() == aead_key_size(algorithm));
  auto state = std::make_unique<State>();
  state->mb = functions();
  state->wide_key = is_256;
  (is_256 ? state->mb->gcm256_pre : state->mb->gcm128_pre)(key.data(), &state->key);
  return std::unique_ptr<WideGcm>(new WideGcm(std::move(state)));
}

WideGcm::WideGcm(std::unique_ptr<State> state) : state_(std::move(state)) {}
WideGcm::~WideGcm() { wipe({reinterpret_cast<uint8_t*>(&state_->key), sizeof state_->key}); }

void WideGcm::seal(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts, Bytes tag) {
  const IMB_MGR& mb = *state_->mb;
  const bool wide = state_->wide_key;
  const Joined joined(aad);
  alignas(kAlignment) gcm_context_data context;
  if (parts.size() == 1 && !parts[0].in.empty()) {
    (wide ? mb.gcm256_enc : mb.gcm128_enc)(&state_->key, &context, parts[0].out.data(), parts[0].in.data(),
                                           parts[0].in.size(), nonce.data(), joined.data(), joined.size(), tag.data(),
                                           tag.size());
    return;
  }
  (wide ? mb.gcm256_init : mb.gcm128_init)(&state_->key, &context, nonce.data(), joined.data(), joined.size());
  for (const CipherPart& part : parts) {
    KAON_ASSERT(part.out.size() == part.in.size());
    if (part.in.empty()) continue;
    (wide ? mb.gcm256_enc_update : mb.gcm128_enc_update)(&state_->key, &context, part.out.data(), part.in.data(),
                                                         part.in.size());
  }
  (wide ? mb.gcm256_enc_finalize : mb.gcm128_enc_finalize)(&state_->key, &context, tag.data(), tag.size());
}

bool WideGcm::open(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts, ByteView tag) {
  const IMB_MGR& mb = *state_->mb;
  const bool wide = state_->wide_key;
  const Joined joined(aad);
  alignas(kAlignment) gcm_context_data context;
  std::array<uint8_t, kAeadTagSize> right;
  if (parts.size() == 1 && !parts[0].in.empty()) {
    (wide ? mb.gcm256_dec : mb.gcm128_dec)(&state_->key, &context, parts[0].out.data(), parts[0].in.data(),
                                           parts[0].in.size(), nonce.data(), joined.data(), joined.size(), right.data(),
                                           right.size());
    return equal_in_constant_time(right, tag);
  }
  (wide ? mb.gcm256_init : mb.gcm128_init)(&state_->key, &context, nonce.data(), joined.data(), joined.size());
  for (const CipherPart& part : parts) {
    KAON_ASSERT(part.out.size() == part.in.size());
    if (part.in.empty()) continue;
    (wide ? mb.gcm256_dec_update : mb.gcm128_dec_update)(&state_->key, &context, part.out.data(), part.in.data(),
                                                         part.in.size());
  }
  (wide ? mb.gcm256_dec_finalize : mb.gcm128_dec_finalize)(&state_->key, &context, right.data(), right.size());
  return equal_in_constant_time(right, tag);
}

}  // namespace kaon::crypto::internal

#else

namespace kaon::crypto::internal {

struct WideGcm::State {};

std::unique_ptr<WideGcm> WideGcm::make(AeadAlgorithm, ByteView) { return nullptr; }
WideGcm::WideGcm(std::unique_ptr<State> state) : state_(std::move(state)) {}
WideGcm::~WideGcm() = default;
void WideGcm::seal(ByteView, std::span<const ByteView>, std::span<const CipherPart>, Bytes) {}
bool WideGcm::open(ByteView, std::span<const ByteView>, std::span<const CipherPart>, ByteView) { return false; }

}  // namespace kaon::crypto::internal

#endif
