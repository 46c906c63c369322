// TURN over DTLS, by libssl.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <deque>
#include <map>
#include <memory>

#include <vector>

#include "kaon/base/text.h"
#include "kaon/crypto/hash.h"
#include "kaon/crypto/system_random.h"
#include "kaon/io/internal/ssl_datagrams.h"
#include "kaon/io/internal/turn_legs.h"
#include "kaon/io/loop.h"
#include "kaon/io/udp.h"

namespace kaon::io {
namespace {

// Handshakes at once; the oldest gives way, for their source may be forged.
constexpr size_t kMaxHandshakes = 1024;
constexpr auto kRetransmitInterval = std::chrono::milliseconds(250);
constexpr size_t kCookieSize = 16;

using Bio = std::unique_ptr<BIO, SslFreed<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, SslFreed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, SslFreed<EVP_PKEY_free>>;

class DtlsLeg;

/// One client.
struct Session final : SslDatagrams {
  void send_datagram(ByteView datagram) override;

  DtlsLeg* leg = nullptr;
  turn::ClientPath client;
  SslHandle ssl;
  bool established = false;
  Time begun;
  Time last_message;
};

class DtlsLeg final : public TurnLeg, public UdpHandler {
 public:
  DtlsLeg(Loop& loop, TurnLegHost& host)
      : loop_(loop), host_(host), timer_(loop.add_timer([this](Time now) { retransmit(now); })), key_(random_key()) {}
  ~DtlsLeg() override {
    close();
    loop_.remove_timer(timer_);
  }

  std::optional<std::string> open(const net::Endpoint& local, PortSharing sharing, const TurnTls& tls);

  net::Endpoint bound() const override { return port_->bound().front(); }
  bool send(const turn::ClientPath& client, ByteView message) override;
  void sweep(Time now) override;
  // Relays for TCP are not had over datagrams: the engine refuses them.
  std::shared_ptr<TurnPipe> join(const turn::ClientPath&, turn::ConnectionId, boost::asio::ip::tcp::socket&) override {
    return nullptr;
  }
  void close() override;
  void receive(std::span<const net::Datagram> batch, Time now) override {
    for (const net::Datagram& datagram : batch) receive(datagram, now);
  }
  void writable() override {}
  void send_datagram(const turn::ClientPath& client, ByteView datagram);

 private:
  static crypto::Hmac random_key();
  static int make_cookie(SSL* ssl, unsigned char* cookie, unsigned int* size);
  static int check_cookie(SSL* ssl, const unsigned char* cookie, unsigned int size);

  std::optional<std::string> use(const TurnTls& tls);
  crypto::Digest cookie_of(const turn::ClientPath& client) const;
  void receive(const net::Datagram& datagram, Time now);
  Session* begin(const net::Datagram& datagram, Time now);
  void advance(Session& session, Time now);
  void read(Session& session, Time now);
  void retransmit(Time now);
  void end(const turn::ClientPath& client);

  Loop& loop_;
  TurnLegHost& host_;
  TimerId timer_;
  crypto::Hmac key_;
  SslContext context_;
  std::unique_ptr<UdpPort> port_;
  std::map<turn::ClientPath, std::unique_ptr<Session>> sessions_;
  std::deque<turn::ClientPath> handshakes_;  // in order of their beginning; some have ended
};

Session& session_of(SSL* ssl) { return *static_cast<Session*>(SSL_get_app_data(ssl)); }

crypto::Hmac DtlsLeg::random_key() {
  std::array<uint8_t, 32> bytes{};
  crypto::SystemRandom().fill(bytes);
  return {crypto::HashAlgorithm::Sha256, bytes};
}

void DtlsLeg::send_datagram(const turn::ClientPath& client, ByteView datagram) {
  net::Transmit transmit;
  transmit.local = client.local;
  transmit.remote = client.remote;
  transmit.size = datagram.size();
  host_.leg_stats().unsent += port_->shard(0).send(transmit, datagram) != UdpShard::SendResult::Sent;
}

void Session::send_datagram(ByteView datagram) { leg->send_datagram(client, datagram); }

crypto::Digest DtlsLeg::cookie_of(const turn::ClientPath& client) const {
  std::array<uint8_t, 2> port{};
  store_be16(port.data(), client.remote.port);
  const std::array<ByteView, 2> parts{port, client.remote.ip.bytes()};
  return key_.compute(parts);
}

int DtlsLeg::make_cookie(SSL* ssl, unsigned char* cookie, unsigned int* size) {
  const Session& session = session_of(ssl);
  std::copy_n(session.leg->cookie_of(session.client).data.begin(), kCookieSize, cookie);
  *size = kCookieSize;
  return 1;
}

int DtlsLeg::check_cookie(SSL* ssl, const unsigned char* cookie, unsigned int size) {
  const Session& session = session_of(ssl);
  const crypto::Digest digest = session.leg->cookie_of(session.client);
  return equal_in_constant_time({cookie, size}, digest.view().first(kCookieSize)) ? 1 : 0;
}

// The first certificate is ours, the others are its chain.
std::optional<std::string> use_chain(SSL_CTX* context, std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const X509Ptr own(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) {
    return std::string("The certificate cannot be used.");
  }
  while (const X509Ptr next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return std::string("The certificate chain cannot be used.");
  }
  ERR_clear_error();
  return std::nullopt;
}

std::optional<std::string> use_key(SSL_CTX* context, std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return std::string("The private key cannot be used, or does not belong to the certificate.");
  }
  return std::nullopt;
}

std::optional<std::string> use_authorities(SSL_CTX* context, std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bool any = false;
  while (const X509Ptr next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    any = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), next.get()) == 1;
  }
  ERR_clear_error();
  if (!any) return std::string("The certificates of client authorities cannot be used.");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return std::nullopt;
}

std::optional<std::string> DtlsLeg::use(const TurnTls& tls) {
  context_.reset(SSL_CTX_new(DTLS_server_method()));
  SSL_CTX_set_min_proto_version(context_.get(), DTLS1_2_VERSION);
  SSL_CTX_set_options(context_.get(), SSL_OP_COOKIE_EXCHANGE | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_cookie_generate_cb(context_.get(), &DtlsLeg::make_cookie);
  SSL_CTX_set_cookie_verify_cb(context_.get(), &DtlsLeg::check_cookie);
  SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
  if (auto problem = use_chain(context_.get(), tls.certificate)) return problem;
  if (auto problem = use_key(context_.get(), tls.private_key)) return problem;
  return tls.client_authorities.empty() ? std::nullopt : use_authorities(context_.get(), tls.client_authorities);
}

std::optional<std::string> DtlsLeg::open(const net::Endpoint& local, PortSharing sharing, const TurnTls& tls) {
  if (auto problem = use(tls)) return problem;
  const UdpPort::Member member{&loop_, this};
  UdpOptions options;
  options.bind = {local};
  options.sharing = sharing;
  auto port = UdpPort::open(std::span(&member, 1), options);
  if (!port) return cat("Cannot listen on UDP ", local, " for DTLS: ", to_string(port.error()), ".");
  port_ = std::move(*port);
  return std::nullopt;
}

void DtlsLeg::receive(const net::Datagram& datagram, Time now) {
  const auto it = sessions_.find({datagram.local, datagram.remote, net::Protocol::Dtls});
  Session* session = it == sessions_.end() ? begin(datagram, now) : it->second.get();
  if (session == nullptr) return;
  session->incoming = datagram.bytes;
  advance(*session, now);
}

Session* DtlsLeg::begin(const net::Datagram& datagram, Time now) {
  // A handshake record with a ClientHello (RFC 6347 §4.1, §4.2.2).
  const ByteView bytes = datagram.bytes;
  if (bytes.size() < 25 || bytes[0] != 22 || bytes[13] != 1) return nullptr;
  if (handshakes_.size() >= kMaxHandshakes) {
    const auto it = sessions_.find(handshakes_.front());
    if (it != sessions_.end() && !it->second->established) sessions_.erase(it);
    handshakes_.pop_front();
  }
  auto session = std::make_unique<Session>();
  session->leg = this;
  session->client = {datagram.local, datagram.remote, net::Protocol::Dtls};
  session->begun = session->last_message = now;
  session->ssl.reset(SSL_new(context_.get()));
  use_datagrams(session->ssl.get(), *session);
  SSL_set_app_data(session->ssl.get(), session.get());
  SSL_set_accept_state(session->ssl.get());
  if (handshakes_.empty()) loop_.schedule(timer_, now + kRetransmitInterval);
  handshakes_.push_back(session->client);
  return (sessions_[handshakes_.back()] = std::move(session)).get();
}

void DtlsLeg::advance(Session& session, Time now) {
  if (session.established) return read(session, now);
  ERR_clear_error();
  const int result = SSL_do_handshake(session.ssl.get());
  session.incoming = {};
  if (result == 1) {
    if (!host_.may_connect()) return end(session.client);
    session.established = true;
    session.last_message = now;
    return read(session, now);
  }
  if (SSL_get_error(session.ssl.get(), result) == SSL_ERROR_WANT_READ) return;
  ++host_.leg_stats().handshakes_failed;
  end(session.client);
}

void DtlsLeg::read(Session& session, Time now) {
  std::array<uint8_t, kMaxSslRecord> plaintext;
  while (true) {
    ERR_clear_error();
    const int size = SSL_read(session.ssl.get(), plaintext.data(), static_cast<int>(plaintext.size()));
    if (size <= 0) {
      session.incoming = {};
      const int error = SSL_get_error(session.ssl.get(), size);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) end(session.client);
      return;
    }
    session.last_message = now;
    host_.leg_message(session.client, Bytes(plaintext).first(static_cast<size_t>(size)));
  }
}

bool DtlsLeg::send(const turn::ClientPath& client, ByteView message) {
  const auto it = sessions_.find(client);
  if (it == sessions_.end() || !it->second->established || message.size() > kMaxSslRecord) return false;
  ERR_clear_error();
  return SSL_write(it->second->ssl.get(), message.data(), static_cast<int>(message.size())) > 0;
}

// libssl keeps its own time; asked often enough while a handshake goes on.
void DtlsLeg::retransmit(Time now) {
  std::deque<turn::ClientPath> going_on;
  for (const turn::ClientPath& client : std::exchange(handshakes_, {})) {
    const auto it = sessions_.find(client);
    if (it == sessions_.end() || it->second->established) continue;
    if (now - it->second->begun > TurnHost::kPatience) {
      ++host_.leg_stats().too_slow;
      sessions_.erase(it);
      continue;
    }
    DTLSv1_handle_timeout(it->second->ssl.get());
    going_on.push_back(client);
  }
  handshakes_ = std::move(going_on);
  if (!handshakes_.empty()) loop_.schedule(timer_, now + kRetransmitInterval);
}

void DtlsLeg::sweep(Time now) {
  std::vector<turn::ClientPath> idle;
  for (const auto& [client, session] : sessions_) {
    const bool old = session->established && now - session->last_message > TurnHost::kIdle;
    if (old && !host_.has_allocation(session->client)) idle.push_back(client);
  }
  host_.leg_stats().too_slow += idle.size();
  for (const turn::ClientPath& client : idle) end(client);
}

void DtlsLeg::end(const turn::ClientPath& client) {
  const auto it = sessions_.find(client);
  const std::unique_ptr<Session> session = std::move(it->second);
  sessions_.erase(it);
  if (!session->established) return;
  ERR_clear_error();
  SSL_shutdown(session->ssl.get());
  host_.disconnected();
  host_.leg_closed(session->client);
}

void DtlsLeg::close() {
  while (!sessions_.empty()) end(sessions_.begin()->first);
  handshakes_.clear();
  port_.reset();
}

}  // namespace

Result<std::unique_ptr<TurnLeg>, std::string> listen_dtls(Loop& loop, const net::Endpoint& local, PortSharing sharing,
                                                          const TurnTls& tls, TurnLegHost& host) {
  auto leg = std::make_unique<DtlsLeg>(loop, host);
  if (auto problem = leg->open(local, sharing, tls)) return fail(std::move(*problem));
  return leg;
}

}  // namespace kaon::io
