#include "kaon/webrtc/internal/environment.h"

#include <cstdio>
#include <cstdlib>

#include "kaon/crypto/system_random.h"
#include "kaon/io/loop.h"

namespace kaon::webrtc::internal {
namespace {

crypto::SystemRandom& system_random() {
  static crypto::SystemRandom random;
  return random;
}

}  // namespace

Env environment(Logger* log) {
  static NullLogger silence;
  return {system_random(), log == nullptr ? silence : *log};
}

crypto::Certificate new_certificate() {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(io::Loop::wall_clock());
  return crypto::Certificate::generate(crypto::KeyType::EcdsaP256, system_random(), now);
}

const std::string& key_log_file() {
  static const std::string file = [] {
    const char* name = std::getenv("SSLKEYLOGFILE");
    return std::string(name == nullptr ? "" : name);
  }();
  return file;
}

void append_key_log(std::string_view line) {
  // Opened for each line, of which there are a few per connection: no descriptor is held, and appending is atomic.
  std::FILE* file = std::fopen(key_log_file().c_str(), "ae");
  if (file == nullptr) return;
  std::fprintf(file, "%.*s\n", static_cast<int>(line.size()), line.data());
  std::fclose(file);
}

}  // namespace kaon::webrtc::internal
