// Kaon's SRTP on standard input and output; see README.md.
#include <cstdio>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/srtp/receiver.h"
#include "kaon/srtp/sender.h"

namespace kaon::srtp {
namespace {

constexpr size_t kMaxGrowth = 64 + kMaxMkiSize;  // more than any profile adds

std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

struct Session {
  std::optional<Sender> sender;
  std::optional<Receiver> receiver;

  std::string begin(std::istream& words) {
    int number = 0;
    std::string key, salt, mode, mki;
    words >> number >> key >> salt >> mode >> mki;
    const auto profile = profile_from_id(static_cast<uint16_t>(number));
    if (!profile) return "error unknown profile";
    const auto key_bytes = from_hex(key);
    const auto salt_bytes = from_hex(salt);
    if (key_bytes.size() != key_size(*profile) || salt_bytes.size() != salt_size(*profile)) return "error key size";
    const auto mki_bytes = from_hex(mki);
    const KeyingMaterial keys{key_bytes, salt_bytes, mki_bytes};
    sender.emplace(*profile, keys);
    receiver.emplace(*profile, keys);
    const Cryptex cryptex = mode == "on" ? Cryptex::On : mode == "required" ? Cryptex::Required : Cryptex::Off;
    sender->set_cryptex(cryptex);
    receiver->set_cryptex(cryptex);
    return "ok";
  }

  std::string add_key(std::istream& words) {
    std::string mki, key, salt;
    words >> mki >> key >> salt;
    const auto mki_bytes = from_hex(mki);
    const auto key_bytes = from_hex(key);
    const auto salt_bytes = from_hex(salt);
    const KeyingMaterial keys{key_bytes, salt_bytes, mki_bytes};
    return sender->add_key(keys) && receiver->add_key(keys) ? "ok" : "error key";
  }

  std::string use_key(std::istream& words) {
    std::string mki;
    words >> mki;
    return sender->use_key(from_hex(mki)) ? "ok" : "error unknown identifier";
  }

  std::string carry_roc(std::istream& words) {
    uint16_t every = 0;
    words >> every;
    sender->set_roc_rate(every);
    receiver->set_roc_rate(every);
    return "ok";
  }

  std::string convert(bool seal, bool rtcp, const std::vector<uint8_t>& packet) {
    std::vector<uint8_t> out(packet.size() + kMaxGrowth);
    const auto answer = [&](const auto& size) {
      if (!size) return "error " + std::to_string(static_cast<int>(size.error()));
      return "ok " + to_hex(ByteView(out).first(*size));
    };
    if (seal) return answer(rtcp ? sender->protect_rtcp(packet, out) : sender->protect_rtp(packet, out));
    return answer(rtcp ? receiver->unprotect_rtcp(packet, out) : receiver->unprotect_rtp(packet, out));
  }

  std::string obey(const std::string& line) {
    std::istringstream words(line);
    std::string what, kind, packet;
    words >> what;
    if (what == "session") return begin(words);
    if (!sender) return "error no session";
    if (what == "key") return add_key(words);
    if (what == "use") return use_key(words);
    if (what == "roc") return carry_roc(words);
    words >> kind >> packet;
    if (what != "seal" && what != "open") return "error unknown word";
    return convert(what == "seal", kind == "rtcp", from_hex(packet));
  }
};

}  // namespace
}  // namespace kaon::srtp

int main() {
  kaon::srtp::Session session;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << session.obey(line) << "\n" << std::flush;
  }
  return 0;
}
