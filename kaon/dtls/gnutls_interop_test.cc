// Both roles against GnuTLS, where it is installed.
#ifdef KAON_HAVE_GNUTLS
#include <gmock/gmock.h>
#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>

#include <deque>

#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using crypto::KeyType;
using testing::config_of;
using testing::kStart;
using testing::Packet;
using testing::Side;

constexpr const char* kIdentity = "kaon";
const Packet kPsk(16, 0x5a);

class GnuTlsPeer {
 public:
  GnuTlsPeer(Role role, KeyType key, unsigned mtu, const std::string& priorities = {})
      : certificate(testing::certificate(key, role == Role::Client ? 3 : 4)) {
    const auto flags = (role == Role::Client ? GNUTLS_CLIENT : GNUTLS_SERVER) | GNUTLS_DATAGRAM | GNUTLS_NONBLOCK;
    gnutls_init(&session_, static_cast<unsigned>(flags));
    const std::string all = "NORMAL:-VERS-ALL:+VERS-DTLS1.2" + priorities;
    EXPECT_EQ(gnutls_priority_set_direct(session_, all.c_str(), nullptr), GNUTLS_E_SUCCESS);
    gnutls_certificate_allocate_credentials(&credentials_);
    const std::string pem = certificate.certificate_pem();
    const std::string key_pem = certificate.private_key_pem();
    const gnutls_datum_t cert_datum = datum(pem);
    const gnutls_datum_t key_datum = datum(key_pem);
    EXPECT_EQ(gnutls_certificate_set_x509_key_mem(credentials_, &cert_datum, &key_datum, GNUTLS_X509_FMT_PEM),
              GNUTLS_E_SUCCESS);
    if (priorities.find("PSK") != std::string::npos) {
      use_psk(role);
    } else {
      gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_);
    }
    if (role == Role::Server) gnutls_certificate_server_set_request(session_, GNUTLS_CERT_REQUIRE);
    EXPECT_EQ(gnutls_srtp_set_profile(session_, GNUTLS_SRTP_AES128_CM_HMAC_SHA1_80), GNUTLS_E_SUCCESS);
    gnutls_dtls_set_mtu(session_, mtu);
    gnutls_transport_set_ptr(session_, this);
    gnutls_transport_set_push_function(session_, push);
    gnutls_transport_set_pull_function(session_, pull);
    gnutls_transport_set_pull_timeout_function(session_, pull_timeout);
  }
  ~GnuTlsPeer() {
    gnutls_deinit(session_);
    gnutls_certificate_free_credentials(credentials_);
    if (psk_client_ != nullptr) gnutls_psk_free_client_credentials(psk_client_);
    if (psk_server_ != nullptr) gnutls_psk_free_server_credentials(psk_server_);
  }

  void step() {
    if (!connected) {
      error = gnutls_handshake(session_);
      connected = error == GNUTLS_E_SUCCESS;
    }
    if (!connected) return;
    char buffer[2000];
    for (ssize_t n; (n = gnutls_record_recv(session_, buffer, sizeof buffer)) > 0;)
      received.emplace_back(buffer, static_cast<size_t>(n));
  }
  void send(std::string_view text) { EXPECT_GT(gnutls_record_send(session_, text.data(), text.size()), 0); }
  std::string exported() const {
    std::vector<uint8_t> keys(60);
    EXPECT_EQ(gnutls_prf_rfc5705(session_, kSrtpExporterLabel.size(), kSrtpExporterLabel.data(), 0, nullptr,
                                 keys.size(), reinterpret_cast<char*>(keys.data())),
              GNUTLS_E_SUCCESS);
    return to_hex(keys);
  }
  bool extended_master_secret() const { return gnutls_session_ext_master_secret_status(session_) != 0; }
  bool encrypt_then_mac() const { return gnutls_session_etm_status(session_) != 0; }

  crypto::Certificate certificate;
  std::deque<Packet> incoming;
  std::deque<Packet> outgoing;
  std::vector<std::string> received;
  bool connected = false;
  int error = 0;

 private:
  static gnutls_datum_t datum(const std::string& text) {
    return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
  }
  void use_psk(Role role) {
    if (role == Role::Client) {
      const gnutls_datum_t key = {const_cast<uint8_t*>(kPsk.data()), static_cast<unsigned>(kPsk.size())};
      gnutls_psk_allocate_client_credentials(&psk_client_);
      gnutls_psk_set_client_credentials(psk_client_, kIdentity, &key, GNUTLS_PSK_KEY_RAW);
      gnutls_credentials_set(session_, GNUTLS_CRD_PSK, psk_client_);
      return;
    }
    gnutls_psk_allocate_server_credentials(&psk_server_);
    gnutls_psk_set_server_credentials_function(psk_server_, [](gnutls_session_t, const char*, gnutls_datum_t* key) {
      key->data = static_cast<unsigned char*>(gnutls_malloc(kPsk.size()));
      key->size = static_cast<unsigned>(kPsk.size());
      std::copy(kPsk.begin(), kPsk.end(), key->data);
      return 0;
    });
    gnutls_credentials_set(session_, GNUTLS_CRD_PSK, psk_server_);
  }
  static ssize_t push(gnutls_transport_ptr_t self, const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    static_cast<GnuTlsPeer*>(self)->outgoing.emplace_back(bytes, bytes + size);
    return static_cast<ssize_t>(size);
  }
  static ssize_t pull(gnutls_transport_ptr_t pointer, void* out, size_t size) {
    auto* self = static_cast<GnuTlsPeer*>(pointer);
    if (self->incoming.empty()) return gnutls_transport_set_errno(self->session_, EAGAIN), -1;
    const Packet packet = std::move(self->incoming.front());
    self->incoming.pop_front();
    const size_t n = std::min(size, packet.size());
    std::copy_n(packet.begin(), n, static_cast<uint8_t*>(out));
    return static_cast<ssize_t>(n);
  }
  static int pull_timeout(gnutls_transport_ptr_t self, unsigned) {
    return static_cast<GnuTlsPeer*>(self)->incoming.empty() ? 0 : 1;
  }

  gnutls_session_t session_ = nullptr;
  gnutls_certificate_credentials_t credentials_ = nullptr;
  gnutls_psk_client_credentials_t psk_client_ = nullptr;
  gnutls_psk_server_credentials_t psk_server_ = nullptr;
};

/// What GnuTLS is held to, and what we are; `encrypt_then_mac` is whether it comes of that.
struct Suite {
  std::string priorities = {};
  std::optional<CipherSuite> ours = {};
  bool encrypt_then_mac = false;
};

void expect_interop(Role role, KeyType key, size_t our_mtu, unsigned their_mtu, const Suite& suite = {}) {
  const Role theirs = role == Role::Client ? Role::Server : Role::Client;
  GnuTlsPeer peer(theirs, key, their_mtu, suite.priorities);
  Config config = config_of(role, key);
  config.mtu = our_mtu;
  config.psks = {{{'k', 'a', 'o', 'n'}, kPsk}};
  if (suite.ours) config.cipher_suites = {*suite.ours};
  config.remote_fingerprints = {peer.certificate.fingerprint()};
  Side side(config, 1);
  side.connection.start(kStart);
  const auto run = [&] {
    for (int quiet = 0; quiet < 3;) {
      peer.step();
      const auto packets = side.take_packets();
      quiet = packets.empty() && peer.outgoing.empty() && peer.incoming.empty() ? quiet + 1 : 0;
      peer.incoming.insert(peer.incoming.end(), packets.begin(), packets.end());
      for (; !peer.outgoing.empty(); peer.outgoing.pop_front()) side.give(peer.outgoing.front(), kStart);
    }
  };
  run();
  ASSERT_TRUE(side.connected) << (side.closed ? side.closed->detail : gnutls_strerror(peer.error));
  ASSERT_TRUE(peer.connected) << gnutls_strerror(peer.error);
  EXPECT_TRUE(peer.extended_master_secret());
  EXPECT_EQ(peer.encrypt_then_mac(), suite.encrypt_then_mac);
  EXPECT_EQ(side.connected->srtp_profile, kSrtpAes128CmSha1_80);
  std::vector<uint8_t> keys(60);
  ASSERT_TRUE(side.connection.export_keying_material(kSrtpExporterLabel, {}, keys));
  EXPECT_EQ(to_hex(keys), peer.exported());
  peer.incoming.push_back(side.protect("to gnutls"));
  run();
  peer.send("to kaon");
  run();
  EXPECT_THAT(peer.received, ::testing::ElementsAre("to gnutls"));
  EXPECT_THAT(side.texts(), ::testing::ElementsAre("to kaon"));
}

TEST(GnuTlsInterop, EveryRoleKeyAndFragmentSize) {
  for (const Role role : {Role::Client, Role::Server})
    for (const KeyType key : {KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::Rsa2048, KeyType::Ed25519})
      for (const auto& [ours, theirs] :
           {std::pair<size_t, unsigned>(1200, 1200), {kMinMtu, 1200}, {1200, 256}, {256, 256}, {576, 576}}) {
        SCOPED_TRACE(::testing::Message()
                     << static_cast<int>(role) << " " << static_cast<int>(key) << " " << ours << " " << theirs);
        expect_interop(role, key, ours, theirs);
      }
}

TEST(GnuTlsInterop, ChaCha20) {
  for (const Role role : {Role::Client, Role::Server})
    expect_interop(role, KeyType::EcdsaP256, 1200, 1200, {":-CIPHER-ALL:+CHACHA20-POLY1305"});
}

TEST(GnuTlsInterop, CcmWhereItIsAskedFor) {
  for (const Role role : {Role::Client, Role::Server}) {
    expect_interop(role, KeyType::EcdsaP256, 1200, 1200,
                   {":-CIPHER-ALL:+AES-128-CCM", CipherSuite::EcdheEcdsaAes128Ccm});
    expect_interop(role, KeyType::EcdsaP256, 1200, 1200,
                   {":-CIPHER-ALL:+AES-128-CCM-8", CipherSuite::EcdheEcdsaAes128Ccm8});
  }
}

TEST(GnuTlsInterop, CbcInEitherOrder) {
  const std::string sha1 = ":-CIPHER-ALL:-MAC-ALL:+SHA1:+";
  const std::string sha256 = ":-CIPHER-ALL:-MAC-ALL:+SHA256:+AES-128-CBC:-KX-ALL:+";
  for (const auto& [suite, key, priorities] :
       {std::tuple{CipherSuite::EcdheEcdsaAes128CbcSha, KeyType::EcdsaP256, sha1 + "AES-128-CBC"},
        std::tuple{CipherSuite::EcdheEcdsaAes256CbcSha, KeyType::EcdsaP256, sha1 + "AES-256-CBC"},
        std::tuple{CipherSuite::EcdheRsaAes128CbcSha, KeyType::Rsa2048, sha1 + "AES-128-CBC"},
        std::tuple{CipherSuite::EcdheRsaAes256CbcSha, KeyType::Rsa2048, sha1 + "AES-256-CBC"},
        std::tuple{CipherSuite::PskAes128CbcSha256, KeyType::EcdsaP256, sha256 + "PSK"},
        std::tuple{CipherSuite::EcdhePskAes128CbcSha256, KeyType::EcdsaP256, sha256 + "ECDHE-PSK"}})
    for (const Role role : {Role::Client, Role::Server})
      for (const auto& [ours, theirs] : {std::pair<size_t, unsigned>(1200, 1200), {kMinMtu, 256}}) {
        SCOPED_TRACE(::testing::Message() << to_string(suite) << (role == Role::Client) << ours);
        expect_interop(role, key, ours, theirs, {priorities, suite, true});
        expect_interop(role, key, ours, theirs, {priorities + ":%NO_ETM", suite, false});
      }
}

}  // namespace
}  // namespace kaon::dtls
#endif
