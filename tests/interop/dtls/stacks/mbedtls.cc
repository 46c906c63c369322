// mbedTLS. Its server goes without cookies, as under ICE: with them it takes a late copy of the ClientHello for a new
// connection from the same port, and forgets the one that it has.
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "stack.h"

namespace kaon::interop {
namespace {

class MbedTls final : public Stack {
 public:
  explicit MbedTls(const StackConfig& config) : client_(config.client) {
    mbedtls_entropy_init(&entropy_);
    mbedtls_ctr_drbg_init(&random_);
    mbedtls_ssl_config_init(&config_);
    mbedtls_ssl_init(&ssl_);
    mbedtls_x509_crt_init(&certificate_);
    mbedtls_pk_init(&key_);
    must(mbedtls_ctr_drbg_seed(&random_, mbedtls_entropy_func, &entropy_, nullptr, 0));
    must(mbedtls_x509_crt_parse(&certificate_, pem(config.certificate), config.certificate.size() + 1));
    must(mbedtls_pk_parse_key(&key_, pem(config.private_key), config.private_key.size() + 1, nullptr, 0));
    configure();
    must(mbedtls_ssl_setup(&ssl_, &config_));
    mbedtls_ssl_set_mtu(&ssl_, static_cast<uint16_t>(config.mtu));
    set_bio();
  }
  ~MbedTls() override {
    mbedtls_ssl_free(&ssl_);
    mbedtls_ssl_config_free(&config_);
    mbedtls_pk_free(&key_);
    mbedtls_x509_crt_free(&certificate_);
    mbedtls_ctr_drbg_free(&random_);
    mbedtls_entropy_free(&entropy_);
  }

  void step() override {
    if (!failure.empty()) return;
    if (!connected) {
      const int result = mbedtls_ssl_handshake(&ssl_);
      connected = result == 0;
      judge(result);
    }
    unsigned char buffer[2000];
    int n = 1;
    while (connected && (n = mbedtls_ssl_read(&ssl_, buffer, sizeof buffer)) > 0)
      received.emplace_back(buffer, buffer + n);
    if (n < 0) judge(n);
  }
  std::optional<int64_t> timeout() override {
    if (!due_) return {};
    return std::max<int64_t>(0, *due_ - now());
  }
  void on_timeout() override { step(); }
  void send(std::string_view text) override {
    mbedtls_ssl_write(&ssl_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  Agreed agreed() override {
    Agreed all{
        .version = mbedtls_ssl_get_version(&ssl_) == std::string_view("DTLSv1.2") ? uint16_t{0xfefd} : uint16_t{},
        .exported = Packet(kExportedSize)};
    mbedtls_dtls_srtp_info srtp{};
    mbedtls_ssl_get_dtls_srtp_negotiation_result(&ssl_, &srtp);
    all.srtp_profile = srtp.chosen_dtls_srtp_profile;
    must(mbedtls_ssl_tls_prf(prf_, master_.data(), master_.size(), std::string(kExporterLabel).c_str(), randoms_.data(),
                             randoms_.size(), all.exported.data(), all.exported.size()));
    return all;
  }

 private:
  void configure() {
    must(mbedtls_ssl_config_defaults(&config_, client_ ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER,
                                     MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT));
    mbedtls_ssl_conf_min_version(&config_, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_rng(&config_, mbedtls_ctr_drbg_random, &random_);
    mbedtls_ssl_conf_authmode(&config_, MBEDTLS_SSL_VERIFY_OPTIONAL);
    must(mbedtls_ssl_conf_own_cert(&config_, &certificate_, &key_));
    mbedtls_ssl_conf_dtls_cookies(&config_, nullptr, nullptr, nullptr);
    static constexpr mbedtls_ssl_srtp_profile kProfiles[] = {MBEDTLS_TLS_SRTP_AES128_CM_HMAC_SHA1_80,
                                                             MBEDTLS_TLS_SRTP_UNSET};
    must(mbedtls_ssl_conf_dtls_srtp_protection_profiles(&config_, kProfiles));
    mbedtls_ssl_conf_export_keys_ext_cb(&config_, keep_keys, this);
  }
  void set_bio() {
    mbedtls_ssl_set_bio(
        &ssl_, this,
        [](void* self, const unsigned char* data, size_t size) {
          of(self).put(data, size);
          return static_cast<int>(size);
        },
        [](void* self, unsigned char* out, size_t size) {
          const auto n = of(self).take(out, size);
          return n < 0 ? MBEDTLS_ERR_SSL_WANT_READ : static_cast<int>(n);
        },
        nullptr);
    mbedtls_ssl_set_timer_cb(
        &ssl_, this,
        [](void* self, uint32_t, uint32_t total) {
          of(self).due_ = total == 0 ? std::optional<int64_t>{} : now() + int64_t{total} * 1'000'000;
        },
        // 1 would be that the first of the two times has passed, which only streams with packing need.
        [](void* self) { return !of(self).due_            ? -1
                                : now() >= *of(self).due_ ? 2
                                                          : 0; });
  }
  static int keep_keys(void* self, const unsigned char* master, const unsigned char*, size_t, size_t, size_t,
                       const unsigned char client[32], const unsigned char server[32], mbedtls_tls_prf_types prf) {
    std::copy_n(master, of(self).master_.size(), of(self).master_.data());
    std::copy_n(client, 32, of(self).randoms_.data());
    std::copy_n(server, 32, of(self).randoms_.data() + 32);
    of(self).prf_ = prf;
    return 0;
  }
  void judge(int result) {
    if (result >= 0 || result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) return;
    char text[200];
    mbedtls_strerror(result, text, sizeof text);
    fail(text, result == MBEDTLS_ERR_SSL_TIMEOUT);
  }
  void must(int result) { judge(result); }
  static const unsigned char* pem(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.c_str());
  }
  static int64_t now() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }
  static MbedTls& of(void* self) { return *static_cast<MbedTls*>(self); }

  bool client_;
  mbedtls_entropy_context entropy_{};
  mbedtls_ctr_drbg_context random_{};
  mbedtls_ssl_config config_{};
  mbedtls_ssl_context ssl_{};
  mbedtls_x509_crt certificate_{};
  mbedtls_pk_context key_{};
  std::optional<int64_t> due_;
  std::array<uint8_t, 48> master_{};
  std::array<uint8_t, 64> randoms_{};
  mbedtls_tls_prf_types prf_{};
};

}  // namespace
}  // namespace kaon::interop

kaon::interop::Stack* new_stack(const kaon::interop::StackConfig& config) { return new kaon::interop::MbedTls(config); }
const char* stack_name() {
  static const std::string name = [] {
    char text[32];
    mbedtls_version_get_string_full(text);
    return std::string(text);
  }();
  return name.c_str();
}
