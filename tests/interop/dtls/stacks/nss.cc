// NSS, out of Firefox's package: Debian's own is too old for the final DTLS 1.3. How large its datagrams are is its own
// affair: nothing sets that.
#include <cert.h>
#include <nspr.h>
#include <nss.h>
#include <nssb64.h>
#include <pk11pub.h>
#include <secerr.h>
#include <ssl.h>
#include <sslerr.h>
#include <sslproto.h>

#include <cstring>

#include "stack.h"

namespace kaon::interop {
namespace {

/// What stands between the lines of a PEM text.
SECItem* decode_pem(const std::string& pem) {
  const size_t begin = pem.find('\n') + 1, end = pem.find("-----END");
  return NSSBase64_DecodeBuffer(nullptr, nullptr, pem.c_str() + begin, static_cast<unsigned>(end - begin));
}

class Nss final : public Stack {
 public:
  explicit Nss(const StackConfig& config) {
    load_certificate(config);
    if (!failure.empty()) return;
    file_ = DTLS_ImportFD(nullptr, make_socket());
    const uint16_t version = config.dtls13 ? SSL_LIBRARY_VERSION_TLS_1_3 : SSL_LIBRARY_VERSION_TLS_1_2;
    const SSLVersionRange range{version, version};
    must(SSL_VersionRangeSet(file_, &range));
    must(SSL_OptionSet(file_, SSL_SECURITY, PR_TRUE));
    must(SSL_OptionSet(file_, SSL_NO_CACHE, PR_TRUE));
    must(SSL_OptionSet(file_, SSL_ENABLE_EXTENDED_MASTER_SECRET, PR_TRUE));
    constexpr PRUint16 kProfiles[] = {7, 8, 1};
    must(SSL_SetSRTPCiphers(file_, kProfiles, 3));
    must(SSL_AuthCertificateHook(file_, [](void*, PRFileDesc*, PRBool, PRBool) { return SECSuccess; }, nullptr));
    if (config.client) {
      must(SSL_SetURL(file_, "kaon"));
      must(SSL_GetClientAuthDataHook(file_, give_certificate, this));
    } else {
      must(SSL_OptionSet(file_, SSL_HANDSHAKE_AS_SERVER, PR_TRUE));
      must(SSL_OptionSet(file_, SSL_REQUEST_CERTIFICATE, PR_TRUE));
      must(SSL_OptionSet(file_, SSL_REQUIRE_CERTIFICATE, SSL_REQUIRE_ALWAYS));
      must(SSL_ConfigServerCert(file_, certificate_, key_, nullptr, 0));
    }
    must(SSL_ResetHandshake(file_, config.client ? PR_FALSE : PR_TRUE));
  }
  ~Nss() override {
    if (file_ != nullptr) PR_Close(file_);
    if (key_ != nullptr) SECKEY_DestroyPrivateKey(key_);
    if (certificate_ != nullptr) CERT_DestroyCertificate(certificate_);
  }

  void step() override {
    if (!failure.empty()) return;
    if (!connected) {
      connected = SSL_ForceHandshake(file_) == SECSuccess;
      if (!connected) return judge();
    }
    char buffer[2000];
    PRInt32 n;
    while ((n = PR_Recv(file_, buffer, sizeof buffer, 0, PR_INTERVAL_NO_WAIT)) > 0)
      received.emplace_back(buffer, buffer + n);
    if (n < 0) judge();
  }
  std::optional<int64_t> timeout() override {
    PRIntervalTime left = 0;
    if (file_ == nullptr || DTLS_GetHandshakeTimeout(file_, &left) != SECSuccess) return {};
    return int64_t{PR_IntervalToMicroseconds(left)} * 1000;
  }
  void on_timeout() override { step(); }
  void send(std::string_view text) override {
    PR_Send(file_, text.data(), static_cast<PRInt32>(text.size()), 0, PR_INTERVAL_NO_WAIT);
  }
  Agreed agreed() override {
    SSLChannelInfo info{};
    must(SSL_GetChannelInfo(file_, &info, sizeof info));
    Agreed all{.version = info.protocolVersion == SSL_LIBRARY_VERSION_TLS_1_3 ? uint16_t{0xfefc} : uint16_t{0xfefd},
               .exported = Packet(kExportedSize)};
    PRUint16 profile = 0;
    if (SSL_GetSRTPCipher(file_, &profile) == SECSuccess) all.srtp_profile = profile;
    must(SSL_ExportKeyingMaterial(file_, kExporterLabel.data(), static_cast<unsigned>(kExporterLabel.size()), PR_FALSE,
                                  nullptr, 0, all.exported.data(), static_cast<unsigned>(all.exported.size())));
    return all;
  }

 private:
  void load_certificate(const StackConfig& config) {
    static const bool ready = NSS_NoDB_Init(nullptr) == SECSuccess && NSS_SetDomesticPolicy() == SECSuccess;
    if (!ready) return judge();
    SECItem* der = decode_pem(config.certificate);
    certificate_ = CERT_NewTempCertificate(CERT_GetDefaultCertDB(), der, nullptr, PR_FALSE, PR_TRUE);
    SECITEM_FreeItem(der, PR_TRUE);
    if (certificate_ == nullptr) return judge();
    SECKEYPublicKey* shown = CERT_ExtractPublicKey(certificate_);
    SECItem* key = decode_pem(config.private_key);
    PK11SlotInfo* slot = PK11_GetInternalSlot();
    must(PK11_ImportDERPrivateKeyInfoAndReturnKey(slot, key, nullptr, &shown->u.ec.publicValue, PR_FALSE, PR_FALSE,
                                                  KU_ALL, &key_, nullptr));
    PK11_FreeSlot(slot);
    SECITEM_FreeItem(key, PR_TRUE);
    SECKEY_DestroyPublicKey(shown);
  }
  PRFileDesc* make_socket() {
    static const PRDescIdentity identity = PR_GetUniqueIdentity("datagrams");
    static const PRIOMethods methods = [] {
      PRIOMethods all = *PR_GetDefaultIOMethods();
      all.recv = [](PRFileDesc* file, void* out, PRInt32 size, PRIntn, PRIntervalTime) {
        const auto n = of(file).take(static_cast<uint8_t*>(out), static_cast<size_t>(size));
        if (n < 0) PR_SetError(PR_WOULD_BLOCK_ERROR, 0);
        return static_cast<PRInt32>(n);
      };
      all.send = [](PRFileDesc* file, const void* data, PRInt32 size, PRIntn, PRIntervalTime) {
        of(file).put(static_cast<const uint8_t*>(data), static_cast<size_t>(size));
        return size;
      };
      all.getsocketoption = [](PRFileDesc*, PRSocketOptionData* option) {
        option->value.non_blocking = PR_TRUE;
        return option->option == PR_SockOpt_Nonblocking ? PR_SUCCESS : PR_FAILURE;
      };
      all.setsocketoption = [](PRFileDesc*, const PRSocketOptionData*) { return PR_SUCCESS; };  // asked when it closes
      all.getpeername = [](PRFileDesc*, PRNetAddr* address) {
        return PR_InitializeNetAddr(PR_IpAddrLoopback, 1, address);
      };
      all.close = [](PRFileDesc* file) {
        file->dtor(file);
        return PR_SUCCESS;
      };
      return all;
    }();
    PRFileDesc* file = PR_CreateIOLayerStub(identity, &methods);
    file->secret = reinterpret_cast<PRFilePrivate*>(this);
    return file;
  }
  static SECStatus give_certificate(void* self, PRFileDesc*, CERTDistNames*, CERTCertificate** certificate,
                                    SECKEYPrivateKey** key) {
    *certificate = CERT_DupCertificate(static_cast<Nss*>(self)->certificate_);
    *key = SECKEY_CopyPrivateKey(static_cast<Nss*>(self)->key_);
    return SECSuccess;
  }
  void must(SECStatus status) {
    if (status != SECSuccess) judge();
  }
  void judge() {
    const PRErrorCode error = PR_GetError();
    if (error == PR_WOULD_BLOCK_ERROR) return;
    const char* name = PR_ErrorToName(error);
    fail(name != nullptr ? name : "NSS error " + std::to_string(error), error == PR_IO_TIMEOUT_ERROR);
  }
  static Nss& of(PRFileDesc* file) { return *reinterpret_cast<Nss*>(file->secret); }

  PRFileDesc* file_ = nullptr;
  CERTCertificate* certificate_ = nullptr;
  SECKEYPrivateKey* key_ = nullptr;
};

}  // namespace
}  // namespace kaon::interop

kaon::interop::Stack* new_stack(const kaon::interop::StackConfig& config) { return new kaon::interop::Nss(config); }
const char* stack_name() {
  static const std::string name = std::string("NSS ") + NSS_GetVersion();
  return name.c_str();
}
