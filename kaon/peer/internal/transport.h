// The one transport of a connection: ICE finds the path, DTLS makes the keys, SRTP uses them.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "kaon/base/env.h"
#include "kaon/base/ring.h"
#include "kaon/dtls/connection.h"
#include "kaon/ice/agent.h"
#include "kaon/peer/connection_types.h"
#include "kaon/srtp/receiver.h"
#include "kaon/srtp/sender.h"
#include "kaon/trace/sink.h"

namespace kaon::peer::internal {

/// Early DTLS packets that wait for their path to be validated; later ones are dropped and the peer repeats them.
inline constexpr size_t kMaxHeldPackets = 8;

class Transport {
 public:
  /// What a packet turned out to hold for the layers above.
  enum class Content : uint8_t { None, Data, Rtp, Rtcp };

  /// `config` must outlive the transport.
  Transport(Env env, const Config& config);
  ~Transport();

  ice::Agent& ice() { return ice_; }
  const ice::Agent& ice() const { return ice_; }
  const dtls::Connection* dtls() const { return dtls_ ? &*dtls_ : nullptr; }
  bool secured() const { return srtp_profile_ != dtls::kNoSrtpProfile; }

  /// Applies what was negotiated: role, credentials, candidates, fingerprints.
  /// True if that begins another DTLS association.
  bool apply(const NegotiatedSession& session, Time now);
  void close();

  /// Demultiplexes (RFC 7983). Data is then polled by poll_application_data(); the others are still encrypted, and the
  /// composer tells ICE of them when they turned out to be authentic.
  Content handle_packet(const net::Datagram& packet, Time now);
  /// Lets in one early packet of a path that has been validated since; false if there is none.
  bool replay_held(Time now);
  std::optional<Bytes> poll_application_data();
  /// A packet of the peer's media was authentic.
  void media_heard() {
    ice_.end_embedding();
    dtls_->peer_has_keys();
  }
  void handle_timeout(Time now);
  Time next_timeout() const;
  /// ICE checks and handshake packets.
  std::optional<net::Transmit> poll_transmit(Bytes out, Time now);
  std::optional<ice::Event> poll_ice_event() { return ice_.poll_event(); }
  /// Connected brings the SRTP keys.
  std::optional<dtls::Event> poll_dtls_event();

  /// Where data goes now; nothing without a valid path.
  const std::optional<ice::Path>& path() const { return ice_.selected(); }
  /// A Transmit to that path.
  net::Transmit address(size_t size) const;

  /// Whether protect_data() works: before Connected too in a server of DTLS 1.3, over a path.
  bool writable() const { return dtls_ && path() && dtls_->writable(); }
  size_t data_offset() const { return dtls_->payload_offset(); }
  size_t data_overhead() const { return dtls_->overhead(); }
  size_t protect_data(ByteView plaintext, Bytes out) { return dtls_->protect(plaintext, out); }
  /// Made when first asked for, which connections without media never do; only when secured().
  srtp::Sender& srtp_sender();
  srtp::Receiver& srtp_receiver();
  dtls::SrtpProfileId srtp_profile() const { return srtp_profile_; }

  const Counters<DropReason>& drops() const { return drops_; }
  Counters<DropReason>& drops() { return drops_; }

 private:
  struct Held {
    ice::Path path;
    std::vector<uint8_t> bytes;
  };

  void hold(const net::Datagram& packet);
  void notice_moved(const net::Datagram& packet, Time now);
  void trace_packet(trace::Layer layer, const net::Datagram& packet, Time now);
  void trace_packet(trace::Layer layer, const net::Transmit& transmit, ByteView out, Time now);
  void export_keys(dtls::SrtpProfileId profile);
  srtp::DirectionKeys srtp_keys() const;
  void set_cryptex(HeaderEncryption agreed);
  void begin_dtls(const NegotiatedSession& session, std::vector<crypto::Fingerprint> fingerprints, Time now);
  void start_dtls_on_path(Time now);
  Content handle_embedded(const net::Datagram& packet, Bytes embedded, Time now);
  void embed_handshake(Time now);
  std::optional<net::Transmit> poll_handshake(Bytes out);
  bool dtls_waits_for_path() const { return dtls_early_ && !ice_.selected(); }

  Env env_;
  const Config& config_;
  ice::Agent ice_;
  std::optional<dtls::Connection> dtls_;
  DtlsRole dtls_role_{};
  bool dtls_started_ = false;
  bool dtls_early_ = false;    // began before there was a path: checks carry the handshake (SPED)
  bool flight_begun_ = false;  // more packets of the same flight may come
  std::vector<Held> held_;
  std::vector<uint8_t> replayed_;
  std::vector<uint8_t> moved_;  // for packets that are only looked at
  // AES-256-GCM has the most: two keys of 32 bytes, two salts of 12.
  std::array<uint8_t, srtp::kMaxExportedSize> exported_{};
  std::unique_ptr<srtp::Sender> srtp_sender_;
  std::unique_ptr<srtp::Receiver> srtp_receiver_;
  srtp::Cryptex cryptex_ = srtp::Cryptex::Off;
  dtls::SrtpProfileId srtp_profile_ = dtls::kNoSrtpProfile;
  Counters<DropReason> drops_;
};

}  // namespace kaon::peer::internal
