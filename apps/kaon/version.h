// What --version prints.
#pragma once

#include <openssl/crypto.h>

#include <string>

inline std::string cat_version() {
  return std::string("kaon ") + KAON_VERSION + " (" + OpenSSL_version(OPENSSL_VERSION) + ")";
}
