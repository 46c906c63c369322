// A CookieGate between clients of several addresses and an attacker who sees and sends whatever it likes, but does not
// get what is sent to an address that is not its own.
//
// Nobody is let in who has not got a cookie for his own address; no answer is larger than what it answers; the table of
// hellos in pieces has its bound.
#include "fuzz/fuzz.h"
#include "kaon/dtls/connection.h"
#include "kaon/dtls/cookie_gate.h"
#include "kaon/dtls/internal/protocol.h"

namespace kaon::dtls {
namespace {

using namespace std::chrono_literals;

const crypto::Certificate& certificate() {
  static const crypto::Certificate made = [] {
    SeededRandom random(1);
    return crypto::Certificate::generate(crypto::KeyType::Ed25519, random, 1'700'000'000s);
  }();
  return made;
}

Config config_of(Role role, unsigned kind) {
  Config config{.role = role, .certificate = certificate()};
  config.groups = {crypto::Group::X25519};
  if (role == Role::Client) {
    if ((kind & 1) != 0) config.max_version = Version::Dtls12;
    if ((kind & 2) != 0) config.mtu = 200;
    if ((kind & 4) != 0) config.groups = {crypto::Group::Secp384r1, crypto::Group::X25519};
  }
  return config;
}

class World {
 public:
  World(fuzz::Choices& choices, uint64_t seed)
      : choices_(choices),
        random_(seed),
        gate_({random_, log_}, config_of(Role::Server, 0), 10s),
        client_(new_client()) {}

  void run() {
    for (size_t i = 0; i < 200 && !choices_.empty(); ++i) operation();
  }

 private:
  static constexpr size_t kAddresses = 4;

  Connection new_client() { return {{random_, log_}, config_of(Role::Client, choices_.u8())}; }
  net::Endpoint address(size_t which) const {
    return {net::IpAddress::v4(192, 0, 2, static_cast<uint8_t>(which)), 4000};
  }

  void operation() {
    switch (choices_.below(8)) {
      case 0: return raw();
      case 1:
      case 2: return honest();
      case 3: return mutated();
      case 4: return replayed();
      case 5: now_ += choices_.step(); return;
      case 6: client_ = new_client(); return;
      default: return cut();
    }
  }
  void raw() { give(fuzz::copy(choices_.bytes(1500)), choices_.below(kAddresses)); }
  /// The client, at its address, says what it has to say and hears the answers.
  void honest() {
    client_.start(now_);
    client_.handle_timeout(now_);
    while (client_.poll_event()) continue;
    std::vector<uint8_t> out(1200);
    for (int count = 0; count < 20; ++count) {
      const auto transmit = client_.poll_transmit(out);
      if (!transmit) break;
      const std::vector<uint8_t> packet(out.begin(), out.begin() + static_cast<ptrdiff_t>(transmit->size));
      seen_.push_back(packet);
      if (seen_.size() > 30) seen_.erase(seen_.begin());
      std::vector<uint8_t> answer = give(packet, 0);
      if (!answer.empty()) client_.handle_packet(answer, now_);
    }
  }
  std::vector<uint8_t> some_packet() {
    return seen_.empty() ? std::vector<uint8_t>() : seen_[choices_.below(seen_.size())];
  }
  void mutated() {
    std::vector<uint8_t> packet = some_packet();
    fuzz::mutate(packet, choices_);
    give(std::move(packet), choices_.below(kAddresses));
  }
  void replayed() { give(some_packet(), choices_.below(kAddresses)); }
  /// A handshake record of which only a piece is sent, as a fragment that says so.
  void cut() {
    std::vector<uint8_t> packet = some_packet();
    constexpr size_t kHead = kRecordHeaderSize + kHandshakeHeaderSize;
    if (packet.size() <= kHead) return;
    const size_t from = choices_.below(packet.size() - kHead + 1);
    const size_t size = choices_.below(packet.size() - kHead - from + 1);
    std::vector<uint8_t> piece(packet.begin(), packet.begin() + kHead);
    piece.insert(piece.end(), packet.begin() + static_cast<ptrdiff_t>(kHead + from),
                 packet.begin() + static_cast<ptrdiff_t>(kHead + from + size));
    store_be16(&piece[11], static_cast<uint16_t>(size + kHandshakeHeaderSize));
    store_be24(&piece[kRecordHeaderSize + 6], static_cast<uint32_t>(from));
    store_be24(&piece[kRecordHeaderSize + 9], static_cast<uint32_t>(size));
    give(std::move(piece), choices_.below(kAddresses));
  }

  std::vector<uint8_t> give(std::vector<uint8_t> packet, size_t from) {
    packet.shrink_to_fit();
    given_[from] += packet.size();
    std::vector<uint8_t> out(CookieGate::kMaxAnswer);
    const auto verdict = gate_.handle_packet(packet, address(from), now_, out);
    answered_[from] += verdict.answer;
    KAON_ASSERT(answered_[from] <= given_[from]);
    KAON_ASSERT(gate_.partial_bytes() <= CookieGate::kMaxPartialHellos * CookieGate::kMaxHello);
    asked_ = asked_ || (from == 0 && verdict.answer != 0);
    if (verdict.hello) {
      // Only the client hears answers, and only those to its address; the attacker has what the client has shown.
      KAON_ASSERT(from == 0 && asked_ && verdict.answer == 0);
      accept(*verdict.hello);
    }
    out.resize(verdict.answer);
    return out;
  }
  void accept(const AdmittedHello& hello) {
    Connection server({random_, log_}, config_of(Role::Server, 0));
    server.accept(hello, now_);
    std::vector<uint8_t> out(1200);
    size_t datagrams = 0;
    while (server.poll_transmit(out)) KAON_ASSERT(++datagrams < 20);
  }

  fuzz::Choices& choices_;
  Time now_{1000s};
  SeededRandom random_;
  NullLogger log_;
  CookieGate gate_;
  Connection client_;
  std::vector<std::vector<uint8_t>> seen_;
  std::array<size_t, kAddresses> given_{}, answered_{};
  bool asked_ = false;  // anything of the client's address
};

}  // namespace
}  // namespace kaon::dtls

KAON_FUZZ_TARGET(dtls_cookie_gate) {
  kaon::fuzz::Choices choices(input);
  kaon::dtls::World(choices, kaon::fuzz::seed_of(input)).run();
}
