// A TURN server with clients who know their passwords, clients who do not, peers, sockets that open or fail, and time.
// Requests are made up attribute by attribute, or are bytes of any kind.
#include <set>

#include "fuzz/fuzz.h"
#include "kaon/stun/builder.h"
#include "kaon/turn/server.h"

namespace kaon::turn {
namespace {

using namespace std::chrono_literals;
using stun::Attribute;
using stun::Class;
using stun::Method;

constexpr size_t kMaxAllocations = 6;
constexpr size_t kMaxConnections = 8;

ServerConfig config() {
  ServerConfig out;
  out.realm = "r";
  out.users = {{"a", "x"}, {"b", "y"}};
  out.secrets = {"s"};
  out.max_allocations = kMaxAllocations;
  out.max_allocations_per_user = 4;
  out.tcp_relays = true;
  out.max_connections = kMaxConnections;
  out.max_connections_per_user = 5;
  out.max_rate_per_user = DataRate::kilobits_per_second(1000);
  return out;
}

net::Endpoint peer(uint8_t choice) {
  if (choice % 4 == 3) {
    std::array<uint8_t, 16> six{0x26, 0, 0, 0};
    six[15] = choice;
    return {net::IpAddress::from_bytes(six), 5};
  }
  return {net::IpAddress::v4(8, choice % 2, 0, choice), static_cast<uint16_t>(choice % 3 + 1)};
}

class World {
 public:
  explicit World(fuzz::Choices& choices) : choices_(choices), server_({random_, log_}, config()) {}

  void run() {
    for (size_t i = 0; i < 300 && !choices_.empty(); ++i) {
      operation();
      drain();
      KAON_ASSERT(server_.allocations() <= kMaxAllocations && server_.connections() <= kMaxConnections);
    }
    // A relay that was ordered and never answered for keeps nothing either.
    fuzz::pass_time(server_, now_, 3h, [&] { drain(); });
    KAON_ASSERT(server_.allocations() == 0 && server_.next_timeout() == kNever);
    KAON_ASSERT(ordered_.empty() && open_.empty() && server_.connections() == 0);
  }

 private:
  ClientPath client(uint8_t choice) const {
    return {{net::IpAddress::v4(192, 0, 2, 1), 3478},
            {net::IpAddress::v4(203, 0, 113, choice % 8), 4},
            static_cast<net::Protocol>(choice / 8 % 4)};
  }

  void operation() {
    switch (choices_.below(9)) {
      case 0:
      case 1: return send(request());
      case 2: return send(choices_.bytes(200));
      case 3: return settle_relay();
      case 4: return from_peer();
      case 5: return fuzz::pass_time(server_, now_, choices_.step(), [&] { drain(); });
      case 6: return server_.client_gone(client(choices_.u8()), now_);
      case 7: return send(indication());
      case 8: return peer_connection();
    }
  }

  // At any client, and by one of the two ways in.
  void send(ByteView bytes) {
    std::vector<uint8_t> copy = fuzz::copy(bytes);
    if (choices_.below(4) == 0) fuzz::mutate(copy, choices_);
    const ClientPath from = client(choices_.u8());
    net::Datagram datagram;
    datagram.local = from.local;
    datagram.remote = from.remote;
    datagram.protocol = from.protocol;
    datagram.bytes = copy;
    if (choices_.flag()) return server_.handle_packet(datagram, now_);
    std::vector<uint8_t> out(choices_.below(300));
    const auto forwarded = server_.forward(datagram, now_, out);
    if (!forwarded) return;
    KAON_ASSERT(forwarded->transmit.size <= out.size() && forwarded->relay && open_.contains(*forwarded->relay));
  }

  ByteView request() {
    static constexpr Method kMethods[] = {Method::Allocate,      Method::Refresh, Method::CreatePermission,
                                          Method::ChannelBind,   Method::Binding, Method::Connect,
                                          Method::ConnectionBind};
    stun::Builder builder(memory_, kMethods[choices_.below(std::size(kMethods))], Class::Request, id());
    for (size_t i = choices_.below(6); i > 0; --i) add_attribute(builder);
    const uint8_t who = choices_.u8();
    if (who % 8 == 0 || nonce_.empty()) return builder.finish();
    const bool first = who % 2 == 0;
    builder.add_text(Attribute::Username, first ? "a" : "b").add_text(Attribute::Realm, "r");
    builder.add_text(Attribute::Nonce, nonce_);
    const auto key = stun::long_term_key(first ? "a" : "b", "r", first ? "x" : "y");
    return builder.add_integrity(crypto::Hmac(crypto::HashAlgorithm::Sha1, key.view())).finish();
  }

  void add_attribute(stun::Builder& builder) {
    switch (choices_.below(14)) {
      case 0: builder.add_u32(Attribute::RequestedTransport, requested_transport(kTransportUdp)); break;
      case 1: builder.add_u32(Attribute::Lifetime, choices_.flag() ? 0 : choices_.u32()); break;
      case 2: builder.add_xor_address(Attribute::XorPeerAddress, peer(choices_.u8())); break;
      case 3:
        builder.add_u32(Attribute::ChannelNumber, static_cast<uint32_t>(kMinChannel + choices_.below(4)) << 16);
        break;
      case 4: builder.add_u32(Attribute::RequestedAddressFamily, static_cast<uint32_t>(choices_.below(4)) << 24); break;
      case 5: builder.add_u32(Attribute::AdditionalAddressFamily, 2 << 24); break;
      case 6: builder.add(Attribute::EvenPort, std::array{static_cast<uint8_t>(choices_.flag() ? 0x80 : 0)}); break;
      case 7: builder.add_u64(Attribute::ReservationToken, token_); break;
      case 8: builder.add(Attribute::MobilityTicket, choices_.flag() ? ByteView(ticket_) : ByteView()); break;
      case 9: builder.add_flag(Attribute::DontFragment); break;
      case 10: builder.add(static_cast<Attribute>(choices_.u16()), choices_.bytes(20)); break;
      case 12: builder.add_u32(Attribute::RequestedTransport, requested_transport(kTransportTcp)); break;
      case 13: builder.add_u32(Attribute::ConnectionId, connection().value()); break;
      case 11: builder.add_password_algorithm(stun::PasswordAlgorithm::Sha256); break;
    }
  }

  ByteView indication() {
    if (choices_.flag()) {
      const ByteView data = choices_.bytes(100);
      write_channel_header(memory_.data(), static_cast<uint16_t>(kMinChannel + choices_.below(4)), data.size());
      std::ranges::copy(data, memory_.begin() + kChannelHeader);
      return ByteView(memory_).first(kChannelHeader + data.size());
    }
    stun::Builder builder(memory_, Method::Send, Class::Indication, id());
    builder.add_xor_address(Attribute::XorPeerAddress, peer(choices_.u8()));
    return builder.add(Attribute::Data, choices_.bytes(100)).finish();
  }

  // Few different ones, so that requests are repeated.
  stun::TransactionId id() { return {{choices_.u8()}}; }

  void settle_relay() {
    if (ordered_.empty()) return;
    const RelayId relay = *ordered_.begin();
    ordered_.erase(ordered_.begin());
    if (choices_.below(4) == 0) return server_.relay_failed(relay, now_);
    open_.insert(relay);
    server_.relay_opened(relay, {net::IpAddress::v4(198, 51, 100, 1), static_cast<uint16_t>(relay.value() + 1)}, now_);
  }

  void from_peer() {
    if (open_.empty()) return;
    auto it = open_.begin();
    std::advance(it, choices_.below(open_.size()));
    const net::Endpoint from = peer(choices_.u8());
    const std::vector<uint8_t> data = fuzz::copy(choices_.bytes(200));
    if (choices_.flag()) return server_.handle_peer_error(*it, from, {3, 3, 0}, now_);
    if (choices_.flag()) return server_.handle_peer_packet(*it, from, data, now_);
    std::vector<uint8_t> out(choices_.below(400));
    const auto forwarded = server_.forward_from_peer(*it, from, data, now_, out);
    KAON_ASSERT(!forwarded || (!forwarded->relay && forwarded->transmit.size <= out.size()));
  }

  // One that there has been, or any.
  ConnectionId connection() {
    if (connections_.empty()) return ConnectionId(choices_.u8());
    return connections_[choices_.below(connections_.size())];
  }

  void peer_connection() {
    const ConnectionId id = connection();
    switch (choices_.below(5)) {
      case 0: return server_.peer_connected(id, now_);
      case 1: return server_.peer_failed(id, now_);
      case 2: return server_.peer_closed(id);
      case 3: return (void)server_.carry(id, choices_.flag(), choices_.u16(), now_);
      case 4: break;
    }
    if (open_.empty()) return;
    if (const auto made = server_.accept_peer(*open_.begin(), peer(choices_.u8()), now_)) remember(*made);
  }
  void remember(ConnectionId id) {
    if (connections_.size() == 2 * kMaxConnections) connections_.erase(connections_.begin());
    connections_.push_back(id);
  }

  void drain() {
    while (const auto event = server_.poll_event()) {
      if (const auto* order = std::get_if<OpenRelay>(&*event)) {
        ordered_.insert(order->id);
        if (order->next) ordered_.insert(*order->next);
      } else if (const auto* close = std::get_if<CloseRelay>(&*event)) {
        KAON_ASSERT(ordered_.erase(close->id) + open_.erase(close->id) == 1);
      } else if (const auto* connect = std::get_if<ConnectPeer>(&*event)) {
        KAON_ASSERT(open_.contains(connect->relay));
        remember(connect->id);
      }
    }
    while (const auto transmit = server_.poll_transmit(out_)) learn(ByteView(out_).first(transmit->size));
  }

  // What the next requests need of the answers.
  void learn(ByteView bytes) {
    const auto message = stun::Message::parse(bytes);
    if (!message) return;
    if (const auto nonce = message->text(Attribute::Nonce)) nonce_ = *nonce;
    if (const auto token = message->u64(Attribute::ReservationToken)) token_ = *token;
    if (const auto ticket = message->find(Attribute::MobilityTicket)) ticket_ = {ticket->begin(), ticket->end()};
  }

  fuzz::Choices& choices_;
  SeededRandom random_{1};
  NullLogger log_;
  Server server_;
  Time now_{1h};
  std::set<RelayId> ordered_;
  std::set<RelayId> open_;
  std::vector<ConnectionId> connections_;
  std::string nonce_;
  uint64_t token_ = 0;
  std::vector<uint8_t> ticket_;
  std::array<uint8_t, 1024> memory_{};
  std::vector<uint8_t> out_ = std::vector<uint8_t>(Server::kMaxPacket);
};

}  // namespace

KAON_FUZZ_TARGET(turn_server) {
  fuzz::Choices choices(input);
  World(choices).run();
}

}  // namespace kaon::turn
