// GnuTLS.
#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>

#include "stack.h"

namespace kaon::interop {
namespace {

class GnuTls final : public Stack {
 public:
  explicit GnuTls(const StackConfig& config) {
    gnutls_init(&session_,
                (config.client ? GNUTLS_CLIENT : GNUTLS_SERVER) | unsigned{GNUTLS_DATAGRAM} | GNUTLS_NONBLOCK);
    gnutls_priority_set_direct(session_, "NORMAL:-VERS-ALL:+VERS-DTLS1.2", nullptr);
    gnutls_certificate_allocate_credentials(&credentials_);
    const gnutls_datum_t certificate = datum(config.certificate), key = datum(config.private_key);
    gnutls_certificate_set_x509_key_mem(credentials_, &certificate, &key, GNUTLS_X509_FMT_PEM);
    gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_);
    if (!config.client) gnutls_certificate_server_set_request(session_, GNUTLS_CERT_REQUIRE);
    gnutls_srtp_set_profile(session_, GNUTLS_SRTP_AES128_CM_HMAC_SHA1_80);
    gnutls_dtls_set_mtu(session_, static_cast<unsigned>(config.mtu));
    gnutls_transport_set_ptr(session_, this);
    gnutls_transport_set_push_function(session_, [](gnutls_transport_ptr_t self, const void* data, size_t size) {
      of(self).put(static_cast<const uint8_t*>(data), size);
      return static_cast<ssize_t>(size);
    });
    gnutls_transport_set_pull_function(session_, [](gnutls_transport_ptr_t self, void* out, size_t size) -> ssize_t {
      const auto n = of(self).take(static_cast<uint8_t*>(out), size);
      if (n < 0) gnutls_transport_set_errno(of(self).session_, EAGAIN);
      return n;
    });
    gnutls_transport_set_pull_timeout_function(
        session_, [](gnutls_transport_ptr_t self, unsigned) { return of(self).incoming.empty() ? 0 : 1; });
  }
  ~GnuTls() override {
    gnutls_deinit(session_);
    gnutls_certificate_free_credentials(credentials_);
  }

  void step() override {
    // One call takes one datagram, and may leave others.
    for (size_t left = incoming.size() + 1; left > 0 && failure.empty(); --left) {
      if (connected) {
        read();
      } else {
        const int result = gnutls_handshake(session_);
        connected = result == GNUTLS_E_SUCCESS;
        judge(result);
      }
    }
  }
  std::optional<int64_t> timeout() override {
    if (connected) return {};
    return int64_t{gnutls_dtls_get_timeout(session_)} * 1'000'000;
  }
  void on_timeout() override { step(); }
  void send(std::string_view text) override { gnutls_record_send(session_, text.data(), text.size()); }
  Agreed agreed() override {
    Agreed all{.version = gnutls_protocol_get_version(session_) == GNUTLS_DTLS1_2 ? uint16_t{0xfefd} : uint16_t{},
               .exported = Packet(kExportedSize)};
    gnutls_srtp_profile_t profile{};
    if (gnutls_srtp_get_selected_profile(session_, &profile) == GNUTLS_E_SUCCESS)
      all.srtp_profile = static_cast<uint16_t>(profile);
    gnutls_prf_rfc5705(session_, kExporterLabel.size(), kExporterLabel.data(), 0, nullptr, all.exported.size(),
                       reinterpret_cast<char*>(all.exported.data()));
    return all;
  }

 private:
  void read() {
    char buffer[2000];
    ssize_t n;
    while ((n = gnutls_record_recv(session_, buffer, sizeof buffer)) > 0) received.emplace_back(buffer, buffer + n);
    judge(static_cast<int>(n));
  }
  void judge(int result) {
    if (result < 0 && gnutls_error_is_fatal(result) != 0) fail(gnutls_strerror(result), result == GNUTLS_E_TIMEDOUT);
  }
  static gnutls_datum_t datum(const std::string& text) {
    return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
  }
  static GnuTls& of(gnutls_transport_ptr_t self) { return *static_cast<GnuTls*>(self); }

  gnutls_session_t session_ = nullptr;
  gnutls_certificate_credentials_t credentials_ = nullptr;
};

}  // namespace
}  // namespace kaon::interop

kaon::interop::Stack* new_stack(const kaon::interop::StackConfig& config) { return new kaon::interop::GnuTls(config); }
const char* stack_name() {
  static const std::string name = std::string("GnuTLS ") + gnutls_check_version(nullptr);
  return name.c_str();
}
