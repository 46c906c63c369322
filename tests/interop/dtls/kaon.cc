// Kaon's DTLS on a UDP socket; see README.md.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/dtls/connection.h"
#include "kaon/dtls/cookie_gate.h"

namespace kaon {
namespace {

using std::chrono::milliseconds;

Time now() { return Time(std::chrono::steady_clock::now().time_since_epoch()); }

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

int open_socket(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) give_up("no socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) give_up("cannot bind");
  return fd;
}

/// The connection and its socket; steps until something is true.
class Peer {
 public:
  Peer(dtls::Config config, uint16_t port, uint16_t to, bool cookies)
      : client_(config.role == dtls::Role::Client), fd_(open_socket(port)), connection_(env_, config) {
    to_.sin_family = AF_INET;
    to_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to_.sin_port = htons(to);
    if (cookies) {
      gate_.emplace(env_, std::move(config));
    } else {
      connection_.start(now());
    }
  }
  ~Peer() { close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  template <class Condition>
  bool step_until(Condition done, Duration limit) {
    for (const Time end = now() + limit; !done();) {
      flush();
      const Time wake = std::min(end, connection_.next_timeout());
      const auto wait = std::max<int64_t>(0, std::chrono::ceil<milliseconds>(wake - now()).count());
      pollfd wanted{fd_, POLLIN, 0};
      poll(&wanted, 1, static_cast<int>(wait));
      receive();
      if (now() >= connection_.next_timeout()) connection_.handle_timeout(now());
      look();
      if (closed) give_up(cat("closed: ", to_string(closed->reason), ": ", closed->detail));
      if (now() >= end) return done();
    }
    flush();
    return true;
  }

  void send(std::string_view text) {
    std::vector<uint8_t> out(text.size() + connection_.overhead());
    out.resize(connection_.protect(as_bytes(text), out));
    write(out);
  }
  /// Sends the text until it comes back.
  void exchange(const std::string& text) {
    for (int attempt = 0; attempt < 200; ++attempt) {
      send(text);
      if (step_until([&] { return last_received == text; }, milliseconds(100))) return;
    }
    give_up("no echo");
  }
  dtls::Connection& connection() { return connection_; }

  std::optional<dtls::Connected> connected;
  std::optional<dtls::Closed> closed;
  std::string last_received;
  bool received = false;  // since somebody looked
  int paths_checked = 0;

 private:
  void flush() {
    std::array<uint8_t, 2000> out;
    while (const auto transmit = connection_.poll_transmit(out)) {
      write(ByteView(out).first(transmit->size));
    }
  }
  void write(ByteView packet) { write_to(to_, packet); }
  void write_to(const sockaddr_in& to, ByteView packet) {
    static_cast<void>(sendto(fd_, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to));
  }
  /// At once, or if the peer answers there.
  void follow(const sockaddr_in& from) {
    if (from.sin_port == to_.sin_port) return;
    std::array<uint8_t, 400> question;
    const auto size = connection_.check_path(question, now());
    if (!size) {
      if (size.error() == dtls::Error::NoReturnRoutability) to_ = from;
      return;
    }
    candidate_ = from;
    write_to(from, ByteView(question).first(*size));
  }
  ssize_t read(Bytes out, sockaddr_in& from) const {
    socklen_t size = sizeof from;
    return recvfrom(fd_, out.data(), out.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
  }
  void receive() {
    std::array<uint8_t, 2000> packet;
    sockaddr_in from{};
    for (ssize_t n; (n = read(packet, from)) > 0;) {
      const Bytes datagram = Bytes(packet).first(static_cast<size_t>(n));
      gate_ ? pass_gate(datagram) : connection_.handle_packet(datagram, now());
      if (connection_.peer_may_have_moved()) follow(from);
      std::array<uint8_t, 400> answer;
      if (const size_t size = connection_.answer_path_check(answer)) write_to(from, ByteView(answer).first(size));
      while (const auto data = connection_.poll_application_data()) {
        last_received = as_text(*data);
        if (last_received.ends_with('\n')) last_received.pop_back();  // of OpenSSL's programs
        received = true;
        if (!client_) send(last_received);
      }
    }
  }
  void pass_gate(Bytes packet) {
    std::array<uint8_t, dtls::CookieGate::kMaxAnswer> out;
    // On the loopback ports are all that tells peers apart.
    const net::Endpoint from{net::IpAddress::v4(INADDR_LOOPBACK), ntohs(to_.sin_port)};
    const auto verdict = gate_->handle_packet(packet, from, now(), out);
    if (verdict.answer != 0) write(ByteView(out).first(verdict.answer));
    if (!verdict.hello) return;
    gate_.reset();
    connection_.accept(*verdict.hello, now());
  }
  void look() {
    while (auto event = connection_.poll_event()) {
      if (auto* c = std::get_if<dtls::Connected>(&*event)) {
        connected = std::move(*c);
        while (const auto data = connection_.poll_application_data()) last_received = as_text(*data);
      }
      if (auto* c = std::get_if<dtls::Closed>(&*event)) closed = std::move(*c);
      if (const auto* path = std::get_if<dtls::PathChecked>(&*event)) {
        paths_checked += path->answered;
        if (path->answered) to_ = candidate_;
        if (path->answered && !client_) send(last_received);  // what went to the old address is lost
      }
    }
  }

  bool client_;
  int fd_;
  sockaddr_in to_{};
  sockaddr_in candidate_{};
  crypto::SystemRandom random_;
  NullLogger log_;
  Env env_{random_, log_};
  dtls::Connection connection_;
  std::optional<dtls::CookieGate> gate_;  // until it has let the client in
};

int run(std::map<std::string, std::string> options) {
  crypto::SystemRandom random;
  const std::chrono::seconds today =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  const bool client = options["--role"] == "client";
  const bool rsa = options.contains("--key") && options["--key"] == "rsa";
  const auto key = rsa ? crypto::KeyType::Rsa2048 : crypto::KeyType::EcdsaP256;
  dtls::Config config{.role = client ? dtls::Role::Client : dtls::Role::Server,
                      .certificate = crypto::Certificate::generate(key, random, today)};
  config.min_version = config.max_version =
      options["--version"] == "1.2" ? dtls::Version::Dtls12 : dtls::Version::Dtls13;
  config.mtu = std::stoul(options["--mtu"]);
  if (options.contains("--cid")) {
    config.connection_id.emplace(std::stoul(options["--cid"]));
    random.fill(*config.connection_id);
  }
  if (options["--key-exchange"] == "post-quantum")
    config.groups = dtls::groups_for(dtls::KeyExchangePolicy::PostQuantum);
  config.return_routability = options.contains("--rrc");
  if (options.contains("--suite"))
    config.cipher_suites = {static_cast<dtls::CipherSuite>(std::stoul(options["--suite"], nullptr, 16))};
  if (options.contains("--suite") && !options.contains("--key")) {
    constexpr std::string_view kIdentity = "kaon";
    config.psks = {{{kIdentity.begin(), kIdentity.end()}, std::vector<uint8_t>(16, 0x5a)}};
  } else {
    const auto fingerprint = crypto::Fingerprint::parse("sha-256 " + options["--fingerprint"]);
    if (!fingerprint) give_up("--fingerprint is no fingerprint");
    config.remote_fingerprints = {*fingerprint};
  }
  Peer peer(std::move(config), static_cast<uint16_t>(std::stoul(options["--port"])),
            static_cast<uint16_t>(std::stoul(options["--to"])), options.contains("--cookies"));
  if (!peer.step_until([&] { return peer.connected.has_value(); }, std::chrono::seconds(60)))
    give_up("no handshake within a minute");
  const int updates = std::stoi(options["--updates"]);
  for (int i = 0; client && i < updates; ++i) {
    if (!peer.connection().update_keys()) give_up("no key update");
    peer.exchange("update " + std::to_string(i));
  }
  if (client) {
    peer.exchange("bye");
  } else if (!peer.step_until([&] { return peer.last_received == "bye"; }, std::chrono::seconds(60))) {
    give_up("no data within a minute");
  }
  if (options.contains("--rrc")) peer.step_until([&] { return peer.paths_checked > 0; }, std::chrono::seconds(5));
  std::array<uint8_t, 56> exported;
  if (!peer.connection().export_keying_material(dtls::kSrtpExporterLabel, {}, exported)) give_up("no exporter");
  std::printf(
      "{\"version\":\"%s\",\"suite\":\"%04x\",\"group\":\"%04x\",\"profile\":%u,\"paths_checked\":%d,\"exported\":\"%"
      "s\"}\n",
      peer.connected->version == dtls::Version::Dtls13 ? "1.3" : "1.2",
      static_cast<unsigned>(peer.connected->cipher_suite), static_cast<unsigned>(peer.connected->group),
      static_cast<unsigned>(peer.connected->srtp_profile), peer.paths_checked, to_hex(exported).c_str());
  std::fflush(stdout);
  // The last echo may be lost: the client goes on asking until it has it.
  while (!client && peer.step_until([&] { return std::exchange(peer.received, false); }, std::chrono::seconds(1))) {
  }
  return 0;
}

}  // namespace
}  // namespace kaon

int main(int argc, char** argv) {
  std::map<std::string, std::string> options{
      {"--role", "client"}, {"--version", "1.3"}, {"--mtu", "1200"}, {"--updates", "0"}};
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  return kaon::run(std::move(options));
}
