// What an attacker without the key can do to SRTP: nothing is accepted that was not sent, and nothing twice.
#include "fuzz/fuzz.h"
#include "kaon/srtp/receiver.h"
#include "kaon/srtp/sender.h"

#include <set>

namespace kaon::srtp {
namespace {

struct Session {
  Session(Profile profile, ByteView master)
      : sender(profile, {master.first(key_size(profile)), master.subspan(key_size(profile), salt_size(profile))}),
        receiver(profile, {master.first(key_size(profile)), master.subspan(key_size(profile), salt_size(profile))}) {}

  void send(bool rtcp, std::vector<uint8_t> packet) {
    std::vector<uint8_t> out(packet.size() + 64);
    const auto size = rtcp ? sender.protect_rtcp(packet, out) : sender.protect_rtp(packet, out);
    if (!size) return;
    out.resize(*size);
    sent.insert(out);
    packets.push_back({rtcp, std::move(out)});
  }
  void receive(bool rtcp, const std::vector<uint8_t>& packet) {
    std::vector<uint8_t> out(packet.size());
    const auto size = rtcp ? receiver.unprotect_rtcp(packet, out) : receiver.unprotect_rtp(packet, out);
    if (!size) return;
    KAON_ASSERT(*size <= packet.size());
    KAON_ASSERT(sent.contains(packet));
    KAON_ASSERT(accepted.insert(packet).second);
  }

  Sender sender;
  Receiver receiver;
  std::vector<std::pair<bool, std::vector<uint8_t>>> packets;
  std::set<std::vector<uint8_t>> sent;
  std::set<std::vector<uint8_t>> accepted;
};

std::vector<uint8_t> make_rtp(fuzz::Choices& choices) {
  std::vector<uint8_t> packet(12);
  packet[0] = 0x80;
  packet[1] = 96;
  store_be16(&packet[2], choices.u16());
  packet[11] = static_cast<uint8_t>(choices.below(4));  // of the SSRC
  const ByteView payload = choices.bytes(64);
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

}  // namespace

KAON_FUZZ_TARGET(srtp_receiver) {
  fuzz::Choices choices(input);
  const Profile profile = kPreferredProfiles[choices.below(kPreferredProfiles.size())];
  std::array<uint8_t, 64> master{};
  Session session(profile, master);
  for (size_t i = 0; i < 200 && !choices.empty(); ++i) {
    switch (choices.below(5)) {
      case 0: session.send(false, make_rtp(choices)); break;
      case 1: {
        const ByteView bytes = choices.bytes(128);
        session.send(choices.flag(), {bytes.begin(), bytes.end()});
        break;
      }
      case 2: {
        const bool rtcp = choices.flag();
        session.receive(rtcp, fuzz::copy(choices.bytes(512)));
        break;
      }
      default: {
        if (session.packets.empty()) break;
        auto [rtcp, packet] = session.packets[choices.below(session.packets.size())];
        if (choices.flag()) fuzz::mutate(packet, choices);
        session.receive(rtcp, packet);
      }
    }
  }
}

}  // namespace kaon::srtp
