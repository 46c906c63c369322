// What an attacker without the key can do to SRTP: nothing is accepted that was not sent, and nothing twice.
#include "fuzz/fuzz.h"
#include "kaon/base/random.h"
#include "kaon/srtp/receiver.h"
#include "kaon/srtp/sender.h"

#include <set>

namespace kaon::srtp {
namespace {

struct Session {
  // Two master keys, if packets name them; elements with even ids are encrypted one by one, if any are.
  Session(Profile profile, ByteView master, bool named, bool encrypts_elements)
      : sender(profile, keys(profile, master, named ? 1 : 0), elements(encrypts_elements)),
        receiver(profile, keys(profile, master, named ? 1 : 0), elements(encrypts_elements)) {
    if (!named) return;
    KAON_ASSERT(sender.add_key(keys(profile, master.subspan(1), 2)));
    KAON_ASSERT(receiver.add_key(keys(profile, master.subspan(1), 2)));
  }
  static KeyingMaterial keys(Profile profile, ByteView master, uint8_t name) {
    static constexpr std::array<uint8_t, 3> kNames = {0, 1, 2};
    return {master.first(key_size(profile)), master.subspan(key_size(profile), salt_size(profile)),
            ByteView(kNames).subspan(name, name == 0 ? 0 : 1)};
  }
  static ExtensionIds elements(bool any) {
    ExtensionIds ids;
    for (size_t id = 2; any && id < ids.size(); id += 2) ids.set(id);
    return ids;
  }

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
  const size_t sources = choices.below(4);
  packet[0] = static_cast<uint8_t>(packet[0] | sources);
  packet.insert(packet.end(), 4 * sources, 0x5a);
  if (const size_t form = choices.below(3); form != 0) {
    const size_t words = choices.below(3);
    packet[0] |= 0x10;
    const std::array<uint8_t, 2> mark =
        form == 1 ? std::array<uint8_t, 2>{0xbe, 0xde} : std::array<uint8_t, 2>{0x10, 0};
    packet.insert(packet.end(), {mark[0], mark[1], 0, static_cast<uint8_t>(words)});
    packet.insert(packet.end(), 4 * words, 0x10);
  }
  const ByteView payload = choices.bytes(64);
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

}  // namespace

KAON_FUZZ_TARGET(srtp_receiver) {
  fuzz::Choices choices(input);
  const Profile profile = kPreferredProfiles[choices.below(kPreferredProfiles.size())];
  std::array<uint8_t, 64> master{};
  SeededRandom(fuzz::seed_of(input)).fill(master);
  const uint8_t form = choices.u8();
  Session session(profile, master, (form & 1) != 0, (form & 2) != 0);
  for (size_t i = 0; i < 200 && !choices.empty(); ++i) {
    switch (choices.below(6)) {
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
      case 3: {
        const auto any = [&] { return static_cast<Cryptex>(choices.below(3)); };
        session.sender.set_cryptex(any());
        session.receiver.set_cryptex(any());
        const uint8_t name = choices.flag() ? 1 : 2;
        (void)session.sender.use_key(ByteView(&name, 1));
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
