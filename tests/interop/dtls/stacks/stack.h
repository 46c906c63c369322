// What the driver of this folder knows of somebody else's DTLS library. Each one is a shared object with new_stack().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace kaon::interop {

using Packet = std::vector<uint8_t>;

struct StackConfig {
  bool client = false;
  bool dtls13 = false;
  /// Largest datagram in bytes, without UDP and IP headers.
  size_t mtu = 1200;
  /// PEM; the key as PKCS #8, of P-256.
  std::string certificate;
  std::string private_key;
};

struct Agreed {
  /// As on the wire: 0xfefd is 1.2, 0xfefc 1.3.
  uint16_t version = 0;
  uint16_t srtp_profile = 0;
  /// Of the SRTP exporter label without context, kExportedSize bytes.
  Packet exported;
};
inline constexpr size_t kExportedSize = 60;
inline constexpr std::string_view kExporterLabel = "EXTRACTOR-dtls_srtp";

/// One side of a connection without I/O. The clocks that the library reads are the driver's, who also says when a timer
/// has run out.
class Stack {
 public:
  virtual ~Stack() = default;
  /// Goes on with the handshake and takes what lies in `incoming`.
  virtual void step() = 0;
  /// Nanoseconds until on_timeout() is due; nothing if no timer runs.
  virtual std::optional<int64_t> timeout() = 0;
  virtual void on_timeout() = 0;
  virtual void send(std::string_view text) = 0;
  /// Once connected.
  virtual Agreed agreed() = 0;

  std::deque<Packet> incoming;
  std::deque<Packet> outgoing;
  std::deque<std::string> received;
  /// Lines of SSLKEYLOGFILE; none if the library gives none.
  std::set<std::string> key_log;
  bool connected = false;
  /// Why the library has ended the connection; empty as long as it has not.
  std::string failure;
  /// `failure` is that it has sent its last flight as often as it does.
  bool out_of_retries = false;

 protected:
  /// The next datagram; -1 if there is none, and what does not fit is cut off.
  std::ptrdiff_t take(uint8_t* out, size_t size) {
    if (incoming.empty()) return -1;
    const Packet packet = std::move(incoming.front());
    incoming.pop_front();
    const size_t n = packet.size() < size ? packet.size() : size;
    for (size_t i = 0; i < n; ++i) out[i] = packet[i];
    return static_cast<std::ptrdiff_t>(n);
  }
  void put(const uint8_t* data, size_t size) { outgoing.emplace_back(data, data + size); }
  void fail(std::string why, bool retries) {
    if (failure.empty()) {
      failure = std::move(why);
      out_of_retries = retries;
    }
  }
};

}  // namespace kaon::interop

extern "C" {
/// The caller deletes it.
kaon::interop::Stack* new_stack(const kaon::interop::StackConfig& config);
/// "OpenSSL 3.0.19" for example.
const char* stack_name();
}
