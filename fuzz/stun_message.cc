// STUN messages: read, every attribute looked at, written again and read again.
#include "fuzz/fuzz.h"
#include "kaon/base/text.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"
#include "kaon/stun/message.h"

namespace kaon::stun {
namespace {

void look_at_everything(const Message& message) {
  KAON_ASSERT(!message.to_string().empty());
  message.for_each([&](Attribute type, ByteView) {
    // The getters take the first of its type, whatever they expect in it.
    KAON_ASSERT(message.has(type));
    (void)message.u32(type);
    (void)message.u64(type);
    (void)message.text(type);
    (void)message.address(type);
    (void)message.xor_address(type);
  });
  (void)message.error_code();
  (void)message.network_info();
  KAON_ASSERT(message.unknown_required({}).size <= kMaxUnknownAttributes);
  (void)message.verify_integrity(short_term_key("password"));
  (void)message.verify_integrity_sha256(short_term_key("password", crypto::HashAlgorithm::Sha256));
}

std::vector<uint8_t> write_again(const Message& message) {
  const crypto::Hmac key = short_term_key("password");
  std::vector<uint8_t> memory(message.size() + 256);
  Builder builder(memory, message.method(), message.message_class(), message.transaction_id());
  message.for_each([&](Attribute type, ByteView value) {
    const bool own = type == Attribute::MessageIntegrity || type == Attribute::MessageIntegritySha256 ||
                     type == Attribute::Fingerprint;
    if (!own) builder.add(type, value);
  });
  memory.resize(builder.add_integrity(key).add_fingerprint().finish().size());
  return memory;
}

}  // namespace

KAON_FUZZ_TARGET(stun_message) {
  const std::vector<uint8_t> bytes = fuzz::copy(input);
  const auto message = Message::parse(bytes);
  if (!message) return;
  KAON_ASSERT(is_stun(bytes));
  look_at_everything(*message);
  const std::vector<uint8_t> memory = write_again(*message);
  const auto again = Message::parse(memory);
  if (!again) {
    KAON_ASSERT(again.error() == ParseError::TooManyAttributes);
    return;
  }
  KAON_ASSERT(again->verify_integrity(short_term_key("password")));
  KAON_ASSERT(again->has_fingerprint());
  message->for_each([&](Attribute type, ByteView) {
    if (type == Attribute::MessageIntegrity || type == Attribute::MessageIntegritySha256 ||
        type == Attribute::Fingerprint)
      return;
    KAON_ASSERT(std::ranges::equal(*again->find(type), *message->find(type)));
    KAON_ASSERT(again->xor_address(type) == message->xor_address(type));
  });
}

}  // namespace kaon::stun
