// What all connections of the process share.
#pragma once

#include <string>
#include <string_view>

#include "kaon/base/env.h"
#include "kaon/crypto/certificate.h"

namespace kaon::webrtc::internal {

/// With the system's random generator; `log` may be null.
Env environment(Logger* log);

/// ECDSA P-256. Any thread.
crypto::Certificate new_certificate();

/// SSLKEYLOGFILE of the environment; empty if there is none.
const std::string& key_log_file();
/// Appends one line to it, whole. Any thread.
void append_key_log(std::string_view line);

}  // namespace kaon::webrtc::internal
