// Kaon's DTLS under BoringSSL's runner; see README.md.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/dtls/connection.h"
#include "options.h"
#include "runner_socket.h"

namespace kaon::bogo {
namespace {

class Shim {
 public:
  explicit Shim(Options options)
      : options_(std::move(options)),
        socket_(options_.ipv6, options_.port, options_.shim_id),
        connection_(env_, options_.config) {}

  /// What the program ends with.
  int run() {
    connection_.start(now_);
    step();
    while (!over_) {
      const Order order = socket_.read();
      std::visit([this](const auto& what) { handle(what); }, order);
      step();
    }
    socket_.finish();
    return failure_.empty() ? 0 : kFailed;
  }
  const std::string& failure() const { return failure_; }

 private:
  void handle(const Packet& packet) {
    auto bytes = packet.bytes;
    const uint64_t refused = connection_.dropped()[dtls::DropReason::HelloRefused];
    const uint64_t sent = sent_;
    connection_.handle_packet(bytes, now_);
    take_application_data();
    step();
    // What Kaon cannot use it does not answer, for it may be a stranger's. The runner has nothing better to send.
    if (connection_.dropped()[dtls::DropReason::HelloRefused] != refused && sent_ == sent) wait_in_vain();
  }
  void handle(const TimePasses& time) {
    socket_.acknowledge_time();
    now_ += time.by;
    if (now_ >= connection_.next_timeout()) connection_.handle_timeout(now_);
  }
  void handle(const NewMtu& order) { connection_.set_mtu(mtu_ = order.mtu); }
  void handle(const NewInitialTimeout&) { unimplemented("another timeout while one runs"); }
  void handle(const ExpectTimeout& order) {
    const Time next = connection_.next_timeout();
    // What is further away is no retransmission but an end: of the handshake, or of keys that are kept.
    const bool none = next == kNever || next - now_ > options_.config.max_timeout;
    const uint64_t nanoseconds = none ? ExpectTimeout::kNoTimeout : static_cast<uint64_t>((next - now_).count());
    if (order.nanoseconds != nanoseconds)
      fail(cat("next timeout in ", nanoseconds, " ns, expected in ", order.nanoseconds, " ns"));
  }
  void handle(const End&) {
    if (!connection_.connected() && !over_) wait_in_vain();
    over_ = true;
  }

  void wait_in_vain() {
    if (connection_.connected() || over_) return;
    now_ += options_.config.handshake_timeout;
    connection_.handle_timeout(now_);
    step();
  }

  /// Sends and looks at what happened.
  void step() {
    flush();
    while (const auto event = connection_.poll_event()) {
      if (const auto* connected = std::get_if<dtls::Connected>(&*event)) on_connected(*connected);
      if (const auto* closed = std::get_if<dtls::Closed>(&*event)) on_closed(*closed);
    }
    take_application_data();
    flush();
  }
  void flush() {
    std::vector<uint8_t> out(std::max(mtu_, dtls::kMinMtu));
    while (const auto transmit = connection_.poll_transmit(out)) {
      ++sent_;
      socket_.write_packet(ByteView(out).first(transmit->size));
    }
  }

  void on_connected(const dtls::Connected& connected) {
    check("version", options_.expect_version, static_cast<uint64_t>(connected.version));
    check("cipher suite", options_.expect_cipher, static_cast<uint64_t>(connected.cipher_suite));
    check("group", options_.expect_group, static_cast<uint64_t>(connected.group));
    if (connected.alpn != options_.expect_alpn) fail(cat("wrong protocol name: ", connected.alpn));
    if (!options_.expect_peer_certificate.empty()) check_certificate(connected.peer_certificate);
    if (options_.export_bytes != 0) export_keys();
    if (!options_.write_first_late) write(as_bytes(options_.write_first));
    if (options_.key_update_before_read) update_keys();
    if (options_.shuts_down) connection_.close();
  }
  void on_closed(const dtls::Closed& closed) {
    using dtls::CloseReason;
    const bool well = closed.reason == CloseReason::PeerClose || closed.reason == CloseReason::LocalClose;
    if (!well) fail(cat("closed, ", to_string(closed.reason), ": ", closed.detail));
    over_ = true;
  }

  void check(std::string_view what, std::optional<uint64_t> expected, uint64_t got) {
    if (expected && *expected != got) fail(cat("wrong ", what, ": ", got, ", expected ", *expected));
  }
  void check_certificate(ByteView der) {
    const std::string pem = read_file(options_.expect_peer_certificate);
    const auto fingerprint = crypto::Fingerprint::of(crypto::HashAlgorithm::Sha256, der);
    if (!pem_holds(pem, fingerprint)) fail("wrong certificate of the peer");
  }
  /// Whether the first certificate of the PEM text is this one.
  static bool pem_holds(std::string_view pem, const crypto::Fingerprint& fingerprint) {
    static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t begin = pem.find('\n');
    std::vector<uint8_t> der;
    uint32_t bits = 0;
    int count = 0;
    for (const char c : pem.substr(begin, pem.find("-----END") - begin)) {
      const size_t digit = kDigits.find(c);
      if (digit == std::string_view::npos) continue;
      bits = (bits << 6) | static_cast<uint32_t>(digit);
      count += 6;
      if (count < 8) continue;
      count -= 8;
      der.push_back(static_cast<uint8_t>(bits >> count));
    }
    return fingerprint.matches(der);
  }

  void export_keys() {
    std::vector<uint8_t> keys(options_.export_bytes);
    if (!connection_.export_keying_material(options_.export_label, as_bytes(options_.export_context), keys))
      return fail("no keying material");
    write(keys);
  }
  void update_keys() {
    if (!connection_.update_keys()) return fail("no key update");
    connection_.handle_timeout(now_);
    flush();
  }
  void take_application_data() {
    while (const auto data = connection_.poll_application_data()) {
      if (options_.shuts_down) continue;
      if (data->empty()) continue;
      for (uint8_t& byte : *data) byte ^= 0xff;
      if (std::exchange(options_.write_first_late, false)) write(as_bytes(options_.write_first));
      if (options_.key_update) update_keys();
      write(*data);
      if (options_.key_update_before_read) update_keys();
    }
  }
  void write(ByteView data) {
    if (data.empty()) return;
    flush();
    std::vector<uint8_t> out(data.size() + connection_.overhead());
    const size_t size = connection_.protect(data, out);
    if (size == 0) return fail("cannot write");
    socket_.write_packet(ByteView(out).first(size));
  }
  void fail(std::string why) {
    if (failure_.empty()) failure_ = std::move(why);
    over_ = true;
  }

  Options options_;
  RunnerSocket socket_;
  crypto::SystemRandom random_;
  NullLogger log_;
  Env env_{random_, log_};
  dtls::Connection connection_;
  Time now_ = Time(std::chrono::seconds(1000));
  size_t mtu_ = options_.config.mtu;
  uint64_t sent_ = 0;
  bool over_ = false;
  std::string failure_;
};

}  // namespace
}  // namespace kaon::bogo

int main(int argc, char** argv) {
  if (std::any_of(argv, argv + argc, [](const char* arg) { return !std::strcmp(arg, "-is-handshaker-supported"); })) {
    std::puts("No");
    return 0;
  }
  kaon::bogo::Shim shim(kaon::bogo::parse_options(argc, argv));
  const int result = shim.run();
  if (!shim.failure().empty()) std::fprintf(stderr, "%s\n", shim.failure().c_str());
  return result;
}
