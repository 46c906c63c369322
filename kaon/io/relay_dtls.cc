// A TURN client's way over DTLS, by libssl on the UDP socket of another leg.
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/time.h>

#include <utility>
#include <vector>

#include "kaon/base/text.h"
#include "kaon/io/internal/relay_leg.h"
#include "kaon/io/internal/ssl_datagrams.h"

namespace kaon::io {
namespace {

class DtlsLeg final : public RelayLeg, public SslDatagrams, public std::enable_shared_from_this<DtlsLeg> {
 public:
  DtlsLeg(Loop& loop, Handlers handlers)
      : loop_(loop),
        handlers_(std::move(handlers)),
        timer_(loop.add_timer([this](Time now) { handle_timeout(now); })) {}
  ~DtlsLeg() { loop_.remove_timer(timer_); }

  bool open(const RelayServer& server);
  bool send(ByteView header, ByteView data, size_t padding) override;
  void close() override;
  void set_dscp(uint8_t dscp) override { udp_->set_dscp(dscp); }
  std::optional<net::IpAddress> local() const override { return udp_->local(); }
  void send_datagram(ByteView datagram) override { udp_->send(datagram, {}, 0); }

 private:
  bool prepare(const std::string& host);
  void shake_hands();
  void handle_timeout(Time now);
  void set_timer();
  void receive(Bytes datagram);
  void read(Bytes memory);
  std::string problem() const;
  void fail(std::string reason);
  void end();

  Loop& loop_;
  Handlers handlers_;
  TimerId timer_;
  std::shared_ptr<RelayLeg> udp_;
  SslContext context_;
  SslHandle ssl_;
  Time deadline_ = kNever;
  std::vector<uint8_t> out_;
  bool established_ = false;
  bool closed_ = false;
};

bool DtlsLeg::open(const RelayServer& server) {
  if (!prepare(server.host)) return false;
  const auto on = [weak = weak_from_this()](auto method) {
    return [weak, method](auto... arguments) {
      const auto self = weak.lock();
      if (self && !self->closed_) (self.get()->*method)(arguments...);
    };
  };
  Handlers handlers;
  handlers.on_ready = on(&DtlsLeg::shake_hands);
  handlers.on_message = on(&DtlsLeg::receive);
  handlers.on_drained = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->closed_ && self->established_) self->handlers_.on_drained();
  };
  deadline_ = Loop::now() + kConnectTimeout;
  udp_ = open_relay_udp(loop_, server, std::move(handlers));
  return udp_ != nullptr;
}

// The certificate is checked as over TLS: for the name in the URL, or for the address if it is one (RFC 7350 §4.6).
bool DtlsLeg::prepare(const std::string& host) {
  context_.reset(SSL_CTX_new(DTLS_client_method()));
  if (!context_) return false;
  SSL_CTX_set_default_verify_paths(context_.get());
  SSL_CTX_set_min_proto_version(context_.get(), DTLS1_2_VERSION);
  SSL_CTX_set_options(context_.get(), SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION);
  ssl_.reset(SSL_new(context_.get()));
  if (!ssl_) return false;
  use_datagrams(ssl_.get(), *this);
  SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
  SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set_connect_state(ssl_.get());
  if (net::IpAddress::parse(host)) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str()) == 1;
  }
  return SSL_set1_host(ssl_.get(), host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) == 1;
}

void DtlsLeg::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  incoming = {};
  if (result == 1) {
    established_ = true;
    loop_.schedule(timer_, kNever);
    return handlers_.on_ready();
  }
  if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) return fail(problem());
  set_timer();
}

void DtlsLeg::set_timer() {
  timeval left{};
  Time next = deadline_;
  if (DTLSv1_get_timeout(ssl_.get(), &left) == 1) {
    next = std::min(next, Loop::now() + std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec));
  }
  loop_.schedule(timer_, next);
}

void DtlsLeg::handle_timeout(Time now) {
  if (now >= deadline_) return fail("the connection takes too long");
  ERR_clear_error();
  if (DTLSv1_handle_timeout(ssl_.get()) < 0) return fail(problem());
  set_timer();
}

void DtlsLeg::receive(Bytes datagram) {
  const auto self = shared_from_this();
  incoming = datagram;
  if (!established_) shake_hands();
  if (established_ && !closed_) read(datagram);
}

// Messages take the place of the datagram, which libssl has copied: they are shorter.
void DtlsLeg::read(Bytes memory) {
  while (!closed_ && !memory.empty()) {
    ERR_clear_error();
    const int size = SSL_read(ssl_.get(), memory.data(), static_cast<int>(memory.size()));
    if (size <= 0) {
      incoming = {};
      if (SSL_get_error(ssl_.get(), size) != SSL_ERROR_WANT_READ) fail("the server has ended the session");
      return;
    }
    handlers_.on_message(memory.first(static_cast<size_t>(size)));
    memory = memory.subspan(static_cast<size_t>(size));
  }
}

bool DtlsLeg::send(ByteView header, ByteView data, size_t padding) {
  if (!established_ || header.size() + data.size() + padding > kMaxSslRecord) return false;
  // One record is one message.
  out_.assign(header.begin(), header.end());
  out_.insert(out_.end(), data.begin(), data.end());
  out_.resize(out_.size() + padding);
  ERR_clear_error();
  return SSL_write(ssl_.get(), out_.data(), static_cast<int>(out_.size())) > 0;
}

std::string DtlsLeg::problem() const {
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) return cat("certificate: ", X509_verify_cert_error_string(verified));
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  return reason == nullptr ? std::string("the DTLS handshake failed") : std::string(reason);
}

void DtlsLeg::fail(std::string reason) {
  const auto self = shared_from_this();
  if (closed_) return;
  end();
  handlers_.on_failed({.reason = std::move(reason)});
}

void DtlsLeg::close() {
  if (closed_) return;
  ERR_clear_error();
  if (established_) SSL_shutdown(ssl_.get());
  end();
}

void DtlsLeg::end() {
  closed_ = true;
  loop_.schedule(timer_, kNever);
  udp_->close();
}

}  // namespace

std::shared_ptr<RelayLeg> open_relay_dtls(Loop& loop, const RelayServer& server, RelayLeg::Handlers handlers) {
  auto leg = std::make_shared<DtlsLeg>(loop, std::move(handlers));
  return leg->open(server) ? leg : nullptr;
}

}  // namespace kaon::io
