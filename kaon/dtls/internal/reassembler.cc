#include "kaon/dtls/internal/reassembler.h"

#include <algorithm>

namespace kaon::dtls {

std::optional<Fragment> Fragment::parse(Reader& reader, uint64_t epoch) {
  Fragment fragment;
  fragment.epoch = epoch;
  fragment.type = static_cast<HandshakeType>(reader.u8());
  fragment.length = reader.u24();
  fragment.sequence = reader.u16();
  fragment.offset = reader.u24();
  fragment.bytes = reader.vector24();
  if (!reader.ok() || fragment.offset + fragment.bytes.size() > fragment.length) return std::nullopt;
  return fragment;
}

void Reassembler::clear(Partial& partial) {
  bytes_held_ -= partial.body.size();
  partial = Partial();
}

bool Reassembler::contradicts(const Partial& partial, const Fragment& fragment) {
  if (partial.type != fragment.type || partial.body.size() != fragment.length || partial.epoch != fragment.epoch)
    return true;
  for (size_t i = 0; i < fragment.bytes.size(); ++i)
    if (partial.have[fragment.offset + i] && partial.body[fragment.offset + i] != fragment.bytes[i]) return true;
  return false;
}

// A message that is needed later gives way to one that is needed sooner: otherwise fragments that anybody may have sent
// would keep out the very message that all others wait for.
bool Reassembler::make_room(const Fragment& fragment) {
  for (size_t farthest = next_ + kMaxMessages - 1; bytes_held_ + fragment.length > kMaxBytes; --farthest) {
    if (farthest <= fragment.sequence) return false;
    Partial& partial = slot(static_cast<uint16_t>(farthest));
    if (partial.epoch <= fragment.epoch) clear(partial);
  }
  return true;
}

Result<void, DropReason> Reassembler::begin(Partial& partial, const Fragment& fragment) {
  if (!make_room(fragment)) return fail(DropReason::ReassemblyFull);
  partial.type = fragment.type;
  partial.epoch = fragment.epoch;
  partial.used = true;
  partial.missing = fragment.length;
  partial.body.resize(fragment.length);
  partial.have.resize(fragment.length);
  bytes_held_ += fragment.length;
  return {};
}

Result<void, DropReason> Reassembler::add(const Fragment& fragment) {
  if (fragment.length > kMaxHandshakeMessage) return fail(DropReason::MessageTooLarge);
  if (fragment.sequence < next_) return fail(DropReason::Retransmission);
  if (fragment.sequence - next_ >= static_cast<int>(kMaxMessages)) return fail(DropReason::ReassemblyFull);
  Partial& partial = slot(fragment.sequence);
  if (partial.used && contradicts(partial, fragment)) {
    if (fragment.epoch < partial.epoch) return fail(DropReason::BadFragment);
    clear(partial);
  }
  if (!partial.used) {
    if (auto begun = begin(partial, fragment); !begun) return begun;
  }
  for (size_t i = 0; i < fragment.bytes.size(); ++i) {
    if (partial.have[fragment.offset + i]) continue;
    partial.have[fragment.offset + i] = true;
    partial.body[fragment.offset + i] = fragment.bytes[i];
    --partial.missing;
  }
  return {};
}

bool Reassembler::holds_protected() const {
  return std::ranges::any_of(partials_, [](const Partial& partial) { return partial.used && partial.epoch != 0; });
}

std::optional<HandshakeMessage> Reassembler::take() {
  Partial& partial = slot(next_);
  if (!partial.used || partial.missing != 0) return std::nullopt;
  HandshakeMessage message{partial.type, next_, partial.epoch, {}};
  bytes_held_ -= partial.body.size();
  message.body = std::move(partial.body);
  partial = Partial();
  ++next_;
  return message;
}

}  // namespace kaon::dtls
