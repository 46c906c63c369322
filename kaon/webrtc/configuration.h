// What a PeerConnection is made with.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kaon/base/log.h"
#include "kaon/base/result.h"
#include "kaon/crypto/certificate.h"
#include "kaon/io/loop.h"
#include "kaon/io/peer_port.h"
#include "kaon/peer/connection_types.h"
#include "kaon/trace/sink.h"

namespace kaon::webrtc {

/// RTCIceServer: "stun:HOST[:PORT]", "turn:HOST[:PORT][?transport=udp|tcp]", "turns:HOST[:PORT][?transport=tcp|udp]"
/// (TURN over TLS, or DTLS). TURN wants user and password. What is wrong with one is told by on_ice_candidate_error.
struct IceServer {
  /// Alternatives for one server.
  std::vector<std::string> urls;
  /// Of TURN servers.
  std::string username = {};
  /// The password.
  std::string credential = {};
};

/// How a UDP port is opened, and what of it is told to peers.
struct PortOptions {
  /// 0 for a free one.
  uint16_t port = 0;
  /// A free one is chosen from here, both ends included.
  std::optional<std::pair<uint16_t, uint16_t>> port_range = {};
  /// Told instead of the machine's own addresses, or of one of them: what a 1:1 NAT in front maps to us.
  std::vector<io::PublicAddress> public_addresses = {};
  /// Which of the machine's addresses are told and used, by interface or by address; empty for all. Called on the
  /// loops, also later when the network changes.
  std::function<bool(const io::Interface&)> use_interface = {};
  /// Tell names of Multicast DNS instead of addresses, as browsers do: peers on the same network find us by them,
  /// others by STUN and TURN.
  bool hide_addresses = false;
  /// Announce loopback addresses too; without any other address they are announced anyway.
  bool loopback = false;
  /// ICE over TCP beside UDP (RFC 6544): connect to peers that listen, and listen on the same port number.
  bool ice_tcp = false;
  /// Through which the connections of `ice_tcp` are made.
  std::optional<io::HttpProxy> http_proxy = {};
  /// Must outlive the port; null for silence.
  Logger* log = nullptr;
  /// Sees packets in the clear and events of all connections; io::open_trace() makes one that writes files. Must
  /// outlive the port; null for none.
  trace::Sink* trace = nullptr;
};

/// One UDP port for any number of connections over any number of loops.
class SharedPort {
 public:
  /// From outside the loops, or from the only one. The loops must outlive the port. Connections are told apart by the
  /// peers' addresses, so that between two shared ports, or within one, there can be one connection only.
  static Result<std::shared_ptr<SharedPort>, io::IoError> open(std::span<io::Loop* const> loops,
                                                               PortOptions options = {});
  /// Connections keep their port alive. With several loops, release the last reference outside of them.
  ~SharedPort();

  /// As bound: the one that was chosen if 0 was asked for.
  uint16_t port() const;
  /// The share of this loop; null if it is not one of those the port was opened for.
  io::PeerShard* shard(const io::Loop& loop) const;

 private:
  explicit SharedPort(std::unique_ptr<io::PeerPort> port);
  std::unique_ptr<io::PeerPort> port_;
};

/// RTCIceTransportPolicy. Relay: the peer learns no address of this machine, and packets go over TURN servers only.
enum class IceTransportPolicy : uint8_t { All, Relay };

/// Of which families relayed addresses are asked for. Automatic: IPv4, and IPv6 too in the same allocation if this
/// machine has IPv6. Both is for who has none and has peers with nothing else.
enum class RelayFamilies : uint8_t { Automatic, V4, V6, Both };

using peer::Dscp;

/// RTCConfiguration, and what a browser does not let you choose.
struct Configuration {
  /// The first 4 STUN servers are asked for our address.
  std::vector<IceServer> ice_servers = {};
  /// An HTTP proxy that lets TCP through by CONNECT. TURN servers over TCP and TLS are reached through it, and looked
  /// up by it, and so are peers over TCP (PortOptions::ice_tcp). UDP takes no proxy; to use nothing else, name TURN
  /// servers over TCP or TLS only and choose IceTransportPolicy::Relay. What it refuses is told by
  /// on_ice_candidate_error, and for peers logged.
  std::optional<io::HttpProxy> http_proxy = {};
  /// Which of our addresses may be used.
  IceTransportPolicy ice_transport_policy = IceTransportPolicy::All;
  /// What TURN servers are asked for; one that does not give both gives one.
  RelayFamilies relay_families = RelayFamilies::Automatic;
  /// Without one, a new one is made for the connection (ECDSA P-256), so that nobody can tell by it that two of them
  /// come from the same place. A server that has nothing to hide may give one to all (crypto::CachedCertificate).
  std::optional<crypto::Certificate> certificate = {};
  /// Without one, the connection opens a port of its own.
  std::shared_ptr<SharedPort> port = {};
  /// Of its own port. `log`, `trace` and `http_proxy` there are taken from here.
  PortOptions own_port = {};
  /// Codecs and RTP header extensions to offer and to accept, and whether these are encrypted (W3C
  /// rtpHeaderEncryptionPolicy).
  peer::NegotiatorConfig negotiation = {};
  /// Data channels: most of them, size of their buffers.
  datachannel::Config data = {};
  /// SNAP: SCTP's INIT chunks travel in offer and answer (a=sctp-init), so that data channels open two round trips
  /// earlier. Peers that lack it do not notice.
  bool snap = true;
  /// SPED: ICE's connectivity checks carry the DTLS handshake, so that media and data flow a round trip earlier, and a
  /// lost packet is repeated sooner. Peers that lack it do not notice.
  bool sped = true;
  /// Which candidates of the peer are checked.
  ice::AddressPolicy remote_addresses = {};
  /// 1.2 for paths that lose records of 1.3, as some relays of calls do.
  dtls::Version max_dtls_version = dtls::Version::Dtls13;
  /// PostQuantum: the key exchange of DTLS 1.3 withstands quantum computers, if the peer has X25519MLKEM768 as browsers
  /// do and libcrypto is 3.5 or newer. It costs bytes, one more datagram, and no round trip.
  dtls::KeyExchangePolicy key_exchange = dtls::KeyExchangePolicy::Latency;
  /// How long to look for a way to the peer, from its description on. More than the default for a peer that may begin
  /// much later, because a person carries the descriptions: checks are then repeated every few seconds.
  Duration ice_patience = ice::Config().patience;
  /// Marks what we send for networks that know priorities (RFC 8837), by kind: `Dscp{}` has the RFC's numbers. Over
  /// TURN the packets to the server are marked. None: nothing is marked, which every network lets pass.
  std::optional<peer::Dscp> dscp = {};
  /// Largest UDP payload of media and handshake packets.
  size_t mtu = 1200;
  /// Must outlive the connection; null for silence.
  Logger* log = nullptr;
  /// Of its own port: as PortOptions::trace.
  trace::Sink* trace = nullptr;
};

}  // namespace kaon::webrtc
