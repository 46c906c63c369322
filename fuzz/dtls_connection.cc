// A DTLS connection of either role in each of its states. The fuzzer sits on the wire (real packets mutated, lost,
// doubled, reordered; fragments and records made up), and once there are keys it is the authenticated peer as well.
//
// Nothing that the peer did not send is ever delivered, and nobody is connected whose certificate does not fit.
#include "fuzz/dtls_keys.h"
#include "kaon/dtls/connection.h"
#include "kaon/dtls/internal/protocol.h"

#include <deque>

namespace kaon::dtls {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGenuine = "genuine";

crypto::Certificate make_certificate(uint64_t seed) {
  SeededRandom random(seed);
  return crypto::Certificate::generate(crypto::KeyType::Ed25519, random, 1'700'000'000s);
}
// Made once: they never change.
const crypto::Certificate& certificate(size_t which) {
  static const std::array<crypto::Certificate, 3> all = {make_certificate(1), make_certificate(2), make_certificate(3)};
  return all[which];
}

struct Side {
  Side(const Config& config, uint64_t seed) : random(seed), connection({random, log}, config) {}

  SeededRandom random;
  NullLogger log;
  Connection connection;
  bool connected = false;
  bool closed = false;
  std::deque<std::vector<uint8_t>> inbox;
};

class World {
 public:
  explicit World(fuzz::Choices& choices)
      : choices_(choices),
        bits_(choices.u8()),
        us_(config(us_is_client() ? Role::Client : Role::Server, 0), 1),
        peer_(config(us_is_client() ? Role::Server : Role::Client, 1), 2) {}

  void run() {
    reach(choices_.below(16));
    for (size_t i = 0; i < 200 && !choices_.empty(); ++i) {
      operation();
      drain(us_, peer_);
      drain(peer_, us_);
      KAON_ASSERT(!us_.connected || !wrong_fingerprint());
    }
    fuzz::pass_time(us_.connection, now_, 60s, [&] { drain(us_, peer_); });
    KAON_ASSERT(us_.connected || us_.closed || !started_ || us_.connection.next_timeout() != kNever);
  }

 private:
  bool us_is_client() const { return (bits_ & 1) != 0; }
  bool wrong_fingerprint() const { return (bits_ & 6) == 6; }
  Config config(Role role, size_t which) const {
    Config config{.role = role, .certificate = certificate(which)};
    config.groups = {crypto::Group::X25519};
    config.key_log = true;
    // With 1.3 the fuzzer is nobody: it has no keys, but repeats and changes what goes by.
    config.max_version = (bits_ & 32) != 0 ? Version::Dtls13 : Version::Dtls12;
    if ((bits_ & 8) != 0) config.mtu = 256;
    if ((bits_ & 8) != 0) config.alpn = {"webrtc", which == 0 ? "a" : "b"};
    if ((bits_ & 16) != 0) {
      config.cipher_suites = {(bits_ & 8) != 0 ? CipherSuite::EcdheEcdsaAes128CbcSha
                                               : CipherSuite::EcdheEcdsaChaCha20Poly1305Sha256};
    }
    const bool unknown = which == 0 && (bits_ & 2) != 0;
    if (!unknown) config.remote_fingerprints = {certificate(1 - which).fingerprint()};
    // Each side has an id, none, or one of no bytes.
    if ((bits_ & 64) != 0) config.connection_id = std::vector<uint8_t>(which == 0 ? 3 : 0, 9);
    if ((bits_ & 128) != 0 && which == 1) config.connection_id = std::vector<uint8_t>(5, 8);
    if (which == 0 && wrong_fingerprint()) config.remote_fingerprints = {certificate(2).fingerprint()};
    return config;
  }

  // Datagrams that have crossed: none to all.
  void reach(size_t state) {
    if (state == 0) return;
    start();
    const size_t steps = state == 15 ? 100 : state - 1;
    for (size_t i = 0; i < steps && !(us_.connected && peer_.connected); ++i) deliver_one(i % 2 == 0 ? peer_ : us_);
  }
  void start() {
    started_ = true;
    us_.connection.start(now_);
    peer_.connection.start(now_);
    drain(us_, peer_);
    drain(peer_, us_);
  }
  void deliver_one(Side& to) {
    if (to.inbox.empty()) return;
    std::vector<uint8_t> packet = std::move(to.inbox.front());
    to.inbox.pop_front();
    give(to, packet);
  }
  void give(Side& to, std::vector<uint8_t>& packet) {
    packet.shrink_to_fit();
    to.connection.handle_packet(packet, now_);
    drain(us_, peer_);
    drain(peer_, us_);
  }

  void drain(Side& side, Side& other) {
    while (const auto event = side.connection.poll_event()) {
      KAON_ASSERT(!side.closed);
      if (std::holds_alternative<Connected>(*event)) KAON_ASSERT(!std::exchange(side.connected, true));
      if (std::holds_alternative<Closed>(*event)) side.closed = true;
      if (const auto* line = std::get_if<KeyLogLine>(&*event)) keys_.on_key_log(line->line);
    }
    while (const auto data = side.connection.poll_application_data()) {
      KAON_ASSERT(side.connected);
      KAON_ASSERT(sealed_ || as_text(*data) == kGenuine);
    }
    std::vector<uint8_t> out(1200);
    for (size_t count = 0;; ++count) {
      const auto transmit = side.connection.poll_transmit(out);
      if (!transmit) break;
      KAON_ASSERT(count < 1000 && transmit->size <= out.size());
      std::vector<uint8_t> packet(out.begin(), out.begin() + static_cast<ptrdiff_t>(transmit->size));
      if (us_is_client() == (&side == &peer_)) keys_.on_server_packet(packet);
      if (other.inbox.size() < 100) other.inbox.push_back(std::move(packet));
    }
  }

  void operation() {
    switch (choices_.below(12)) {
      case 0: return raw();
      case 1: return record();
      case 2:
      case 3: return fragment();
      case 4: return mutated();
      case 5: return sealed();
      case 6: return genuine(us_);
      case 7: return genuine(peer_);
      case 8: fuzz::pass_time(us_.connection, now_, choices_.step(), [&] { drain(us_, peer_); }); return;
      case 9: fuzz::pass_time(peer_.connection, now_, choices_.step(), [&] { drain(peer_, us_); }); return;
      case 10: return protect(peer_, us_);
      default: return command();
    }
  }
  void raw() {
    std::vector<uint8_t> packet = fuzz::copy(choices_.bytes(1500));
    give(us_, packet);
  }
  void plain_record(uint8_t type, uint16_t epoch, uint16_t sequence, ByteView payload) {
    std::vector<uint8_t> packet(kRecordHeaderSize);
    packet[0] = type;
    store_be16(&packet[1], kVersionDtls12);
    store_be16(&packet[3], epoch);
    store_be16(&packet[9], sequence);
    store_be16(&packet[11], static_cast<uint16_t>(payload.size()));
    packet.insert(packet.end(), payload.begin(), payload.end());
    give(us_, packet);
  }
  void record() {
    const auto type = static_cast<uint8_t>(20 + choices_.below(7));
    const auto epoch = static_cast<uint16_t>(choices_.below(3));
    const auto sequence = static_cast<uint16_t>(choices_.u8());
    plain_record(type, epoch, sequence, choices_.bytes(600));
  }
  std::vector<uint8_t> make_fragment() {
    constexpr std::array<uint8_t, 12> kTypes = {0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 20, 4};
    const uint8_t type = kTypes[choices_.below(kTypes.size())];
    const auto sequence = static_cast<uint16_t>(choices_.below(12));
    const ByteView body = choices_.bytes(600);
    const bool whole = choices_.flag();
    std::vector<uint8_t> out(kHandshakeHeaderSize);
    out[0] = type;
    store_be24(&out[1], static_cast<uint32_t>(whole ? body.size() : choices_.u16()));
    store_be16(&out[4], sequence);
    store_be24(&out[6], whole ? 0 : choices_.u16());
    store_be24(&out[9], static_cast<uint32_t>(body.size()));
    out.insert(out.end(), body.begin(), body.end());
    return out;
  }
  void fragment() { plain_record(22, 0, choices_.u8(), make_fragment()); }
  void mutated() {
    if (us_.inbox.empty()) return;
    std::vector<uint8_t> packet = us_.inbox[choices_.below(std::min<size_t>(us_.inbox.size(), 16))];
    for (size_t i = choices_.below(4) + 1; i > 0; --i) fuzz::mutate(packet, choices_);
    give(us_, packet);
  }
  // As the peer would: any content in a record that is authentic.
  void sealed() {
    if (!keys_.complete()) return;
    const auto type = static_cast<uint8_t>(20 + choices_.below(6));
    const std::vector<uint8_t> payload =
        type == 22 && choices_.flag() ? make_fragment() : fuzz::copy(choices_.bytes(300));
    sealed_ = true;
    // Beyond what the peer itself has sent; sometimes one number again.
    if (choices_.below(8) != 0) ++sealed_sequence_;
    std::vector<uint8_t> packet =
        keys_.seal(!us_is_client(), type, sealed_sequence_, payload, peer_.connection.remote_connection_id());
    give(us_, packet);
  }
  void genuine(Side& to) {
    if (to.inbox.empty()) return;
    const size_t which = choices_.below(std::min<size_t>(to.inbox.size(), 16));
    std::vector<uint8_t> packet = to.inbox[which];
    const size_t what = choices_.below(4);
    if (what != 1) to.inbox.erase(to.inbox.begin() + static_cast<ptrdiff_t>(which));
    if (what != 0) give(to, packet);
  }
  void protect(Side& from, Side& to) {
    std::vector<uint8_t> packet(kGenuine.size() + from.connection.overhead());
    packet.resize(from.connection.protect(as_bytes(kGenuine), packet));
    if (!packet.empty()) to.inbox.push_back(std::move(packet));
  }
  void new_ids(Side& side) {
    const size_t size = &side == &us_ ? 3 : 5;
    std::vector<std::vector<uint8_t>> ids(choices_.below(4));
    for (auto& id : ids) id.assign(size, choices_.u8());
    (void)side.connection.send_new_connection_ids(
        ids, choices_.flag() ? ConnectionIdUsage::Immediate : ConnectionIdUsage::Spare);
  }
  void command() {
    switch (choices_.below(11)) {
      case 0: return start();
      case 1:
        if (!wrong_fingerprint()) us_.connection.set_remote_fingerprints({certificate(1).fingerprint()});
        return;
      case 2: us_.connection.set_mtu(choices_.u16()); return;
      case 3: us_.connection.set_rtt(std::max(choices_.step(), Duration::zero())); return;
      case 4: us_.connection.close(); return;
      case 5: peer_.connection.close(); return;
      case 6: return protect(us_, peer_);
      case 8: return (void)us_.connection.request_connection_ids(choices_.u8());
      case 9: return new_ids(us_);
      case 10: return (void)us_.connection.use_spare_connection_id();
      default: {
        std::array<uint8_t, 60> out;
        KAON_ASSERT(us_.connection.export_keying_material(kSrtpExporterLabel, {}, out).has_value() ==
                    us_.connection.connected());
      }
    }
  }

  fuzz::Choices& choices_;
  uint8_t bits_;
  Time now_{1000s};
  Side us_;
  Side peer_;
  fuzz::DtlsKeys keys_;
  bool started_ = false;
  bool sealed_ = false;
  uint64_t sealed_sequence_ = 1000;
};

}  // namespace

KAON_FUZZ_TARGET(dtls_connection) {
  fuzz::Choices choices(input);
  World(choices).run();
}

}  // namespace kaon::dtls
