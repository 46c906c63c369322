// Return routability checks (RFC 9853): is the peer at the address that its packets now come from?
#include "kaon/base/assert.h"
#include "kaon/base/writer.h"
#include "kaon/dtls/internal/connection_impl.h"

namespace kaon::dtls {

namespace {

// RFC 9853 §5: type and cookie.
constexpr uint8_t kPathChallenge = 0;
constexpr uint8_t kPathResponse = 1;
constexpr uint8_t kPathDrop = 2;

}  // namespace

Result<size_t, Error> Connection::Impl::check_path(Bytes out, Time now) {
  if (!connected()) return kaon::fail(Error::NotConnected);
  if (!session_.return_routability) return kaon::fail(Error::NoReturnRoutability);
  if (path_challenge_ || path_event_waits_) return kaon::fail(Error::Busy);
  KAON_ASSERT(out.size() >= kPathMessageSize + overhead());
  PathCookie cookie;
  env_.random.fill(cookie);
  std::array<uint8_t, kPathMessageSize> message = {kPathChallenge};
  std::ranges::copy(cookie, message.begin() + 1);
  path_challenge_ = cookie;
  deadlines_[kPathCheck] = now + kPathCheckTimeout;
  return records_.seal(session_.write_epoch, ContentType::ReturnRoutability, message, out);
}

size_t Connection::Impl::answer_path_check(Bytes out) {
  if (!connected() || !peers_path_challenge_) return 0;
  KAON_ASSERT(out.size() >= kPathMessageSize + overhead());
  std::array<uint8_t, kPathMessageSize> message = {kPathResponse};
  std::ranges::copy(*peers_path_challenge_, message.begin() + 1);
  peers_path_challenge_.reset();
  return records_.seal(session_.write_epoch, ContentType::ReturnRoutability, message, out);
}

void Connection::Impl::handle_path_message(ByteView payload) {
  if (payload.size() != kPathMessageSize) return dropped_.add(DropReason::Malformed);
  PathCookie cookie;
  std::ranges::copy(payload.subspan(1), cookie.begin());
  switch (payload[0]) {
    case kPathChallenge: peers_path_challenge_ = cookie; return;
    case kPathResponse:
    case kPathDrop:
      // An answer to something else, or too late, says nothing (RFC 9853 §7.1).
      if (path_challenge_ != cookie) return dropped_.add(DropReason::Replayed);
      return end_path_check(payload[0] == kPathResponse);
    default: return dropped_.add(DropReason::Malformed);
  }
}

void Connection::Impl::end_path_check(bool answered) {
  path_challenge_.reset();
  deadlines_[kPathCheck] = kNever;
  path_event_waits_ = true;
  events_.push_back(PathChecked{answered});
}

}  // namespace kaon::dtls
