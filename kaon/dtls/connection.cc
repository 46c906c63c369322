#include "kaon/dtls/connection.h"

#include "kaon/dtls/internal/connection_impl.h"
#include "kaon/net/engine.h"

namespace kaon::dtls {

static_assert(net::ByteEngine<Connection>);

Connection::Connection(Env env, Config config) : impl_(std::make_unique<Impl>(env, std::move(config))) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

void Connection::start(Time now) { impl_->start(now); }
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
void Connection::set_mtu(size_t mtu) { impl_->set_mtu(mtu); }
Result<void, Error> Connection::update_keys() { return impl_->update_keys(); }
void Connection::close() { impl_->close(); }
bool Connection::connected() const { return impl_->connected(); }
const Counters<DropReason>& Connection::dropped() const { return impl_->dropped(); }

}  // namespace kaon::dtls
