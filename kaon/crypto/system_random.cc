#include "kaon/crypto/system_random.h"

#include <openssl/rand.h>

#include "kaon/crypto/internal/openssl.h"

namespace kaon::crypto {

void SystemRandom::fill(Bytes out) { KAON_ASSERT(RAND_bytes_ex(nullptr, out.data(), out.size(), 0) == 1); }

}  // namespace kaon::crypto
