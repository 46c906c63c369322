// For tests: TURN servers on loopback, and certificates that are trusted here.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/io/loop.h"
#include "kaon/io/turn_host.h"

namespace kaon::io {

/// A certificate made for a test. What it signs (itself) is trusted by this process while it is the last that was made
/// to be trusted.
class TestCertificate {
 public:
  /// `names` as OpenSSL's subjectAltName has it: "IP:127.0.0.1,DNS:turn.example.org".
  explicit TestCertificate(std::string_view names, bool trusted = true) {
    folder_ = (std::filesystem::temp_directory_path() / "kaon-turn-XXXXXX").string();
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    const std::string make = cat("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2",
                                 " -subj /CN=kaon -addext subjectAltName=", names, " -keyout ", folder_,
                                 "/key.pem -out ", folder_, "/certificate.pem 2>/dev/null");
    EXPECT_EQ(std::system(make.c_str()), 0);
    if (trusted) setenv("SSL_CERT_FILE", cat(folder_, "/certificate.pem").c_str(), 1);
  }
  ~TestCertificate() { std::filesystem::remove_all(folder_); }
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;

  TurnTls tls() const { return {.certificate = read("certificate.pem"), .private_key = read("key.pem")}; }

 private:
  std::string read(std::string_view file) const {
    std::ifstream in(cat(folder_, "/", file));
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  std::string folder_;
};

/// One listener for each protocol on 127.0.0.1 (TLS and DTLS with a certificate); the user "alice" with "secret";
/// relays to loopback. On the test's own loop.
class TurnSite {
 public:
  static turn::ServerConfig config() {
    turn::ServerConfig config;
    config.users = {{"alice", "secret"}};
    config.peers.allow(*net::IpRange::parse("127.0.0.0/8"));
    config.peers.allow(*net::IpRange::parse("::1/128"));
    return config;
  }
  /// A server that is always full.
  static turn::ServerConfig sends_to(const net::Endpoint& other, std::string domain = {}) {
    turn::ServerConfig result = config();
    result.max_allocations = 0;
    result.alternates = {other};
    result.alternate_domain = std::move(domain);
    return result;
  }
  explicit TurnSite(Loop& loop, turn::ServerConfig server = config(), const TestCertificate* certificate = nullptr,
                    std::vector<RelayAddress> relays = {{.bind = net::IpAddress::v4(127, 0, 0, 1), .announce = {}}},
                    uint16_t udp_port = 0) {
    TurnHostOptions options;
    const net::IpAddress own = net::IpAddress::v4(127, 0, 0, 1);
    options.udp = {{own, udp_port}};
    options.tcp = {{own, 0}};
    if (certificate != nullptr) {
      options.tls_endpoints = options.dtls = {{own, 0}};
      options.tls = certificate->tls();
    }
    options.relays = std::move(relays);
    options.server = std::move(server);
    auto started = TurnHost::start(loop, std::move(options), {random_, log_}, [](const auto&) {});
    EXPECT_TRUE(started) << (started ? "" : started.error());
    if (started) host_ = std::move(*started);
  }
  net::Endpoint at(net::Protocol protocol) const { return host_->bound(protocol).at(0); }
  TurnHost& host() { return *host_; }
  size_t allocations() const { return host_->server().allocations(); }

 private:
  crypto::SystemRandom random_;
  NullLogger log_;
  std::unique_ptr<TurnHost> host_;
};

}  // namespace kaon::io
