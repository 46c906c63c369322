// Both roles against OpenSSL's libssl, datagram by datagram.
#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <deque>

#include "kaon/dtls/cookie_gate.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using crypto::KeyType;
using testing::config_of;
using ::testing::ElementsAre;
using testing::kStart;
using testing::Packet;
using testing::Side;

/// A BIO that keeps datagrams apart, which BIO_s_mem does not.
struct DatagramBio {
  std::deque<Packet> incoming;
  std::deque<Packet> outgoing;

  static DatagramBio& of(BIO* bio) { return *static_cast<DatagramBio*>(BIO_get_data(bio)); }
  static int write(BIO* bio, const char* data, int size) {
    of(bio).outgoing.emplace_back(data, data + size);
    return size;
  }
  static int read(BIO* bio, char* out, int size) {
    BIO_clear_retry_flags(bio);
    auto& queue = of(bio).incoming;
    if (queue.empty()) return BIO_set_retry_read(bio), -1;
    const Packet packet = std::move(queue.front());
    queue.pop_front();
    const size_t n = std::min(packet.size(), static_cast<size_t>(size));
    std::copy_n(packet.begin(), n, out);
    return static_cast<int>(n);
  }
  static long control(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT ? 1 : 0;
  }
  static BIO* make(DatagramBio* self) {
    static BIO_METHOD* method = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
      BIO_meth_set_write(m, write);
      BIO_meth_set_read(m, read);
      BIO_meth_set_ctrl(m, control);
      return m;
    }();
    BIO* bio = BIO_new(method);
    BIO_set_data(bio, self);
    BIO_set_init(bio, 1);
    return bio;
  }
};

struct PeerConfig {
  Role role = Role::Server;
  KeyType key = KeyType::EcdsaP256;
  std::string ciphers = "ALL";
  std::string groups = "X25519:P-256:P-384";
  std::string srtp = "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
  bool cookies = false;
  bool certificate = true;
  long mtu = 1200;
  /// With a pre-shared key instead of certificates.
  bool psk = false;
  bool encrypt_then_mac = true;
  /// Protocol names as on the wire: a client offers them, a server takes the first that the client has too.
  std::string_view alpn = {};
};

constexpr std::string_view kIdentity = "kaon";
const Packet kPsk(16, 0x5a);

unsigned copy_psk(unsigned char* out) {
  std::copy(kPsk.begin(), kPsk.end(), out);
  return static_cast<unsigned>(kPsk.size());
}

class OpenSslPeer {
 public:
  explicit OpenSslPeer(const PeerConfig& config)
      : certificate(testing::certificate(config.key, config.role == Role::Client ? 3 : 4)) {
    context_ = SSL_CTX_new(DTLS_method());
    EXPECT_EQ(SSL_CTX_set_cipher_list(context_, config.ciphers.c_str()), 1);
    EXPECT_EQ(SSL_CTX_set1_groups_list(context_, config.groups.c_str()), 1);
    EXPECT_EQ(SSL_CTX_set_tlsext_use_srtp(context_, config.srtp.c_str()), 0);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       [](int, X509_STORE_CTX*) { return 1; });
    if (!config.encrypt_then_mac) SSL_CTX_set_options(context_, SSL_OP_NO_ENCRYPT_THEN_MAC);
    if (config.psk) use_psk();
    if (config.certificate && !config.psk) use_certificate();
    if (config.cookies) use_cookies();
    if (!config.alpn.empty()) use_alpn(config.alpn);
    ssl_ = SSL_new(context_);
    BIO* bio = DatagramBio::make(&datagrams_);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_options(ssl_, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(ssl_, config.mtu);
    config.role == Role::Client ? SSL_set_connect_state(ssl_) : SSL_set_accept_state(ssl_);
  }
  ~OpenSslPeer() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  void step() {
    if (!connected()) {
      SSL_do_handshake(ssl_);
    } else {
      char buffer[2000];
      for (int n; (n = SSL_read(ssl_, buffer, sizeof buffer)) > 0;) received.emplace_back(buffer, buffer + n);
    }
    ERR_clear_error();
  }
  bool connected() const { return SSL_is_init_finished(ssl_) != 0; }
  std::string exported() const {
    uint8_t keys[56];
    EXPECT_EQ(SSL_export_keying_material(ssl_, keys, sizeof keys, kSrtpExporterLabel.data(), kSrtpExporterLabel.size(),
                                         nullptr, 0, 0),
              1);
    return to_hex(keys);
  }
  SSL* ssl() { return ssl_; }
  DatagramBio& datagrams() { return datagrams_; }

  crypto::Certificate certificate;
  std::vector<std::string> received;

 private:
  void use_certificate() {
    const std::string pem = certificate.certificate_pem();
    const std::string key_pem = certificate.private_key_pem();
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* x509 = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    bio = BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    EXPECT_EQ(SSL_CTX_use_certificate(context_, x509), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context_, key), 1);
    X509_free(x509);
    EVP_PKEY_free(key);
  }
  void use_psk() {
    SSL_CTX_set_verify(context_, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_psk_client_callback(
        context_, [](SSL*, const char*, char* identity, unsigned, unsigned char* key, unsigned) -> unsigned {
          std::copy(kIdentity.begin(), kIdentity.end(), identity);
          identity[kIdentity.size()] = 0;
          return copy_psk(key);
        });
    SSL_CTX_set_psk_server_callback(context_, [](SSL*, const char* identity, unsigned char* key, unsigned) -> unsigned {
      return identity == kIdentity ? copy_psk(key) : 0;
    });
    SSL_CTX_use_psk_identity_hint(context_, "a hint");
  }
  void use_alpn(std::string_view names) {
    alpn_ = names;
    SSL_CTX_set_alpn_protos(context_, as_bytes(alpn_).data(), static_cast<unsigned>(alpn_.size()));
    SSL_CTX_set_alpn_select_cb(
        context_,
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned in_size,
           void* ours) {
          const ByteView list = as_bytes(*static_cast<std::string_view*>(ours));
          auto* const chosen = const_cast<unsigned char**>(out);
          const int result =
              SSL_select_next_proto(chosen, size, list.data(), static_cast<unsigned>(list.size()), in, in_size);
          return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
        },
        &alpn_);
  }
  void use_cookies() {
    SSL_CTX_set_options(context_, SSL_OP_COOKIE_EXCHANGE);
    SSL_CTX_set_cookie_generate_cb(context_, [](SSL*, unsigned char* cookie, unsigned int* size) {
      std::fill_n(cookie, 16, static_cast<unsigned char>(0xc0));
      *size = 16;
      return 1;
    });
    SSL_CTX_set_cookie_verify_cb(context_, [](SSL*, const unsigned char* cookie, unsigned int size) {
      return size == 16 && cookie[0] == 0xc0 ? 1 : 0;
    });
  }

  DatagramBio datagrams_;
  std::string_view alpn_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
};

/// Kaon on one side, libssl on the other.
struct Interop {
  Interop(Config ours, const PeerConfig& theirs)
      : peer(theirs), side((ours.remote_fingerprints = {peer.certificate.fingerprint()}, std::move(ours)), 1) {}

  void run(bool reverse_datagrams = false) {
    side.connection.start(now);
    peer.step();
    for (int quiet = 0; quiet < 2;) {
      auto packets = side.take_packets();
      auto& back = peer.datagrams().outgoing;
      quiet = packets.empty() && back.empty() ? quiet + 1 : 0;
      if (reverse_datagrams) std::reverse(packets.begin(), packets.end());
      for (Packet& packet : packets) {
        peer.datagrams().incoming.push_back(std::move(packet));
        peer.step();
      }
      if (reverse_datagrams) std::reverse(back.begin(), back.end());
      for (; !back.empty(); back.pop_front()) side.give(back.front(), now);
      peer.step();
    }
  }
  void expect_works() {
    ASSERT_TRUE(side.connected) << (side.closed ? side.closed->detail : "not closed either");
    ASSERT_TRUE(peer.connected());
    std::vector<uint8_t> keys(56);
    ASSERT_TRUE(side.connection.export_keying_material(kSrtpExporterLabel, {}, keys));
    EXPECT_EQ(to_hex(keys), peer.exported());
    EXPECT_EQ(to_string(side.connected->cipher_suite), SSL_CIPHER_standard_name(SSL_get_current_cipher(peer.ssl())));
    const auto* profile = SSL_get_selected_srtp_profile(peer.ssl());
    ASSERT_NE(profile, nullptr);
    EXPECT_EQ(side.connected->srtp_profile, profile->id);
    EXPECT_EQ(SSL_get_extms_support(peer.ssl()), 1);

    peer.datagrams().incoming.push_back(side.protect("to openssl"));
    peer.step();
    EXPECT_THAT(peer.received, ElementsAre("to openssl"));
    EXPECT_GT(SSL_write(peer.ssl(), "to kaon", 7), 0);
    run();
    EXPECT_THAT(side.texts(), ElementsAre("to kaon"));
  }

  Time now = kStart;
  OpenSslPeer peer;
  Side side;
};

struct Case {
  const char* name;
  CipherSuite suite;
  KeyType our_key;
  KeyType their_key;
};

/// Text of each size, so that there is padding of each size, both ways.
void expect_every_padding(Interop& interop) {
  for (size_t size = 1; size <= 40; ++size) {
    const std::string text(size, static_cast<char>('a' + size % 26));
    interop.peer.datagrams().incoming.push_back(interop.side.protect(text));
    interop.peer.step();
    EXPECT_EQ(interop.peer.received.back(), text);
    EXPECT_GT(SSL_write(interop.peer.ssl(), text.data(), static_cast<int>(size)), 0);
    interop.run();
    EXPECT_EQ(interop.side.texts().back(), text);
  }
}

/// With a MAC of SHA-1 the size of a record tells, which is none of whole blocks if the MAC stands behind them.
bool mac_is_last(Interop& interop) {
  const Packet record = interop.side.protect("size");
  interop.peer.datagrams().incoming.push_back(record);
  interop.peer.step();
  return (record.size() - 13) % 16 != 0;
}

class OpenSsl : public ::testing::TestWithParam<std::tuple<Role, Case>> {};

TEST_P(OpenSsl, ConnectsExportsTheSameKeysAndCarriesData) {
  const auto& [role, c] = GetParam();
  Config config = config_of(role, c.our_key);
  config.cipher_suites = {c.suite};
  Interop interop(config, {.role = role == Role::Client ? Role::Server : Role::Client,
                           .key = c.their_key,
                           .ciphers = "ALL:@SECLEVEL=0"});  // CCM_8 is below what libssl allows by itself
  interop.run();
  interop.expect_works();
}

INSTANTIATE_TEST_SUITE_P(
    Interop, OpenSsl,
    ::testing::Combine(
        ::testing::Values(Role::Client, Role::Server),
        ::testing::Values(
            Case{"EcdsaAes128", CipherSuite::EcdheEcdsaAes128GcmSha256, KeyType::EcdsaP256, KeyType::EcdsaP256},
            Case{"EcdsaAes256", CipherSuite::EcdheEcdsaAes256GcmSha384, KeyType::EcdsaP256, KeyType::EcdsaP384},
            Case{"EcdsaAes256P384", CipherSuite::EcdheEcdsaAes256GcmSha384, KeyType::EcdsaP384, KeyType::EcdsaP256},
            Case{"EcdsaChaCha", CipherSuite::EcdheEcdsaChaCha20Poly1305Sha256, KeyType::EcdsaP256, KeyType::EcdsaP256},
            // libssl 3.0 as a DTLS server finds no cipher suite for an Ed25519 certificate of its own.
            Case{"Ed25519", CipherSuite::EcdheEcdsaAes128GcmSha256, KeyType::Ed25519, KeyType::EcdsaP256},
            Case{"EcdsaCcm", CipherSuite::EcdheEcdsaAes128Ccm, KeyType::EcdsaP256, KeyType::EcdsaP256},
            Case{"EcdsaCcm8", CipherSuite::EcdheEcdsaAes128Ccm8, KeyType::EcdsaP256, KeyType::EcdsaP256},
            Case{"RsaAes128", CipherSuite::EcdheRsaAes128GcmSha256, KeyType::Rsa2048, KeyType::Rsa2048},
            Case{"RsaAes256", CipherSuite::EcdheRsaAes256GcmSha384, KeyType::Rsa2048, KeyType::Rsa2048},
            Case{"RsaChaCha", CipherSuite::EcdheRsaChaCha20Poly1305Sha256, KeyType::Rsa2048, KeyType::Rsa2048})),
    [](const auto& test) {
      return std::string(std::get<0>(test.param) == Role::Client ? "AsClient" : "AsServer") +
             std::get<1>(test.param).name;
    });

class OpenSslCbc : public ::testing::TestWithParam<std::tuple<Role, bool, Case>> {};

TEST_P(OpenSslCbc, ConnectsExportsTheSameKeysAndCarriesDataWithEitherOrder) {
  const auto& [role, encrypt_then_mac, c] = GetParam();
  Config config = config_of(role, c.our_key);
  config.cipher_suites = {c.suite};
  Interop interop(config, {.role = role == Role::Client ? Role::Server : Role::Client,
                           .key = c.their_key,
                           .encrypt_then_mac = encrypt_then_mac});
  interop.run();
  interop.expect_works();
  EXPECT_EQ(mac_is_last(interop), encrypt_then_mac);
  expect_every_padding(interop);
}

INSTANTIATE_TEST_SUITE_P(Interop, OpenSslCbc,
                         ::testing::Combine(::testing::Values(Role::Client, Role::Server), ::testing::Bool(),
                                            ::testing::Values(Case{"EcdsaAes128", CipherSuite::EcdheEcdsaAes128CbcSha,
                                                                   KeyType::EcdsaP256, KeyType::EcdsaP256},
                                                              Case{"EcdsaAes256", CipherSuite::EcdheEcdsaAes256CbcSha,
                                                                   KeyType::EcdsaP384, KeyType::EcdsaP256},
                                                              Case{"RsaAes128", CipherSuite::EcdheRsaAes128CbcSha,
                                                                   KeyType::Rsa2048, KeyType::Rsa2048},
                                                              Case{"RsaAes256", CipherSuite::EcdheRsaAes256CbcSha,
                                                                   KeyType::Rsa2048, KeyType::Rsa2048})),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) == Role::Client ? "AsClient" : "AsServer") +
                                  std::get<2>(test.param).name +
                                  (std::get<1>(test.param) ? "EncryptThenMac" : "MacThenEncrypt");
                         });

struct PskCase {
  CipherSuite suite;
  const char* ciphers;
};

class OpenSslPsk : public ::testing::TestWithParam<std::tuple<Role, PskCase>> {};

TEST_P(OpenSslPsk, ConnectsExportsTheSameKeysAndCarriesData) {
  const auto& [role, c] = GetParam();
  Config config = config_of(role);
  config.cipher_suites = {c.suite};
  config.psks = {{{kIdentity.begin(), kIdentity.end()}, kPsk}};
  Interop interop(config,
                  {.role = role == Role::Client ? Role::Server : Role::Client, .ciphers = c.ciphers, .psk = true});
  interop.run();
  interop.expect_works();
  EXPECT_EQ(as_text(interop.side.connected->psk_identity), kIdentity);
}

TEST(OpenSslInterop, PreSharedKeysGoWithCbcInEitherOrder) {
  for (const Role role : {Role::Client, Role::Server})
    for (const bool encrypt_then_mac : {true, false})
      for (const auto& [suite, ciphers] : {std::pair{CipherSuite::PskAes128CbcSha256, "PSK-AES128-CBC-SHA256"},
                                           {CipherSuite::EcdhePskAes128CbcSha256, "ECDHE-PSK-AES128-CBC-SHA256"}}) {
        SCOPED_TRACE(::testing::Message() << ciphers << (role == Role::Client) << encrypt_then_mac);
        Config config = config_of(role);
        config.cipher_suites = {suite};
        config.psks = {{{kIdentity.begin(), kIdentity.end()}, kPsk}};
        Interop interop(config, {.role = role == Role::Client ? Role::Server : Role::Client,
                                 .ciphers = ciphers,
                                 .psk = true,
                                 .encrypt_then_mac = encrypt_then_mac});
        interop.run();
        interop.expect_works();
        expect_every_padding(interop);
      }
}

// The short tags of CCM_8 are below what libssl allows by itself. It has no TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 and
// none of RFC 8442 with CCM.
INSTANTIATE_TEST_SUITE_P(
    Interop, OpenSslPsk,
    ::testing::Combine(::testing::Values(Role::Client, Role::Server),
                       ::testing::Values(PskCase{CipherSuite::PskAes128GcmSha256, "PSK-AES128-GCM-SHA256"},
                                         PskCase{CipherSuite::PskAes128Ccm, "PSK-AES128-CCM"},
                                         PskCase{CipherSuite::PskAes128Ccm8, "PSK-AES128-CCM8:@SECLEVEL=0"},
                                         PskCase{CipherSuite::PskChaCha20Poly1305Sha256, "PSK-CHACHA20-POLY1305"},
                                         PskCase{CipherSuite::EcdhePskChaCha20Poly1305Sha256,
                                                 "ECDHE-PSK-CHACHA20-POLY1305"})),
    [](const auto& test) {
      return std::string(std::get<0>(test.param) == Role::Client ? "AsClient" : "AsServer") +
             std::string(to_string(std::get<1>(test.param).suite));
    });

TEST(OpenSslInterop, ProtocolNamesAreAgreedOn) {
  for (const Role role : {Role::Client, Role::Server}) {
    Config config = config_of(role);
    config.alpn = {"coap", "webrtc"};
    Interop interop(config, {.role = role == Role::Client ? Role::Server : Role::Client, .alpn = "\6webrtc\3foo"});
    interop.run();
    interop.expect_works();
    EXPECT_EQ(interop.side.connected->alpn, "webrtc");
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(interop.peer.ssl(), &name, &size);
    EXPECT_EQ(as_text(ByteView(name, size)), "webrtc");
  }
}

TEST(OpenSslInterop, EveryGroup) {
  using crypto::Group;
  for (const Role role : {Role::Client, Role::Server})
    for (const Group group : {Group::X25519, Group::Secp256r1, Group::Secp384r1}) {
      SCOPED_TRACE(static_cast<int>(group));
      Config config = config_of(role);
      // libssl wants the curve of its own ECDSA certificate offered, too.
      config.groups = {group, Group::Secp256r1};
      Interop interop(config, {.role = role == Role::Client ? Role::Server : Role::Client});
      interop.run();
      interop.expect_works();
      EXPECT_EQ(interop.side.connected->group, group);
    }
}

TEST(OpenSslInterop, SmallDatagramsFragmentEveryMessageBothWays) {
  for (const Role role : {Role::Client, Role::Server})
    for (const bool reversed : {false, true}) {
      Config config = config_of(role, KeyType::EcdsaP256);
      config.mtu = kMinMtu;
      Interop interop(config, {.role = role == Role::Client ? Role::Server : Role::Client, .mtu = 256});
      interop.run(reversed);
      // OpenSSL does not keep records of the next epoch for long, so a reversed flight may need another round.
      for (int i = 0; i < 10 && !(interop.side.connected && interop.peer.connected()); ++i) {
        interop.now = std::min(interop.side.connection.next_timeout(), interop.now + testing::seconds(60));
        interop.side.connection.handle_timeout(interop.now);
        interop.run();
      }
      interop.expect_works();
    }
}

TEST(OpenSslInterop, AnswersAHelloVerifyRequest) {
  Interop interop(config_of(Role::Client), {.cookies = true});
  interop.run();
  interop.expect_works();
}

TEST(OpenSslInterop, ComesThroughACookieGate) {
  for (const bool psk : {false, true}) {
    Config config = config_of(Role::Server);
    config.max_version = Version::Dtls13;
    if (psk) {
      config.cipher_suites = {CipherSuite::EcdhePskChaCha20Poly1305Sha256};
      config.psks = {{{kIdentity.begin(), kIdentity.end()}, kPsk}};
    }
    SeededRandom random(1);
    NullLogger log;
    CookieGate gate({random, log}, config);
    Interop interop(config, {.role = Role::Client, .psk = psk});
    const net::Endpoint from{net::IpAddress::v4(192, 0, 2, 1), 4000};
    std::optional<AdmittedHello> hello;
    auto& datagrams = interop.peer.datagrams();
    for (int round = 0; round < 2; ++round) {
      interop.peer.step();
      for (; !datagrams.outgoing.empty(); datagrams.outgoing.pop_front()) {
        Packet answer(CookieGate::kMaxAnswer);
        auto verdict = gate.handle_packet(datagrams.outgoing.front(), from, kStart, answer);
        answer.resize(verdict.answer);
        if (!answer.empty()) datagrams.incoming.push_back(std::move(answer));
        if (verdict.hello) hello = std::move(verdict.hello);
      }
    }
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello->message_sequence, 1);
    interop.side.connection.accept(*hello, kStart);
    interop.run();
    interop.expect_works();
    EXPECT_EQ(gate.stats().asked, 1u);
  }
}

TEST(OpenSslInterop, ChoosesTheProfileOfChromium) {
  Interop interop(config_of(Role::Server), {.role = Role::Client, .srtp = "SRTP_AES128_CM_SHA1_80"});
  interop.run();
  interop.expect_works();
  EXPECT_EQ(interop.side.connected->srtp_profile, kSrtpAes128CmSha1_80);
}

TEST(OpenSslInterop, AClientWithoutCertificateIsRefused) {  // C3
  Interop interop(config_of(Role::Server), {.role = Role::Client, .certificate = false});
  interop.run();
  EXPECT_FALSE(interop.side.connected);
  ASSERT_TRUE(interop.side.closed);
  EXPECT_EQ(interop.side.closed->reason, CloseReason::HandshakeFailure);
  EXPECT_FALSE(interop.peer.connected());
}

TEST(OpenSslInterop, SendsTheFinalFlightAgain) {
  Interop interop(config_of(Role::Client), {});
  Side& client = interop.side;
  auto& back = interop.peer.datagrams().outgoing;
  client.connection.start(kStart);
  const auto to_peer = [&] {
    for (Packet& packet : client.take_packets()) interop.peer.datagrams().incoming.push_back(std::move(packet));
    interop.peer.step();
  };
  to_peer();
  for (; !back.empty(); back.pop_front()) client.give(back.front(), kStart);
  to_peer();
  ASSERT_FALSE(back.empty());
  back.clear();  // lost
  interop.now = client.connection.next_timeout();
  client.connection.handle_timeout(interop.now);
  interop.run();
  interop.expect_works();
}

TEST(OpenSslInterop, CloseNotifyGoesBothWays) {
  {
    Interop interop(config_of(Role::Client), {});
    interop.run();
    interop.side.connection.close();
    interop.run();
    EXPECT_TRUE(SSL_get_shutdown(interop.peer.ssl()) & SSL_RECEIVED_SHUTDOWN);
  }
  Interop interop(config_of(Role::Server), {.role = Role::Client});
  interop.run();
  SSL_shutdown(interop.peer.ssl());
  interop.run();
  ASSERT_TRUE(interop.side.closed);
  EXPECT_EQ(interop.side.closed->reason, CloseReason::PeerClose);
}

}  // namespace
}  // namespace kaon::dtls
