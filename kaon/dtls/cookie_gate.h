// Cookies before state: what stands before the connections of a DTLS server that anybody can reach (RFC 6347 §4.2.1,
// RFC 9147 §5.1).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/counters.h"
#include "kaon/base/env.h"
#include "kaon/base/time.h"
#include "kaon/crypto/hash.h"
#include "kaon/dtls/types.h"
#include "kaon/net/address.h"

namespace kaon::dtls {

/// A ClientHello whose sender has shown by a cookie that it gets what is sent to its address. For Connection::accept().
struct AdmittedHello {
  Version version{};
  /// The message's number, and that of the record it ended in: what the server says next is numbered alike.
  uint16_t message_sequence = 0;
  uint64_t record_sequence = 0;
  std::vector<uint8_t> body;
  /// Of 1.3: the HelloRetryRequest that was sent, its suite, the group that goes with it, and the hash of the
  /// ClientHello before it.
  std::vector<uint8_t> retry = {};
  CipherSuite suite{};
  crypto::Group group{};
  crypto::Digest first_hello = {};
};

/// Answers first ClientHellos by HelloVerifyRequest (1.2) or HelloRetryRequest (1.3), and lets in those that bring the
/// cookie back. The cookie holds all that is to be remembered, under a MAC over it, the client's address and its hello.
/// So a half-open handshake costs no memory, and of work one MAC and for a first hello of 1.3 a hash. An answer is
/// never larger than what it answers.
///
/// For a server without ICE: under ICE a connection gets nothing before an authenticated check, and needs no cookie.
/// Used on one loop only.
class CookieGate {
 public:
  /// Bytes that `out` of handle_packet() has to hold.
  static constexpr size_t kMaxAnswer = 192;
  /// The largest ClientHello that is looked at; one with a share of X25519MLKEM768 has about 1500 bytes.
  static constexpr size_t kMaxHello = 4096;
  /// ClientHellos that come in several datagrams and are put together at once, of all addresses; the one that has
  /// waited longest gives way. In a flood of them such clients have to try again. Hellos of one datagram are not kept.
  static constexpr size_t kMaxPartialHellos = 32;
  /// Highest number of a ClientHello that is answered: a client may need some when its cookies grow too old.
  static constexpr uint16_t kMaxHelloSequence = 3;

  /// `config` is the one that the connections will have: its versions, suites, groups, pre-shared keys and kind of
  /// certificate count. A cookie is good for `key_lifetime` at least and for twice that at most.
  CookieGate(Env env, Config config, Duration key_lifetime = std::chrono::seconds(30));
  CookieGate(CookieGate&&) noexcept;
  CookieGate& operator=(CookieGate&&) noexcept;
  ~CookieGate();

  struct Verdict {
    /// Bytes of `out` that are to be sent back to where the packet came from.
    size_t answer = 0;
    /// If there is one: make a connection for that address and give it this.
    std::optional<AdmittedHello> hello = {};
  };
  /// One datagram from an address that has no connection. All that is no ClientHello is dropped.
  Verdict handle_packet(Bytes packet, const net::Endpoint& remote, Time now, Bytes out);

  struct Stats {
    uint64_t asked = 0;    ///< HelloVerifyRequests and HelloRetryRequests sent
    uint64_t refused = 0;  ///< hellos of 1.3 with a cookie that is not ours or too old; each is answered by an alert
    uint64_t admitted = 0;
    uint64_t macs = 0;    ///< computed
    uint64_t hashes = 0;  ///< of hellos, computed
  };
  const Stats& stats() const;
  /// HelloRefused: malformed, nothing in common, or smaller than its answer would be. ReassemblyFull: a hello gave way.
  const Counters<DropReason>& dropped() const;
  /// Bytes held of hellos whose other datagrams are to come: at most kMaxPartialHellos times kMaxHello.
  size_t partial_bytes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kaon::dtls
