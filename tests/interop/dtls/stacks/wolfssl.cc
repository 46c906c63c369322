// wolfSSL. As a server it wants its cookie back: HelloVerifyRequest in 1.2, HelloRetryRequest in 1.3.

// First, as the others go by it.
#include <wolfssl/options.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>

#include <algorithm>
#include <chrono>

#include "stack.h"

namespace kaon::interop {
namespace {

class WolfSsl final : public Stack {
 public:
  explicit WolfSsl(const StackConfig& config) : dtls13_(config.dtls13) {
    static const bool ready = wolfSSL_Init() == WOLFSSL_SUCCESS;
    if (!ready) {
      fail("wolfSSL_Init", false);
      return;
    }
    WOLFSSL_METHOD* method = config.dtls13
                                 ? (config.client ? wolfDTLSv1_3_client_method() : wolfDTLSv1_3_server_method())
                                 : (config.client ? wolfDTLSv1_2_client_method() : wolfDTLSv1_2_server_method());
    context_ = wolfSSL_CTX_new(method);
    wolfSSL_CTX_set_verify(context_, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           [](int, WOLFSSL_X509_STORE_CTX*) { return 1; });
    must(wolfSSL_CTX_use_certificate_buffer(context_, bytes(config.certificate),
                                            static_cast<long>(config.certificate.size()), WOLFSSL_FILETYPE_PEM));
    must(wolfSSL_CTX_use_PrivateKey_buffer(context_, bytes(config.private_key),
                                           static_cast<long>(config.private_key.size()), WOLFSSL_FILETYPE_PEM));
    wolfSSL_CTX_SetIORecv(context_, [](WOLFSSL*, char* out, int size, void* self) {
      const auto n = of(self).take(reinterpret_cast<uint8_t*>(out), static_cast<size_t>(size));
      return n < 0 ? int{WOLFSSL_CBIO_ERR_WANT_READ} : static_cast<int>(n);
    });
    wolfSSL_CTX_SetIOSend(context_, [](WOLFSSL*, char* data, int size, void* self) {
      of(self).put(reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(size));
      return size;
    });
    wolfSSL_CTX_SetGenCookie(context_, [](WOLFSSL*, unsigned char* out, int size, void*) {
      std::fill_n(out, size, static_cast<unsigned char>(0xc0));
      return size;
    });
    ssl_ = wolfSSL_new(context_);
    wolfSSL_SetIOReadCtx(ssl_, this);
    wolfSSL_SetIOWriteCtx(ssl_, this);
    wolfSSL_KeepArrays(ssl_);  // the exporter works with them
    wolfSSL_dtls_set_using_nonblock(ssl_, 1);
    must(wolfSSL_dtls_set_mtu(ssl_, static_cast<unsigned short>(config.mtu)));
    if (wolfSSL_set_tlsext_use_srtp(ssl_, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") != 0)
      fail("no use_srtp", false);
    if (config.dtls13 && !config.client) must(wolfSSL_dtls13_allow_ch_frag(ssl_, 1));
    config.client ? wolfSSL_set_connect_state(ssl_) : wolfSSL_set_accept_state(ssl_);
  }
  ~WolfSsl() override {
    wolfSSL_free(ssl_);
    wolfSSL_CTX_free(context_);
  }

  void step() override {
    if (!failure.empty()) return;
    int result = WOLFSSL_SUCCESS;
    bool data_lies_there = false;
    const size_t sent_before = outgoing.size();
    if (!connected) {
      result = wolfSSL_SSL_do_handshake(ssl_);
      connected = result == WOLFSSL_SUCCESS;
      data_lies_there = !connected && wolfSSL_get_error(ssl_, result) == APP_DATA_READY;
      if (!connected) judge(result);
    }
    char buffer[2000];
    while ((connected || data_lies_there) && (result = wolfSSL_read(ssl_, buffer, sizeof buffer)) > 0)
      received.emplace_back(buffer, buffer + result);
    if (connected && result <= 0) judge(result);
    arm(outgoing.size() > sent_before);
  }
  std::optional<int64_t> timeout() override {
    if (connected && !dtls13_) return {};
    if (!due_) arm(true);
    return std::max<int64_t>(0, *due_ - now());
  }
  void on_timeout() override {
    due_.reset();
    if (const int result = wolfSSL_dtls_got_timeout(ssl_); result != WOLFSSL_SUCCESS) {
      // SOCKET_ERROR_E is what it calls having sent a flight of 1.2 as often as it does.
      const int error = wolfSSL_get_error(ssl_, result);
      if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE)
        return fail("retransmission: " + text_of(error), error == SOCKET_ERROR_E || error == WOLFSSL_FATAL_ERROR);
    }
    step();
  }
  void send(std::string_view text) override { wolfSSL_write(ssl_, text.data(), static_cast<int>(text.size())); }
  Agreed agreed() override {
    Agreed all{.version = wolfSSL_version(ssl_) == DTLS1_3_VERSION ? uint16_t{0xfefc} : uint16_t{0xfefd},
               .exported = Packet(kExportedSize)};
    if (const auto* profile = wolfSSL_get_selected_srtp_profile(ssl_))
      all.srtp_profile = static_cast<uint16_t>(profile->id);
    must(wolfSSL_export_keying_material(ssl_, all.exported.data(), all.exported.size(), kExporterLabel.data(),
                                        kExporterLabel.size(), nullptr, 0, 0));
    return all;
  }

 private:
  /// Its user keeps the time. What only arrives must not put a retransmission off.
  void arm(bool anew) {
    int64_t wait = int64_t{wolfSSL_dtls_get_current_timeout(ssl_)} * 1'000'000'000;
    if (dtls13_ && wolfSSL_dtls13_use_quick_timeout(ssl_) != 0) wait /= 4;
    const int64_t due = now() + wait;
    due_ = anew || !due_ ? due : std::min(*due_, due);
  }
  void must(int result) {
    if (result != WOLFSSL_SUCCESS) fail("wolfSSL: " + text_of(result), false);
  }
  void judge(int result) {
    const int error = wolfSSL_get_error(ssl_, result);
    // The last: data came before the end of the handshake, and lies there.
    if (error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE || error == APP_DATA_READY) return;
    fail(text_of(error), false);
  }
  static std::string text_of(int error) {
    char text[WOLFSSL_MAX_ERROR_SZ];
    return wolfSSL_ERR_error_string(static_cast<unsigned long>(error), text);
  }
  static const unsigned char* bytes(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  }
  static int64_t now() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }
  static WolfSsl& of(void* self) { return *static_cast<WolfSsl*>(self); }

  bool dtls13_;
  WOLFSSL_CTX* context_ = nullptr;
  WOLFSSL* ssl_ = nullptr;
  std::optional<int64_t> due_;
};

}  // namespace
}  // namespace kaon::interop

kaon::interop::Stack* new_stack(const kaon::interop::StackConfig& config) { return new kaon::interop::WolfSsl(config); }
const char* stack_name() {
  static const std::string name = std::string("wolfSSL ") + wolfSSL_lib_version();
  return name.c_str();
}
