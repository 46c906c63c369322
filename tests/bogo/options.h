// What the runner asks of the shim on its command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kaon/crypto/certificate.h"
#include "kaon/dtls/types.h"

namespace kaon::bogo {

/// Exit codes that the runner knows.
inline constexpr int kFailed = 1;
inline constexpr int kUnimplemented = 89;

struct Options {
  uint16_t port = 0;
  uint64_t shim_id = 0;
  bool ipv6 = false;
  dtls::Config config;

  // What to do once connected.
  std::string write_first;
  bool write_first_late = false;  // with the first answer
  bool shuts_down = false;
  bool key_update = false;
  bool key_update_before_read = false;
  size_t export_bytes = 0;
  std::string export_label;
  std::string export_context;

  // What must have been negotiated.
  std::optional<uint64_t> expect_version;
  std::optional<uint64_t> expect_cipher;
  std::optional<uint64_t> expect_group;
  std::string expect_alpn;
  std::string expect_peer_certificate;
};

/// Ends the program with kUnimplemented, and says why, if the case wants what Kaon does not have.
Options parse_options(int argc, char** argv);

/// Says why on standard error and ends the program with kUnimplemented.
[[noreturn]] void unimplemented(const std::string& what);

/// The bytes of a file, which must be there.
std::string read_file(const std::string& path);

}  // namespace kaon::bogo
