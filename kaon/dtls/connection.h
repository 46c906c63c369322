// DTLS 1.3 (RFC 9147) and 1.2 (RFC 6347) for WebRTC: one association with one peer.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/counters.h"
#include "kaon/base/env.h"
#include "kaon/base/result.h"
#include "kaon/base/time.h"
#include "kaon/dtls/types.h"
#include "kaon/net/datagram.h"

namespace kaon::dtls {

struct AdmittedHello;  // cookie_gate.h

/// Client or server with certificates on both sides, verified by fingerprint (RFC 8827 §6.5), or with a pre-shared key
/// where Config::psks has one. A net::ByteEngine. Used on one loop only.
///
/// The server sends no cookie by itself: hand it only packets from addresses that ICE has authenticated, or put a
/// CookieGate before it.
class Connection {
 public:
  /// Most bytes that protect() adds without connection ids, in 1.2 with CBC: record header 13, IV 16, MAC 32, padding
  /// 16. Suites with AEAD add 37 at most. The peer's connection id, if there is one, comes on top, and in 1.2 one byte
  /// more.
  static constexpr size_t kMaxOverhead = 77;
  /// Largest application data record (RFC 5246 §6.2.1).
  static constexpr size_t kMaxPlaintext = 1 << 14;
  /// Application data records of one packet that wait for poll_application_data().
  static constexpr size_t kMaxPendingRecords = 64;
  /// Application data that came before Connected: records and bytes kept.
  static constexpr size_t kMaxEarlyRecords = 16;
  static constexpr size_t kMaxEarlyBytes = 16 * 1024;

  /// Whether a DTLS packet begins with application data, as far as that shows: in 1.3 all that is not protected by
  /// handshake keys counts (RFC 9147 §4), in 1.2 all that has a connection id.
  static bool may_be_application_data(ByteView packet) {
    constexpr uint8_t kHandshakeEpoch13 = 2;
    return packet[0] == 23 || packet[0] == 25 || ((packet[0] & 0xe0) == 0x20 && (packet[0] & 3) != kHandshakeEpoch13);
  }

  Connection(Env env, Config config);
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  /// Whether a packet is DTLS at all by its first byte, 20 to 63 (RFC 7983 §7, RFC 9443).
  static bool is_dtls(ByteView packet) { return !packet.empty() && packet[0] >= 20 && packet[0] <= 63; }

  /// The connection id, of `size` bytes, that a packet begins with, for who has many connections and gets a packet from
  /// an address it does not know. Nothing if it begins with another record. Records do not tell how long ids are: give
  /// all connections ids of one size.
  static std::optional<ByteView> connection_id_of(ByteView packet, size_t size);

  /// Begins the handshake; call it when the path works. A client sends its ClientHello; a server may also just be given
  /// packets. Calls after the first do nothing.
  void start(Time now);
  /// Instead of start(), for a server behind a CookieGate: answers the hello that the gate has let in. Drain
  /// poll_transmit() afterwards. Calls after start(), and those of a client, do nothing.
  void accept(const AdmittedHello& hello, Time now);

  /// One datagram, decrypted in place. Drain poll_application_data() before the packet's memory is used for anything
  /// else and before the next packet: what is left is dropped then.
  void handle_packet(Bytes packet, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const;
  /// Handshake and alert datagrams, up to Config::mtu bytes. `out` should hold that; a smaller one lowers the size.
  std::optional<net::Transmit> poll_transmit(Bytes out);
  /// At most ten events ever wait.
  std::optional<Event> poll_event();

  /// Plaintext of the next received record, after Connected only. Points into the packet of the last handle_packet(),
  /// or, for data that came before Connected, into memory that is valid until the next call of any method here.
  std::optional<Bytes> poll_application_data();

  /// Whether protect() works: when connected, and in a server of 1.3 from its own Finished on, half a round trip before
  /// that (RFC 8446 §2, figure 1). Until Connected nobody has shown who the client is: say what anybody may hear.
  bool writable() const;
  /// The most bytes that protect() adds to a record with the negotiated suite and the peer's connection id: all of them
  /// always, but for CBC, whose padding may be up to 15 bytes shorter. The most that this can be until writable().
  size_t overhead() const;
  /// Where in its output protect() puts the payload: plaintext that already stands there is encrypted in place.
  size_t payload_offset() const;
  /// Writes one application data record: `out` needs plaintext.size() + overhead() bytes. `plaintext` stands exactly at
  /// out + payload_offset() or does not overlap `out`. Returns the bytes written; zero if not writable(), if a size
  /// does not fit, or if sequence numbers or a key are used up (then Closed follows). Allocates nothing;
  /// with CBC libcrypto does.
  size_t protect(ByteView plaintext, Bytes out);

  /// RFC 5705, RFC 8446 §7.5; for SRTP the label is kSrtpExporterLabel. An empty `context` means none.
  [[nodiscard]] Result<void, Error> export_keying_material(std::string_view label, ByteView context, Bytes out) const;

  /// The fingerprints of the peer's session description. Nothing is delivered or exported before one of them fits; none
  /// that fits closes the connection. Of several hash functions the strongest counts (RFC 8122 §5); SHA-1 and MD5 never
  /// do.
  void set_remote_fingerprints(std::vector<crypto::Fingerprint> fingerprints);
  /// Round-trip time that ICE measured: the next flight's first timeout is 1.5 times that, at least 50 ms.
  void set_rtt(Duration rtt);
  /// For a handshake that began before there was a path, and whose packets went another way: the path works from now
  /// on, and all timers begin anew. `flight_lost`: what was sent last is not known to have arrived and is due again.
  void path_ready(bool flight_lost, Time now);
  /// The peer has shown otherwise, by SRTP for example, that the handshake is complete on its side: it need not
  /// acknowledge our last flight any more.
  void peer_has_keys();
  /// Largest datagram from here on; raised to kMinMtu and the peer's connection id if smaller.
  void set_mtu(size_t mtu);
  /// New keys for what we send (RFC 9147 §8); they are used once the peer has acknowledged that. Done by itself after
  /// Config::records_per_key. Due at once: next_timeout() is in the past then. In 1.2 there is no such thing, and
  /// nothing happens.
  [[nodiscard]] Result<void, Error> update_keys();
  /// Whether the packet that handle_packet() took last had a record with a connection id of ours that is authentic and
  /// newer than all before it; after Connected only. If that packet came from another address than the one that is sent
  /// to, the peer has probably moved there: RFC 9146 §6 lets its owner send there from now on, if it makes sure that
  /// the address answers or is content to be used as a reflector for what it sends. Nothing else may move an address.
  bool peer_may_have_moved() const;
  /// What we write into our records; empty if nothing.
  ByteView remote_connection_id() const;

  // Return routability checks (RFC 9853), where Config::return_routability says so on both sides.

  /// Bytes of a check's messages without overhead().
  static constexpr size_t kPathMessageSize = 9;
  /// How long an answer may take.
  static constexpr Duration kPathCheckTimeout = std::chrono::seconds(1);
  /// Writes a datagram, which is to be sent to a new address of the peer and nowhere else, into `out` of
  /// kPathMessageSize + overhead() bytes (asserted). Whether the answer came is told by PathChecked; until then nothing
  /// else should be sent to that address, and from then on everything. Busy while another check runs or its event
  /// waits.
  [[nodiscard]] Result<size_t, Error> check_path(Bytes out, Time now);
  /// Whether the packet of the last handle_packet() was such a check by the peer: then the answer, of as many bytes, is
  /// in `out` (as above) and has to be sent to where the packet came from. Zero if not.
  size_t answer_path_check(Bytes out);

  // Connection ids of 1.3 can be changed (RFC 9147 §9). In 1.2 the next three fail with NoConnectionIds.

  /// At most so many of ours are accepted at once, and so many of the peer's are kept for later.
  static constexpr size_t kMaxConnectionIds = 8;
  /// More ids of ours, of the size of Config::connection_id, accepted at once beside those before; due like
  /// update_keys(). Of a request that asks for more than we want to give, fewer or none answer it.
  [[nodiscard]] Result<void, Error> send_new_connection_ids(const std::vector<std::vector<uint8_t>>& ids,
                                                            ConnectionIdUsage usage);
  /// Asks for `count` more ids of the peer.
  [[nodiscard]] Result<void, Error> request_connection_ids(uint8_t count);
  /// Writes the next of the peer's spare ids from now on, for an address of ours that nobody has seen yet; false if
  /// there is none.
  bool use_spare_connection_id();
  /// Records with this id of ours are no longer taken; the last one stays.
  void forget_connection_id(ByteView id);

  /// Sends close_notify if there are keys, and emits Closed{LocalClose}.
  void close();

  bool connected() const;
  const Counters<DropReason>& dropped() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kaon::dtls
