// OpenSSL's libssl; BoringSSL's too, by its headers.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "stack.h"

namespace kaon::interop {
namespace {

class OpenSsl final : public Stack {
 public:
  explicit OpenSsl(const StackConfig& config) : context_(SSL_CTX_new(DTLS_method())) {
    SSL_CTX_set_tlsext_use_srtp(context_, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80");
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
#ifdef OPENSSL_IS_BORINGSSL
    SSL_CTX_set_custom_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                              [](SSL*, uint8_t*) { return ssl_verify_ok; });
    const uint16_t version = config.dtls13 ? DTLS1_3_VERSION : DTLS1_2_VERSION;
    SSL_CTX_set_min_proto_version(context_, version);
    SSL_CTX_set_max_proto_version(context_, version);
#else
    SSL_CTX_set_cert_verify_callback(context_, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
#endif
    SSL_CTX_set_keylog_callback(context_,
                                [](const SSL* ssl, const char* line) { of(SSL_get_rbio(ssl)).key_log.insert(line); });
    use_certificate(config);
    ssl_ = SSL_new(context_);
    BIO* bio = BIO_new(method());
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_options(ssl_, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(ssl_, static_cast<unsigned>(config.mtu));
    config.client ? SSL_set_connect_state(ssl_) : SSL_set_accept_state(ssl_);
  }
  ~OpenSsl() override {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  void step() override {
    if (!failure.empty()) return;
    int n = 1;
    if (!connected) {
      n = SSL_do_handshake(ssl_);
      connected = n == 1;
    }
    char buffer[2000];
    while (connected && (n = SSL_read(ssl_, buffer, sizeof buffer)) > 0) received.emplace_back(buffer, buffer + n);
    if (n <= 0) judge(n);
  }
  std::optional<int64_t> timeout() override {
    timeval left{};
    if (DTLSv1_get_timeout(ssl_, &left) != 1) return {};
    return int64_t{left.tv_sec} * 1'000'000'000 + int64_t{left.tv_usec} * 1000;
  }
  void on_timeout() override {
    if (const int n = DTLSv1_handle_timeout(ssl_); n < 0) judge(n);
    step();
  }
  void send(std::string_view text) override { SSL_write(ssl_, text.data(), static_cast<int>(text.size())); }
  Agreed agreed() override {
    Agreed all{.version = static_cast<uint16_t>(SSL_version(ssl_)), .exported = Packet(kExportedSize)};
    if (const auto* profile = SSL_get_selected_srtp_profile(ssl_))
      all.srtp_profile = static_cast<uint16_t>(profile->id);
    SSL_export_keying_material(ssl_, all.exported.data(), all.exported.size(), kExporterLabel.data(),
                               kExporterLabel.size(), nullptr, 0, 0);
    return all;
  }

 private:
  /// What a call that did not succeed says. An error that nothing stands behind is a datagram that was dropped.
  void judge(int result) {
    const int error = SSL_get_error(ssl_, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return ERR_clear_error();
    const auto code = ERR_peek_error();
    ERR_clear_error();
    if (code == 0) return;
    const int reason = ERR_GET_REASON(code);
    char text[200];
    ERR_error_string_n(code, text, sizeof text);
    fail(text, reason == SSL_R_READ_TIMEOUT_EXPIRED);
  }
  void use_certificate(const StackConfig& config) {
    BIO* bio = BIO_new_mem_buf(config.certificate.data(), static_cast<int>(config.certificate.size()));
    X509* x509 = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    bio = BIO_new_mem_buf(config.private_key.data(), static_cast<int>(config.private_key.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    if (SSL_CTX_use_certificate(context_, x509) != 1 || SSL_CTX_use_PrivateKey(context_, key) != 1)
      fail("certificate refused", false);
    X509_free(x509);
    EVP_PKEY_free(key);
  }
  static BIO_METHOD* method() {
    static BIO_METHOD* const all = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
      BIO_meth_set_write(m, [](BIO* bio, const char* data, int size) {
        of(bio).put(reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(size));
        return size;
      });
      BIO_meth_set_read(m, [](BIO* bio, char* out, int size) {
        BIO_clear_retry_flags(bio);
        const auto n = of(bio).take(reinterpret_cast<uint8_t*>(out), static_cast<size_t>(size));
        if (n < 0) BIO_set_retry_read(bio);
        return static_cast<int>(n);
      });
      BIO_meth_set_ctrl(m, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH; });
      return m;
    }();
    return all;
  }
  static OpenSsl& of(BIO* bio) { return *static_cast<OpenSsl*>(BIO_get_data(bio)); }

  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
};

}  // namespace
}  // namespace kaon::interop

kaon::interop::Stack* new_stack(const kaon::interop::StackConfig& config) { return new kaon::interop::OpenSsl(config); }
const char* stack_name() {
#ifdef OPENSSL_IS_BORINGSSL
  return "BoringSSL";
#else
  return OpenSSL_version(OPENSSL_VERSION);
#endif
}
