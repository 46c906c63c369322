// An ICE agent in each of its states, a real peer, and somebody who knows the peer's password or does not: checks and
// answers made up attribute by attribute, real packets mutated, lost and replayed, candidates, time and commands.
#include "fuzz/fuzz.h"
#include "kaon/base/text.h"
#include "kaon/ice/agent.h"
#include "kaon/ice/mux.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"
#include "kaon/stun/message.h"

#include <deque>

namespace kaon::ice {
namespace {

using namespace std::chrono_literals;

struct Packet {
  net::Endpoint from;
  net::Endpoint to;
  std::vector<uint8_t> bytes;
};

struct Side {
  Side(const Config& config, uint64_t seed, net::Endpoint own)
      : random(seed), address(own), agent({random, log}, config) {}

  SeededRandom random;
  NullLogger log;
  net::Endpoint address;
  Agent agent;
  bool closed = false;
  std::deque<Packet> inbox;
  std::vector<stun::TransactionId> asked;  // by this side's checks, newest last
};

class World {
 public:
  explicit World(fuzz::Choices& choices)
      : choices_(choices),
        bits_(choices.u8()),
        us_(config(true), 1, endpoint(1)),
        peer_(config(false), 2, endpoint(2)) {
    KAON_ASSERT(
        mux_.add(ConnectionId(1), us_.agent.local_credentials().ufrag, us_.agent.transaction_tag()).has_value());
  }

  void run() {
    reach(choices_.below(10));
    for (size_t i = 0; i < 300 && !choices_.empty(); ++i) {
      operation();
      drain(us_, peer_);
      drain(peer_, us_);
      check_bounds();
    }
    fuzz::pass_time(us_.agent, now_, 90s, [&] { drain(us_, peer_); });
    // Nobody has answered for so long: no consent, no sending (RFC 7675 §5.1).
    KAON_ASSERT(!us_.agent.selected());
  }

 private:
  static net::Endpoint endpoint(uint8_t host) {
    return {net::IpAddress::v4(192, 0, 2, host), static_cast<uint16_t>(1000 + host)};
  }
  Config config(bool us) const {
    Config config;
    config.role = us == ((bits_ & 1) != 0) ? Role::Controlling : Role::Controlled;
    config.lite = us && (bits_ & 2) != 0;
    config.renomination = (bits_ & 4) != 0;
    if ((bits_ & 8) != 0) config.remote_policy.private_networks = false;
    config.sped = (bits_ & 16) != 0;
    return config;
  }

  void reach(size_t state) {
    if (state == 0) return;
    add_local();
    (void)peer_.agent.add_local_candidate({.address = peer_.address}, now_);
    if (state == 1) return;
    accept();
    if (state == 2) return;
    exchange(state == 3 ? 1 : 2);
    if (state <= 4) return;
    exchange(20);
    pass_both(state == 6 ? 10s : 1s);
    if (state == 7) (void)us_.agent.restart(now_), drain(us_, peer_);
    if (state == 8) us_.inbox.clear(), fuzz::pass_time(us_.agent, now_, 8s, [&] { drain(us_, peer_); });
    if (state == 9) us_.inbox.clear(), fuzz::pass_time(us_.agent, now_, 60s, [&] { drain(us_, peer_); });
  }
  void add_local() {
    (void)us_.agent.add_local_candidate({.address = us_.address}, now_);
    drain(us_, peer_);
  }
  // A flight of made-up packets, as handshakes have them.
  void embed(Side& side, size_t packets) {
    side.agent.begin_flight();
    std::vector<uint8_t> packet(40, 1);
    packet[0] = 22;
    for (size_t i = 0; i < packets; ++i) ++packet[1], side.agent.embed(packet);
    side.agent.flight_embedded(now_);
  }
  void accept() {
    if ((bits_ & 16) != 0) {
      us_.agent.begin_embedding((bits_ & 32) != 0);
      peer_.agent.begin_embedding((bits_ & 64) != 0);
      embed(us_, 2);
    }
    (void)us_.agent.set_remote_credentials(peer_.agent.local_credentials(), false, now_);
    (void)peer_.agent.set_remote_credentials(us_.agent.local_credentials(), (bits_ & 2) != 0, now_);
    for (const Candidate& c : peer_.agent.local_candidates()) (void)us_.agent.add_remote_candidate(c, now_);
    for (const Candidate& c : us_.agent.local_candidates()) (void)peer_.agent.add_remote_candidate(c, now_);
    drain(us_, peer_);
    drain(peer_, us_);
  }
  void exchange(size_t rounds) {
    for (size_t i = 0; i < rounds; ++i) {
      while (!peer_.inbox.empty()) deliver_front(peer_);
      while (!us_.inbox.empty()) deliver_front(us_);
      pass_both(20ms);
    }
  }
  void pass_both(Duration step) {
    const Time end = now_ + step;
    while (now_ < end) {
      Time from = now_;
      fuzz::pass_time(us_.agent, now_, std::min<Duration>(end - from, 50ms), [&] { drain(us_, peer_); });
      fuzz::pass_time(peer_.agent, from, std::min<Duration>(end - from, 50ms), [&] { drain(peer_, us_); });
      while (!peer_.inbox.empty()) deliver_front(peer_);
      while (!us_.inbox.empty()) deliver_front(us_);
    }
  }
  void deliver_front(Side& to) {
    Packet packet = std::move(to.inbox.front());
    to.inbox.pop_front();
    give(to, packet);
  }
  void give(Side& to, Packet& packet) {
    packet.bytes.shrink_to_fit();
    const net::Datagram datagram{.local = packet.to, .remote = packet.from, .bytes = packet.bytes};
    if (&to == &us_) (void)mux_.route(datagram);
    to.agent.handle_packet(datagram, now_);
    if (const auto embedded = to.agent.poll_embedded()) {
      KAON_ASSERT((bits_ & 16) != 0 && !embedded->empty() && (*embedded)[0] >= 20 && (*embedded)[0] <= 63);
      KAON_ASSERT(embedded->data() >= packet.bytes.data());
      KAON_ASSERT(embedded->data() + embedded->size() <= packet.bytes.data() + packet.bytes.size());
      (*embedded)[0] ^= 0xff;  // as who decrypts in it
      if (choices_.below(4) == 0) embed(to, 1 + choices_.below(3));
    }
    drain(us_, peer_);
    drain(peer_, us_);
  }

  void drain(Side& side, Side& other) {
    std::array<uint8_t, Agent::kMaxPacket> out;
    for (size_t count = 0;; ++count) {
      const auto transmit = side.agent.poll_transmit(out);
      if (!transmit) break;
      KAON_ASSERT(count < 1000 && transmit->size <= out.size());
      Packet packet{transmit->local, transmit->remote, fuzz::copy(ByteView(out).first(transmit->size))};
      const auto message = stun::Message::parse(packet.bytes);
      KAON_ASSERT(message.has_value());
      if (message->message_class() == stun::Class::Request) side.asked.push_back(message->transaction_id());
      if (side.asked.size() > 32) side.asked.erase(side.asked.begin());
      if (packet.to == other.address && other.inbox.size() < 200) other.inbox.push_back(std::move(packet));
    }
    while (const auto event = side.agent.poll_event()) on_event(side, *event);
  }
  void on_event(Side& side, const Event& event) {
    KAON_ASSERT(!side.closed);
    if (const auto* state = std::get_if<StateChanged>(&event)) side.closed = state->state == State::Closed;
    if (const auto* path = std::get_if<PathValidated>(&event); path != nullptr && &side == &us_)
      (void)mux_.bind(ConnectionId(1), path->path);
    if (const auto* local = std::get_if<LocalCandidate>(&event))
      KAON_ASSERT(Candidate::parse(local->candidate.to_string()).has_value());
  }
  void check_bounds() {
    KAON_ASSERT(us_.agent.local_candidates().size() <= Agent::kMaxLocalCandidates);
    KAON_ASSERT(us_.agent.remote_candidates().size() <= Agent::kMaxRemoteCandidates);
    KAON_ASSERT(us_.agent.pair_stats().size() <= Agent::kMaxPairs);
    KAON_ASSERT(us_.agent.embedded_packets() <= 8);
    KAON_ASSERT(mux_.paths() <= Mux::kMaxPaths);
    const auto& selected = us_.agent.selected();
    // Without a packet that the peer's password signed, media goes nowhere but to the peer.
    if (selected && !authenticated_) KAON_ASSERT(selected->remote == peer_.address);
  }

  void operation() {
    switch (choices_.below(14)) {
      case 0: return raw();
      case 1:
      case 2: return request();
      case 3:
      case 4: return response();
      case 5: return mutated();
      case 6: return genuine(us_);
      case 7: return genuine(peer_);
      case 8: fuzz::pass_time(us_.agent, now_, choices_.step(), [&] { drain(us_, peer_); }); return;
      case 9: fuzz::pass_time(peer_.agent, now_, choices_.step(), [&] { drain(peer_, us_); }); return;
      case 10: return exchange(1 + choices_.below(3));
      case 11: return candidate();
      default: return command();
    }
  }
  net::Endpoint source() {
    const auto which = static_cast<uint8_t>(choices_.below(6));
    return which < 3 ? peer_.address : endpoint(static_cast<uint8_t>(10 + which));
  }
  net::Endpoint destination() { return choices_.below(8) == 7 ? endpoint(9) : us_.address; }
  void raw() {
    Packet packet{source(), destination(), fuzz::copy(choices_.bytes(700))};
    give(us_, packet);
  }
  void add_attributes(stun::Builder& builder) {
    using stun::Attribute;
    constexpr std::array kTypes = {
        Attribute::Priority,      Attribute::UseCandidate,    Attribute::IceControlled, Attribute::IceControlling,
        Attribute::Nomination,    Attribute::GoogNetworkInfo, Attribute::ErrorCode,     Attribute::XorMappedAddress,
        Attribute::MappedAddress, Attribute::Username,        Attribute::Realm,         Attribute::AlternateServer,
        Attribute::DtlsInStun,    Attribute::DtlsInStunAck};
    for (size_t i = choices_.below(6); i > 0; --i) {
      const Attribute type = kTypes[choices_.below(kTypes.size())];
      switch (choices_.below(6)) {
        case 0: builder.add(type, choices_.bytes(64)); break;
        case 1: builder.add_u64(type, choices_.u32()); break;
        case 2: builder.add_xor_address(type, choices_.flag() ? us_.address : source()); break;
        case 3:
          builder.add_error(choices_.flag() ? stun::ErrorNumber::RoleConflict : stun::ErrorNumber::BadRequest);
          break;
        default: builder.add_u32(type, choices_.u32());
      }
    }
  }
  void finish(stun::Builder& builder, const std::string& password, std::vector<uint8_t>& memory) {
    const size_t how = choices_.below(8);
    const bool signed_by_peer = how != 7;
    authenticated_ |= signed_by_peer;
    builder.add_integrity(stun::short_term_key(signed_by_peer ? std::string_view(password) : "wrong"));
    if (how == 6) builder.add_flag(stun::Attribute::UseCandidate);  // behind the integrity: must not count
    const ByteView whole = how == 5 ? builder.finish() : builder.add_fingerprint().finish();
    memory.resize(whole.size());
    if (memory.empty()) return;
    Packet packet{source(), destination(), memory};
    give(us_, packet);
  }
  void request() {
    std::vector<uint8_t> memory(700);
    const auto method = choices_.below(8) == 7 ? stun::Method::Allocate : stun::Method::Binding;
    const auto kind = choices_.below(8) == 7 ? stun::Class::Indication : stun::Class::Request;
    stun::Builder builder(memory, method, kind, stun::TransactionId::random(random_));
    const Credentials& own = us_.agent.local_credentials();
    const std::string_view user = choices_.below(8) == 7 ? choices_.text(20) : peer_.agent.local_credentials().ufrag;
    builder.add_text(stun::Attribute::Username, cat(own.ufrag, ":", user));
    if (choices_.below(4) != 0) {
      builder.add_u32(stun::Attribute::Priority, 1'845'501'695);
      builder.add_u64(choices_.flag() ? stun::Attribute::IceControlling : stun::Attribute::IceControlled,
                      choices_.u32());
    }
    add_attributes(builder);
    finish(builder, own.password, memory);
  }
  void response() {
    if (us_.asked.empty()) return;
    std::vector<uint8_t> memory(700);
    const auto& id = us_.asked[us_.asked.size() - 1 - choices_.below(us_.asked.size())];
    stun::Builder builder(memory, stun::Method::Binding, choices_.flag() ? stun::Class::Error : stun::Class::Success,
                          id);
    if (choices_.below(4) != 0) builder.add_xor_address(stun::Attribute::XorMappedAddress, us_.address);
    add_attributes(builder);
    finish(builder, peer_.agent.local_credentials().password, memory);
  }
  void mutated() {
    if (us_.inbox.empty()) return;
    Packet packet = us_.inbox[choices_.below(std::min<size_t>(us_.inbox.size(), 16))];
    for (size_t i = choices_.below(4) + 1; i > 0; --i) fuzz::mutate(packet.bytes, choices_);
    give(us_, packet);
  }
  void genuine(Side& to) {
    if (to.inbox.empty()) return;
    const size_t which = choices_.below(std::min<size_t>(to.inbox.size(), 16));
    Packet packet = to.inbox[which];
    const size_t what = choices_.below(4);
    if (what != 1) to.inbox.erase(to.inbox.begin() + static_cast<ptrdiff_t>(which));
    if (what != 0) give(to, packet);
  }
  void candidate() {
    if (choices_.flag()) {
      if (const auto parsed = Candidate::parse(choices_.text(200))) (void)us_.agent.add_remote_candidate(*parsed, now_);
      return;
    }
    Candidate made;
    made.foundation = "1";
    made.type = static_cast<CandidateType>(choices_.below(4));
    made.priority = choices_.u32();
    made.address = {net::IpAddress::v4(choices_.u32()), choices_.u16()};
    if (choices_.below(4) == 3) made.address.ip = *net::IpAddress::parse("2001:db8::1");
    if (choices_.below(4) == 3) made.ufrag = "old1";
    (void)us_.agent.add_remote_candidate(made, now_);
  }
  void command() {
    switch (choices_.below(19)) {
      case 16: return embed(choices_.flag() ? us_ : peer_, 1 + choices_.below(10));
      case 17: us_.agent.finish_embedding(choices_.flag()); return;
      case 18: us_.agent.end_embedding(); return;
      case 0: return add_local();
      case 1: return accept();
      case 2: (void)us_.agent.restart(now_, choices_.text(8)); return;
      case 3: (void)peer_.agent.restart(now_); return;
      case 4: us_.agent.set_role(choices_.flag() ? Role::Controlling : Role::Controlled); return;
      case 5: us_.agent.end_of_remote_candidates(now_); return;
      case 6: us_.agent.end_of_local_candidates(now_); return;
      case 7: (void)us_.agent.add_stun_server(source(), now_); return;
      case 8: {
        LocalAddress address;
        address.type = static_cast<CandidateType>(choices_.below(4));
        address.address = endpoint(static_cast<uint8_t>(choices_.below(64)));
        if (choices_.flag()) address.base = us_.address;
        address.network_cost = choices_.u16();
        if (choices_.below(4) == 3)
          address.protocol = net::Protocol::Tcp, address.tcp_type = static_cast<TcpType>(choices_.below(4));
        (void)us_.agent.add_local_candidate(address, now_);
        return;
      }
      case 9: us_.agent.count_sent(choices_.u8(), choices_.u16(), now_); return;
      case 10: us_.agent.count_received({us_.address, source()}, 1, 100, now_); return;
      case 11: {
        const Credentials remote{std::string(choices_.text(20)), std::string(choices_.text(40))};
        (void)us_.agent.set_remote_credentials(remote, choices_.flag(), now_);
        return;
      }
      case 12: (void)us_.agent.source_of(us_.address, source()); return;
      case 13: peer_.agent.close(); return;
      case 14:
        if (choices_.below(4) == 0) us_.agent.close();
        return;
      default: (void)us_.agent.rtt();
    }
  }

  fuzz::Choices& choices_;
  uint8_t bits_;
  Time now_{1000s};
  SeededRandom random_{3};
  Side us_;
  Side peer_;
  Mux mux_{7};
  bool authenticated_ = false;
};

}  // namespace

KAON_FUZZ_TARGET(ice_agent) {
  fuzz::Choices choices(input);
  World(choices).run();
}

}  // namespace kaon::ice
