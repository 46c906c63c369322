// What a peer's program sends about a file, and lines that are pasted: the checksum is ours, so that what is behind it
// is met.
#include "fuzz/fuzz.h"
#include "kaon/base/base64.h"
#include "kaon/crypto/hash.h"
#include "kaon/transfer/code.h"
#include "kaon/transfer/invitation.h"
#include "kaon/transfer/message.h"

namespace kaon::transfer {
namespace {

std::string line_of(ByteView content) {
  std::vector<uint8_t> bytes(content.begin(), content.end());
  const crypto::Digest digest = crypto::hash(crypto::HashAlgorithm::Sha256, content);
  bytes.insert(bytes.end(), digest.data.begin(), digest.data.begin() + 4);
  return "kaon-" + to_base64(bytes);
}

void invitation(std::string_view line) {
  const auto invitation = Invitation::parse(line);
  if (!invitation) return;
  const std::string text = invitation->to_text();
  KAON_ASSERT(text.size() <= Invitation::kMaxText);
  const auto again = Invitation::parse(text);
  KAON_ASSERT(again.has_value());
  KAON_ASSERT(again->to_text() == text);
  KAON_ASSERT(sdp::SessionDescription::parse(invitation->to_description().write()).has_value());
}

}  // namespace

KAON_FUZZ_TARGET(transfer_message) {
  if (const auto message = parse(input)) {
    const auto bytes = to_bytes(*message);
    const auto again = parse(bytes);
    KAON_ASSERT(again.has_value());
    KAON_ASSERT(to_bytes(*again) == bytes);
  }
  const std::string name = safe_name(as_text(input));
  KAON_ASSERT(!name.empty() && name.find('/') == std::string::npos && name != "." && name != "..");
  invitation(as_text(input));
  invitation(line_of(input));
  if (const auto code = Code::parse(as_text(input))) KAON_ASSERT(Code::parse(code->to_string())->words == code->words);
}

}  // namespace kaon::transfer
