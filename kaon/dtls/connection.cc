#include "kaon/dtls/connection.h"

#include "kaon/dtls/internal/connection_impl.h"
#include "kaon/net/engine.h"

namespace kaon::dtls {

static_assert(net::ByteEngine<Connection>);

Connection::Connection(Env env, Config config) : impl_(std::make_unique<Impl>(env, std::move(config))) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

std::optional<ByteView> Connection::connection_id_of(ByteView packet, size_t size) {
  constexpr size_t kOffset12 = kRecordHeaderSize - 2;  // before the length
  constexpr size_t kOffset13 = 1;
  if (packet.empty()) return std::nullopt;
  const bool is12 = packet[0] == static_cast<uint8_t>(ContentType::Tls12Cid);
  if (!is12 && (packet[0] & 0xf0) != 0x30) return std::nullopt;
  const size_t offset = is12 ? kOffset12 : kOffset13;
  if (packet.size() < offset + size) return std::nullopt;
  return packet.subspan(offset, size);
}

void Connection::start(Time now) { impl_->start(now); }
void Connection::accept(const AdmittedHello& hello, Time now) { impl_->accept(hello, now); }
void Connection::handle_packet(Bytes packet, Time now) { impl_->handle_packet(packet, now); }
void Connection::handle_timeout(Time now) { impl_->handle_timeout(now); }
Time Connection::next_timeout() const { return impl_->next_timeout(); }
std::optional<net::Transmit> Connection::poll_transmit(Bytes out) { return impl_->poll_transmit(out); }
std::optional<Event> Connection::poll_event() { return impl_->poll_event(); }
std::optional<Bytes> Connection::poll_application_data() { return impl_->poll_application_data(); }
size_t Connection::overhead() const { return impl_->overhead(); }
size_t Connection::payload_offset() const { return impl_->payload_offset(); }
size_t Connection::protect(ByteView plaintext, Bytes out) { return impl_->protect(plaintext, out); }
Result<void, Error> Connection::export_keying_material(std::string_view label, ByteView context, Bytes out) const {
  return impl_->export_keying_material(label, context, out);
}
void Connection::set_remote_fingerprints(std::vector<crypto::Fingerprint> fingerprints) {
  impl_->set_remote_fingerprints(std::move(fingerprints));
}
void Connection::set_rtt(Duration rtt) { impl_->set_rtt(rtt); }
void Connection::peer_has_keys() { impl_->peer_has_keys(); }
void Connection::path_ready(bool flight_lost, Time now) { impl_->path_ready(flight_lost, now); }
void Connection::set_mtu(size_t mtu) { impl_->set_mtu(mtu); }
Result<void, Error> Connection::update_keys() { return impl_->update_keys(); }
bool Connection::peer_may_have_moved() const { return impl_->peer_may_have_moved(); }
ByteView Connection::remote_connection_id() const { return impl_->remote_connection_id(); }
Result<void, Error> Connection::send_new_connection_ids(const std::vector<std::vector<uint8_t>>& ids,
                                                        ConnectionIdUsage usage) {
  return impl_->send_new_connection_ids(ids, usage);
}
Result<void, Error> Connection::request_connection_ids(uint8_t count) { return impl_->request_connection_ids(count); }
Result<size_t, Error> Connection::check_path(Bytes out, Time now) { return impl_->check_path(out, now); }
size_t Connection::answer_path_check(Bytes out) { return impl_->answer_path_check(out); }
bool Connection::use_spare_connection_id() { return impl_->use_spare_connection_id(); }
void Connection::forget_connection_id(ByteView id) { impl_->forget_connection_id(id); }
void Connection::close() { impl_->close(); }
bool Connection::connected() const { return impl_->connected(); }
bool Connection::writable() const { return impl_->writable(); }
const Counters<DropReason>& Connection::dropped() const { return impl_->dropped(); }

}  // namespace kaon::dtls
