// New connection ids of DTLS 1.3 (RFC 9147 §9): NewConnectionId and RequestConnectionId, ours and the peer's.
#include <algorithm>
#include <array>

#include "kaon/base/assert.h"
#include "kaon/dtls/internal/connection_impl.h"

namespace kaon::dtls {

bool Connection::Impl::waits_to_be_said() const {
  const bool ids_wait = ids_ && (ids_->new_ids || ids_->request);
  return (key_update_wanted_ && !(ids_ && ids_->sent)) || (ids_wait && flight_.empty());
}

void Connection::Impl::begin_post_handshake(Time now) {
  if (key_update_wanted_) begin_key_update(now);
  if (!ids_ || !connected() || !flight_.empty() || !(ids_->new_ids || ids_->request)) return;
  // One at a time, and alone in its flight: no KeyUpdate completes before it is acknowledged.
  if (ids_->new_ids) {
    ids_->sent = HandshakeType::NewConnectionId;
    flight_.add(*ids_->sent, session_.write_epoch, *ids_->new_ids);
    ids_->new_ids.reset();
  } else {
    ids_->sent = HandshakeType::RequestConnectionId;
    flight_.add(*ids_->sent, session_.write_epoch, std::array{*ids_->request});
    ids_->request.reset();
  }
  timeout_.reset();
  flight_sent_again(now);
}

Result<void, Error> Connection::Impl::send_new_connection_ids(const std::vector<std::vector<uint8_t>>& ids,
                                                              ConnectionIdUsage usage) {
  if (!connected()) return kaon::fail(Error::NotConnected);
  const auto& known = records_.our_connection_ids();
  if (!is13() || known.empty()) return kaon::fail(Error::NoConnectionIds);
  // RFC 9147 §9: no more than one NewConnectionId is outstanding.
  if (ids_ && (ids_->new_ids || ids_->sent == HandshakeType::NewConnectionId)) return kaon::fail(Error::Busy);
  const auto is_bad = [&](const auto& id) {
    return id.size() != our_id_size_ || std::ranges::find(known, id) != known.end() || std::ranges::count(ids, id) != 1;
  };
  if (known.size() + ids.size() > kMaxConnectionIds || std::ranges::any_of(ids, is_bad) ||
      (ids.empty() && usage == ConnectionIdUsage::Immediate))
    return kaon::fail(Error::InvalidConnectionId);
  NewConnectionId message{{ids.begin(), ids.end()}, usage};
  for (const auto& id : ids) records_.accept_connection_id(id);
  this->ids().new_ids = message.write();
  this->ids().asked_by_peer = false;
  return {};
}

Result<void, Error> Connection::Impl::request_connection_ids(uint8_t count) {
  if (!connected()) return kaon::fail(Error::NotConnected);
  if (!is13() || records_.peer_connection_id().empty()) return kaon::fail(Error::NoConnectionIds);
  if (ids_ && ids_->asked) return kaon::fail(Error::Busy);
  ids().asked = true;
  ids().request = count;
  return {};
}

bool Connection::Impl::use_spare_connection_id() {
  if (!connected() || !ids_ || ids_->spare.empty()) return false;
  records_.write_connection_id(std::move(ids_->spare.front()));
  ids_->spare.erase(ids_->spare.begin());
  return true;
}

void Connection::Impl::handle_new_connection_id(const HandshakeMessage& message) {
  // RFC 9147 §9: not from a peer that wants no ids from us.
  if (records_.peer_connection_id().empty())
    return fail({AlertDescription::UnexpectedMessage, "NewConnectionId without connection ids"});
  const auto parsed = NewConnectionId::parse(message.body);
  if (!parsed) return fail({AlertDescription::DecodeError, "malformed NewConnectionId"});
  auto& spare = ids().spare;
  ids().asked = false;
  std::vector<std::vector<uint8_t>> fresh;
  for (const ByteView id : parsed->ids)
    if (fits(id)) fresh.emplace_back(id.begin(), id.end());
  if (parsed->usage == ConnectionIdUsage::Immediate) {
    if (fresh.empty()) return fail({AlertDescription::IllegalParameter, "NewConnectionId without a usable id"});
    records_.write_connection_id(std::move(fresh.front()));
    fresh.erase(fresh.begin());
  }
  for (auto& id : fresh)
    if (spare.size() < kMaxConnectionIds) spare.push_back(std::move(id));
}

void Connection::Impl::handle_request_connection_id(const HandshakeMessage& message) {
  // RFC 9147 §9: not from a peer that writes none.
  if (records_.our_connection_ids().empty())
    return fail({AlertDescription::UnexpectedMessage, "RequestConnectionId without connection ids"});
  const auto count = parse_request_connection_id(message.body);
  if (!count) return fail({AlertDescription::DecodeError, "malformed RequestConnectionId"});
  if (std::exchange(ids().asked_by_peer, true)) return;
  events_.push_back(ConnectionIdsRequested{*count});
}

}  // namespace kaon::dtls
