// A whole peer connection in each of its states, with a real peer. The fuzzer sits on the wire, on the signalling, and,
// once there are keys, inside: it seals SCTP packets, RTP and RTCP of its own as the authenticated peer.
#include "fuzz/dtls_keys.h"
#include "fuzz/sdp_edit.h"
#include "kaon/base/crc.h"
#include "kaon/peer/connection.h"
#include "kaon/srtp/sender.h"

#include <deque>

namespace kaon::peer {
namespace {

using namespace std::chrono_literals;

struct Packet {
  net::Endpoint from;
  net::Endpoint to;
  std::vector<uint8_t> bytes;
};

const crypto::Certificate& certificate(size_t which) {
  const auto make = [](uint64_t seed) {
    SeededRandom random(seed);
    return crypto::Certificate::generate(crypto::KeyType::Ed25519, random, 1'700'000'000s);
  };
  static const std::array<crypto::Certificate, 2> all = {make(1), make(2)};
  return all[which];
}

struct Side {
  Side(const Config& config, uint64_t seed, net::Endpoint own, Time now)
      : random(seed), address(own), connection({random, log}, pool, config, now) {
    KAON_ASSERT(connection.add_local_address({.address = address}, now).has_value());
    connection.end_of_local_addresses(now);
  }

  SeededRandom random;
  NullLogger log;
  BufferPool pool;
  net::Endpoint address;
  Connection connection;
  bool closed = false;
  std::vector<datachannel::ChannelId> channels;
  std::deque<Packet> inbox;
};

class World {
 public:
  explicit World(fuzz::Choices& choices)
      : choices_(choices),
        bits_(choices.u8()),
        us_(config(0), 1, endpoint(1), now_),
        peer_(config(1), 2, endpoint(2), now_) {}

  void run() {
    prepare();
    reach(choices_.below(8));
    for (size_t i = 0; i < 200 && !choices_.empty(); ++i) {
      operation();
      drain(us_, peer_);
      drain(peer_, us_);
    }
    fuzz::pass_time(us_.connection, now_, 5s, [&] { drain(us_, peer_); });
    us_.connection.close(now_);
    drain(us_, peer_);
    KAON_ASSERT(us_.connection.state() == ConnectionState::Closed);
    KAON_ASSERT(us_.connection.next_timeout() == kNever);
  }

 private:
  static net::Endpoint endpoint(uint8_t host) {
    return {net::IpAddress::v4(192, 0, 2, host), static_cast<uint16_t>(1000 + host)};
  }
  Config config(size_t which) const {
    Config config{.certificate = certificate(which)};
    config.key_log = true;
    config.negotiation.header_encryption = HeaderEncryption::Negotiate;
    config.max_dtls_version = dtls::Version::Dtls12;  // whose keys the fuzzer can make of the key log
    config.sped = (bits_ & 128) != 0;                 // hides from it what it needs for that
    if (which == 0 && (bits_ & 1) != 0) config.delivery = Delivery::Packets;
    if (which == 0 && (bits_ & 2) != 0) config.ice.lite = true;
    config.data.sctp.receive_window = 64 * 1024;
    config.data.sctp.max_message_size = 8 * 1024;
    return config;
  }

  void prepare() {
    for (Side* side : {&us_, &peer_}) {
      if ((bits_ & 4) != 0) open(*side);
      if ((bits_ & 8) != 0) add(*side, sdp::MediaKind::Video, (bits_ & 32) != 0);
      if ((bits_ & 16) != 0) add(*side, sdp::MediaKind::Audio, false);
    }
  }
  static void add(Side& side, sdp::MediaKind kind, bool simulcast) {
    TransceiverInit init;
    if (simulcast) init.rids = {"a", "b"};
    (void)side.connection.add_transceiver(kind, init);
  }
  void open(Side& side) {
    if (const auto id = side.connection.open_channel({.label = "channel"}, now_)) side.channels.push_back(*id);
  }
  bool us_offers() const { return (bits_ & 64) != 0; }
  void reach(size_t state) {
    Side& offerer = us_offers() ? us_ : peer_;
    Side& answerer = us_offers() ? peer_ : us_;
    if (state == 0) return;
    signal(offerer, answerer, SdpType::Offer, false);
    if (state == 1) return;
    signal(answerer, offerer, SdpType::Answer, false);
    if (state == 2) return;
    exchange(state == 3 ? 2 : state == 4 ? 4 : 30);
    if (state == 6) exchange(20);
    if (state == 7) us_.inbox.clear(), pass(us_, peer_, 7s);
  }

  void signal(Side& from, Side& to, SdpType type, bool edit) {
    (void)from.connection.set_local_description(type, now_);
    drain(from, to);
    std::string text = from.connection.local_description();
    if (text.empty()) return;
    KAON_ASSERT(sdp::SessionDescription::parse(text).has_value());
    if (edit) text = fuzz::edited(text, choices_);
    if (const auto parsed = sdp::SessionDescription::parse(text))
      (void)to.connection.set_remote_description(type, *parsed, now_);
    drain(to, from);
  }
  void exchange(size_t rounds) {
    for (size_t i = 0; i < rounds; ++i) {
      while (!peer_.inbox.empty()) deliver_front(peer_);
      while (!us_.inbox.empty()) deliver_front(us_);
      Time from = now_;
      fuzz::pass_time(us_.connection, now_, 20ms, [&] { drain(us_, peer_); });
      fuzz::pass_time(peer_.connection, from, 20ms, [&] { drain(peer_, us_); });
    }
  }
  void deliver_front(Side& to) {
    Packet packet = std::move(to.inbox.front());
    to.inbox.pop_front();
    give(to, packet);
  }
  void give(Side& to, Packet& packet) {
    packet.bytes.shrink_to_fit();
    to.connection.handle_packet({.local = packet.to, .remote = packet.from, .bytes = packet.bytes}, now_);
    drain(us_, peer_);
    drain(peer_, us_);
  }
  void pass(Side& side, Side& other, Duration step) {
    fuzz::pass_time(side.connection, now_, step, [&] { drain(side, other); });
  }

  void drain(Side& side, Side& other) {
    while (const auto event = side.connection.poll_event()) on_event(side, *event);
    while (const auto event = side.connection.poll_channel_event()) {
      if (const auto* announced = std::get_if<datachannel::ChannelAnnounced>(&*event))
        side.channels.push_back(announced->channel);
    }
    while (const auto packet = side.connection.poll_media()) KAON_ASSERT(packet->packet.payload().size() < 65536);
    while (const auto frame = side.connection.poll_frame()) KAON_ASSERT(!frame->data.empty());
    transmit(side, other);
  }
  void on_event(Side& side, const Event& event) {
    if (const auto* line = std::get_if<dtls::KeyLogLine>(&event)) keys_.on_key_log(line->line);
    if (const auto* state = std::get_if<StateChanged>(&event)) {
      KAON_ASSERT(!side.closed);
      side.closed = state->state == ConnectionState::Closed;
    }
  }
  void transmit(Side& side, Side& other) {
    for (size_t count = 0;; ++count) {
      const auto sent = side.connection.poll_transmit(scratch_);
      if (!sent) return;
      KAON_ASSERT(count < 5000 && sent->size <= scratch_.size());
      const size_t segment = sent->segment_size == 0 ? sent->size : sent->segment_size;
      for (size_t at = 0; at < sent->size; at += segment) {
        const ByteView bytes = ByteView(scratch_).subspan(at, std::min(segment, sent->size - at));
        if (bytes[0] == 22) keys_.on_server_packet(bytes), note_server(side, bytes);
        if (&side == &peer_ && bytes[0] == 23)
          sealed_sequence_ = std::max(sealed_sequence_, load_be64(&bytes[3]) & 0xffffffffffff);
        if (sent->remote == other.address && other.inbox.size() < 300)
          other.inbox.push_back({sent->local, sent->remote, fuzz::copy(bytes)});
      }
    }
  }
  void note_server(const Side& side, ByteView bytes) {
    if (bytes.size() > 13 && bytes[13] == 2) peer_is_client_ = &side == &us_;
  }

  void operation() {
    switch (choices_.below(18)) {
      case 0: return raw();
      case 1: return mutated();
      case 2: return genuine(us_);
      case 3: return genuine(peer_);
      case 4: pass(us_, peer_, choices_.step()); return;
      case 5: pass(peer_, us_, choices_.step()); return;
      case 6: return signal(peer_, us_, any_type(), true);
      case 7: return signal(us_, peer_, any_type(), false);
      case 8:
      case 9: return inject_data();
      case 10:
      case 11: return inject_rtp();
      case 12: return inject_rtcp();
      case 13: return media(us_);
      case 14: return media(peer_);
      case 15: return command(us_);
      case 16: return command(peer_);
      default: return exchange(1 + choices_.below(4));
    }
  }
  SdpType any_type() { return static_cast<SdpType>(choices_.below(4)); }
  net::Endpoint source() { return choices_.below(4) == 3 ? endpoint(66) : peer_.address; }

  void raw() {
    Packet packet{source(), us_.address, fuzz::copy(choices_.bytes(1300))};
    give(us_, packet);
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
  // Inside: application data of DTLS, which is SCTP with a right checksum, or anything.
  void inject_data() {
    if (!keys_.complete()) return;
    std::vector<uint8_t> packet = fuzz::copy(choices_.bytes(600));
    if (packet.size() >= 12 && choices_.below(8) != 7) {
      store_be16(&packet[0], 5000);
      store_be16(&packet[2], 5000);
      store_be32(&packet[8], 0);
      store_le32(&packet[8], crc32c(packet));
    }
    Packet sealed{peer_.address, us_.address, keys_.seal(peer_is_client_, 23, ++sealed_sequence_, packet)};
    give(us_, sealed);
  }
  srtp::Sender* srtp() {
    if (!srtp_ && keys_.complete()) {
      // The first profile that both sides have by default.
      const auto profile = srtp::Profile::AeadAes128Gcm;
      const auto block = keys_.exported(dtls::kSrtpExporterLabel, srtp::exported_size(profile));
      const auto role = peer_is_client_ ? srtp::DtlsRole::Client : srtp::DtlsRole::Server;
      srtp_.emplace(profile, srtp::split_exported_keys(profile, block, role).local);
    }
    return srtp_ ? &*srtp_ : nullptr;
  }
  // Payload types and SSRCs near those that were negotiated, extensions and payload as the input has them.
  void inject_rtp() {
    if (srtp() == nullptr) return;
    std::vector<uint8_t> packet(12);
    const uint8_t first = choices_.u8();
    packet[0] = static_cast<uint8_t>(0x80 | (first & 0x30));
    packet[1] = choices_.u8();
    rtp_sequence_ = static_cast<uint16_t>(rtp_sequence_ + ((first & 1) != 0 ? choices_.u8() : 1));
    store_be16(&packet[2], rtp_sequence_);
    store_be32(&packet[4], (first & 2) != 0 ? choices_.u32() : rtp_timestamp_ += 3000);
    store_be32(&packet[8], ssrc());
    const ByteView rest = choices_.bytes(300);
    packet.insert(packet.end(), rest.begin(), rest.end());
    std::vector<uint8_t> out(packet.size() + 64);
    srtp_->set_cryptex((first & 4) != 0 ? srtp::Cryptex::On : srtp::Cryptex::Off);
    const auto size = srtp_->protect_rtp(packet, out);
    if (!size) return;
    out.resize(*size);
    Packet sealed{peer_.address, us_.address, std::move(out)};
    give(us_, sealed);
  }
  // Of the peer's own stream (which only it has the right numbers for), one of ours, or a new one.
  uint32_t ssrc() {
    const size_t which = choices_.below(8);
    const Side& side = which < 4 ? peer_ : us_;
    const auto all = side.connection.transceivers();
    if (which == 7 || all.empty()) return choices_.u8();
    const auto& encodings = all[choices_.below(all.size())].encodings;
    if (encodings.empty()) return 1;
    const SendEncoding& encoding = encodings[choices_.below(encodings.size())];
    return which % 2 == 0 ? encoding.ssrc : encoding.rtx_ssrc;
  }
  void inject_rtcp() {
    if (srtp() == nullptr) return;
    std::vector<uint8_t> packet;
    for (size_t i = 1 + choices_.below(3); i > 0; --i) {
      std::vector<uint8_t> body(8);
      store_be32(&body[0], ssrc());
      store_be32(&body[4], ssrc());
      const auto count = static_cast<uint8_t>(choices_.below(32));
      const auto type = static_cast<uint8_t>(200 + choices_.below(9));
      const ByteView rest = choices_.bytes(200);
      body.insert(body.end(), rest.begin(), rest.end());
      body.resize((body.size() + 3) / 4 * 4);
      packet.insert(packet.end(), {static_cast<uint8_t>(0x80 | count), type, 0, 0});
      store_be16(&packet[packet.size() - 2], static_cast<uint16_t>(body.size() / 4));
      packet.insert(packet.end(), body.begin(), body.end());
    }
    std::vector<uint8_t> out(packet.size() + 64);
    const auto size = srtp_->protect_rtcp(packet, out);
    if (!size) return;
    out.resize(*size);
    Packet sealed{peer_.address, us_.address, std::move(out)};
    give(us_, sealed);
  }

  void media(Side& side) {
    const auto all = side.connection.transceivers();
    if (all.empty()) return;
    const TransceiverId id = all[choices_.below(all.size())].id;
    if (choices_.below(4) == 3) return side.connection.request_keyframe(id, now_);
    const auto codec = side.connection.send_codec(id);
    if (!codec) return;
    std::vector<uint8_t> frame(10 + choices_.below(4000), 7);
    const std::array<uint8_t, 10> key = {0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01};
    if (choices_.flag()) std::ranges::copy(key, frame.begin());
    if (!packetizer::is_video(*codec)) frame.resize(100);
    (void)side.connection.send_frame(id, *codec, {.data = frame, .timestamp = frame_timestamp_ += 3000}, now_);
  }
  void command(Side& side) {
    const auto all = side.connection.transceivers();
    const TransceiverId id = all.empty() ? TransceiverId(0) : all[choices_.below(all.size())].id;
    const auto channel = [&] {
      return side.channels.empty() ? datachannel::ChannelId(choices_.u8())
                                   : side.channels[choices_.below(std::min<size_t>(side.channels.size(), 256))];
    };
    switch (choices_.below(16)) {
      case 0: return open(side);
      case 1: side.connection.close_channel(channel(), now_); return;
      case 2:
      case 3: (void)side.connection.send_text(channel(), choices_.text(40), now_); return;
      case 4: return add(side, choices_.flag() ? sdp::MediaKind::Video : sdp::MediaKind::Audio, choices_.flag());
      case 5: (void)side.connection.set_direction(id, static_cast<sdp::Direction>(choices_.below(4))); return;
      case 6: (void)side.connection.stop_transceiver(id); return;
      case 7: side.connection.restart_ice(now_); return;
      case 8: (void)side.connection.add_remote_candidate(choices_.text(100), now_); return;
      case 9: (void)side.connection.set_track(id, {"stream"}, "track"); return;
      case 10: (void)side.connection.stats(now_); return;
      case 11:
        (void)side.connection.restart_ice_with({std::string(choices_.text(20)), std::string(30, 'p')}, now_);
        return;
      case 12: (void)side.connection.create_offer(now_); return;
      case 13: (void)side.connection.set_local_description(any_type(), now_); return;
      case 14:
        if (choices_.below(4) == 0) side.connection.close(now_);
        return;
      default: {
        const std::vector<uint8_t> payload(choices_.below(9000), 7);
        (void)side.connection.send_binary(channel(), payload, now_);
      }
    }
  }

  fuzz::Choices& choices_;
  uint8_t bits_;
  Time now_{1000s};
  std::vector<uint8_t> scratch_ = std::vector<uint8_t>(Connection::kMaxTransmit);
  Side us_;
  Side peer_;
  fuzz::DtlsKeys keys_;
  std::optional<srtp::Sender> srtp_;
  bool peer_is_client_ = false;
  uint64_t sealed_sequence_ = 0;
  uint16_t rtp_sequence_ = 100;
  uint32_t rtp_timestamp_ = 0;
  uint32_t frame_timestamp_ = 0;
};

}  // namespace

KAON_FUZZ_TARGET(peer_connection) {
  fuzz::Choices choices(input);
  World(choices).run();
}

}  // namespace kaon::peer
