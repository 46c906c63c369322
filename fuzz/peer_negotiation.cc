// Offer and answer between two negotiators, in any order, with descriptions edited on their way and transceivers
// changing between. A failed call must change nothing, and what we write must be readable.
#include "fuzz/sdp_edit.h"
#include "kaon/peer/negotiation.h"

namespace kaon::peer {
namespace {

struct Side {
  Side(uint64_t seed, char letter)
      : random(seed), negotiator({random, log}, {.header_encryption = HeaderEncryption::Negotiate}) {
    set_transport(letter);
  }

  void set_transport(char letter) {
    LocalTransport transport;
    transport.ice_ufrag = std::string(4, letter);
    transport.ice_pwd = std::string(24, letter);
    std::string fingerprint = "sha-256 AB";
    for (int i = 1; i < 32; ++i) fingerprint += ":CD";
    transport.fingerprints = {fingerprint};
    // One side can do SNAP in each pair of letters, and another has the same value: an echo.
    if (letter % 2 == 0) transport.sctp_init = "AQAAHl+zdHQAUAAA/////6Gq3HTAAAAEgAgABoLA";
    if (letter % 4 == 1) transport.sctp_init = "AQAAHols3R0AUAAA/////+B5ZR3AAAAEgAgABoLA";
    negotiator.set_transport(transport);
  }

  SeededRandom random;
  NullLogger log;
  Negotiator negotiator;
};

class World {
 public:
  explicit World(fuzz::Choices& choices) : choices_(choices) {}

  void run() {
    for (size_t i = 0; i < 60 && !choices_.empty(); ++i) {
      Side& side = choices_.flag() ? a_ : b_;
      operation(side, &side == &a_ ? b_ : a_);
      check(side);
    }
  }

 private:
  void operation(Side& side, Side& other) {
    switch (choices_.below(14)) {
      case 0: return add_transceiver(side);
      case 1: return change_transceiver(side);
      case 2: side.negotiator.want_data(); return;
      case 3: side.set_transport(static_cast<char>('a' + choices_.below(26))); return;
      case 4: (void)side.negotiator.set_local_description(SdpType::Rollback); return;
      case 5: (void)side.negotiator.set_remote_description(SdpType::Rollback, {}); return;
      case 6: (void)side.negotiator.set_local_description(any_type()); return;
      case 7:
        if (choices_.below(8) == 0) side.negotiator.close();
        return;
      case 8: return exchange(side, other);
      case 9: return text_from_nowhere(side);
      default: return one_step(side, other);
    }
  }
  SdpType any_type() { return static_cast<SdpType>(choices_.below(4)); }
  sdp::MediaKind kind() { return static_cast<sdp::MediaKind>(choices_.below(4)); }
  TransceiverInit init() {
    TransceiverInit init;
    init.direction = static_cast<sdp::Direction>(choices_.below(4));
    if (choices_.flag()) init.stream_ids = {std::string(choices_.text(8))};
    if (choices_.flag()) init.track_id = std::string(choices_.text(8));
    for (size_t i = choices_.below(4); i > 0; --i) init.rids.emplace_back(choices_.text(4));
    init.for_track = choices_.flag();
    return init;
  }
  void add_transceiver(Side& side) { (void)side.negotiator.add_transceiver(kind(), init()); }
  void change_transceiver(Side& side) {
    const auto all = side.negotiator.transceivers();
    if (all.empty()) return;
    const TransceiverId id = all[choices_.below(all.size())].id;
    switch (choices_.below(4)) {
      case 0: (void)side.negotiator.set_direction(id, static_cast<sdp::Direction>(choices_.below(4))); break;
      case 1: (void)side.negotiator.stop(id); break;
      case 2: {
        std::vector<std::string> rids;
        for (size_t i = choices_.below(3); i > 0; --i) rids.emplace_back(choices_.text(4));
        (void)side.negotiator.set_track(id, {"stream"}, "track", rids);
        break;
      }
      default: {
        auto codecs = default_codecs(sdp::MediaKind::Video);
        if (choices_.flag()) codecs = default_codecs(sdp::MediaKind::Audio);
        if (!codecs.empty()) std::swap(codecs.front(), codecs[choices_.below(codecs.size())]);
        codecs.resize(choices_.below(codecs.size() + 1));
        (void)side.negotiator.set_codec_preferences(id, codecs);
      }
    }
  }

  // What JSEP makes next of this side's state.
  void one_step(Side& side, Side& other) {
    const bool answers = side.negotiator.state() == SignalingState::HaveRemoteOffer ||
                         side.negotiator.state() == SignalingState::HaveLocalPranswer;
    const SdpType type = !answers ? SdpType::Offer : choices_.below(4) == 3 ? SdpType::Pranswer : SdpType::Answer;
    const auto made = answers ? side.negotiator.create_answer() : side.negotiator.create_offer();
    if (!made) return;
    const std::string text = made->write();
    const auto parsed = sdp::SessionDescription::parse(text);
    KAON_ASSERT(parsed.has_value());
    KAON_ASSERT(*parsed == *made);
    (void)side.negotiator.set_local_description(type);
    receive(other, type, fuzz::edited(text, choices_));
  }
  void exchange(Side& side, Side& other) {
    one_step(side, other);
    one_step(other, side);
  }
  void text_from_nowhere(Side& side) { receive(side, any_type(), std::string(choices_.text(600))); }
  void receive(Side& side, SdpType type, const std::string& text) {
    const auto description = sdp::SessionDescription::parse(text);
    if (!description) return;
    const SignalingState before = side.negotiator.state();
    const std::string remote = side.negotiator.remote_description();
    const std::string local = side.negotiator.local_description();
    if (!side.negotiator.set_remote_description(type, *description)) {
      KAON_ASSERT(side.negotiator.state() == before);
      KAON_ASSERT(side.negotiator.remote_description() == remote);
      KAON_ASSERT(side.negotiator.local_description() == local);
    }
    if (side.negotiator.remote_restarts_ice()) side.set_transport(static_cast<char>('A' + choices_.below(26)));
  }

  static void check(const Side& side) {
    (void)side.negotiator.negotiation_needed();
    (void)side.negotiator.offered_transport();
    KAON_ASSERT(side.negotiator.transceivers().size() <= kMaxTransceivers);
    const std::vector<std::string> candidates = {"candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host"};
    const std::string local = side.negotiator.local_description(candidates, true);
    if (!local.empty()) KAON_ASSERT(sdp::SessionDescription::parse(local).has_value());
    const NegotiatedSession* session = side.negotiator.session();
    if (session == nullptr) return;
    for (const NegotiatedMedia& media : session->media) {
      if (media.rejected) continue;
      KAON_ASSERT(side.negotiator.find(media.transceiver) != nullptr);
      KAON_ASSERT(!media.codecs.empty());
      for (const NegotiatedCodec& codec : media.codecs)
        KAON_ASSERT(codec.send_payload_type < 128 && codec.receive_payload_type < 128);
    }
  }

  fuzz::Choices& choices_;
  Side a_{1, 'a'};
  Side b_{2, 'b'};
};

}  // namespace

KAON_FUZZ_TARGET(peer_negotiation) {
  fuzz::Choices choices(input);
  World(choices).run();
}

}  // namespace kaon::peer
