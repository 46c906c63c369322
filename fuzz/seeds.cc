// Writes first inputs for the parsers' corpora: from testdata, and from what two of our own connections say to each
// other in a simulated network.
//   kaon_fuzz_seeds FOLDER        makes FOLDER/TARGET/NAME
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/fuzz.h"
#include "kaon/base/text.h"
#include "kaon/datachannel/channels.h"
#include "kaon/datachannel/internal/dcep.h"
#include "kaon/dtls/internal/protocol.h"
#include "kaon/mdns/node.h"
#include "kaon/peer/connection.h"
#include "kaon/rtp/header.h"
#include "kaon/sim/pump.h"
#include "kaon/transfer/invitation.h"
#include "kaon/transfer/message.h"

namespace {

namespace fs = std::filesystem;
using namespace kaon;
using namespace std::chrono_literals;
using Bytes8 = std::vector<uint8_t>;

class Folder {
 public:
  explicit Folder(fs::path path) : path_(std::move(path)) {}
  void add(const std::string& target, ByteView bytes) {
    fs::create_directories(path_ / target);
    std::ofstream file(path_ / target / cat("seed", counts_[target]++), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  void add(const std::string& target, uint8_t first, ByteView bytes) {
    Bytes8 all = {first};
    all.insert(all.end(), bytes.begin(), bytes.end());
    add(target, all);
  }
  size_t count(const std::string& target) { return counts_[target]; }

 private:
  fs::path path_;
  std::map<std::string, size_t> counts_;
};

Bytes8 read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void add_transfer(Folder& out) {
  using namespace kaon::transfer;
  for (const Message& message : {Message(Offer{"holiday.mp4", 12345}), Message(Accept{99, {}}), Message(Begin{99}),
                                 Message(End{}), Message(Done{}), Message(Abort{"The disk is full."})}) {
    out.add("transfer_message", to_bytes(message));
  }
  Invitation invitation{.ufrag = "aB3/", .password = "0123456789abcdefghijkl"};
  invitation.candidates = {{kaon::ice::CandidateType::Host, {kaon::net::IpAddress::v4(192, 0, 2, 7), 5004}}};
  const std::string line = invitation.to_text();
  out.add("transfer_message", as_bytes(line));
  out.add("transfer_message", as_bytes("7-copper-violin"));
}

void add_sdp(Folder& out) {
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(KAON_TESTDATA) / "sdp")) {
    if (entry.path().extension() != ".sdp") continue;
    const Bytes8 text = read(entry.path());
    out.add("sdp_description", text);
    std::string_view rest = as_text(text);
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.starts_with("a=candidate") || line.starts_with("a=fingerprint"))
        out.add("ice_candidate", as_bytes(line.starts_with("a=f") ? line.substr(14) : line));
    }
  }
  constexpr std::string_view kFragment =
      "a=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF "
      "0\r\n"
      "a=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
      "a=end-of-candidates\r\n";
  out.add("sdp_fragment", as_bytes(kFragment));
  for (const std::string_view text : {"192.0.2.1:5000", "[2001:db8::1]:5", "::ffff:1.2.3.4", "fe80::1%2"})
    out.add("net_address", as_bytes(text));
}

// "rtp <hex>" or "rtcp <hex>".
void add_rtp(Folder& out) {
  std::ifstream file(fs::path(KAON_TESTDATA) / "rtp/chromium.hex");
  std::string kind, hex;
  while (file >> kind >> hex) {
    Bytes8 bytes(hex.size() / 2);
    for (size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = *parse_number<uint8_t>(std::string_view(hex).substr(2 * i, 2), 16);
    if (kind == "rtp") out.add("rtp_packet", 1, bytes);
    if (kind == "rtcp") out.add("rtcp_compound", bytes);
  }
}

// The packets of one frame, without their RTP headers, each behind its size.
void add_payloads(Folder& out, const std::string& name, const std::string& target) {
  const Bytes8 file = read(fs::path(KAON_TESTDATA) / "media" / name);
  Reader reader(file);
  Bytes8 frame;
  while (!reader.at_end()) {
    const auto packet = rtp::PacketView::parse(reader.vector16());
    if (!packet || !reader.ok()) break;
    const auto size = static_cast<uint16_t>(packet->payload.size());
    frame.insert(frame.end(), {static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)});
    frame.insert(frame.end(), packet->payload.begin(), packet->payload.end());
    if (!packet->header.marker && !target.ends_with("opus")) continue;
    if (out.count(target) < 30) out.add(target, 0, frame);
    frame.clear();
  }
}
void add_media(Folder& out) {
  add_payloads(out, "vp8_ffmpeg.rtp", "depacketizer_vp8");
  add_payloads(out, "vp9_ffmpeg.rtp", "depacketizer_vp9");
  add_payloads(out, "x264_ffmpeg.rtp", "depacketizer_h264");
  add_payloads(out, "x265_ffmpeg.rtp", "depacketizer_h265");
  add_payloads(out, "opus_ffmpeg.rtp", "depacketizer_opus");
  for (const auto& entry : fs::directory_iterator(fs::path(KAON_TESTDATA) / "media")) {
    const std::string kind = entry.path().extension();
    const Bytes8 bytes = read(entry.path());
    if (kind == ".ivf") out.add("container_ivf", bytes);
    if (kind == ".ogg") out.add("container_ogg", bytes);
    if (kind == ".h264") out.add("container_annex_b", 0, bytes);
    if (kind == ".h265") out.add("container_annex_b", 1, bytes);
    // A whole frame is also an input of the packetizers.
    if (entry.path().filename().string().starts_with("av1"))
      out.add("depacketizer_av1", ByteView(bytes).subspan(44, 1500));
  }
}

void add_datagram(Folder& out, ByteView bytes) {
  if (bytes[0] < 4) out.add("stun_message", bytes);
  if (bytes[0] < 20 || bytes[0] > 63) return;
  out.add("dtls_records", bytes);
  // Whole messages in the clear, for the parsers of their bodies.
  constexpr size_t kBody = dtls::kRecordHeaderSize + dtls::kHandshakeHeaderSize;
  constexpr std::array<uint8_t, 8> kTypes = {1, 2, 11, 16, 15, 12, 3, 13};
  for (ByteView rest = bytes; rest.size() > kBody && rest[0] == 22;) {
    const size_t size = load_be16(&rest[11]);
    const auto which = std::find(kTypes.begin(), kTypes.end(), rest[13]) - kTypes.begin();
    const bool whole = load_be24(&rest[14]) + dtls::kHandshakeHeaderSize == size;
    if (whole && which < 8 && load_be16(&rest[3]) == 0)
      out.add("dtls_messages", static_cast<uint8_t>(which), rest.subspan(kBody, size - dtls::kHandshakeHeaderSize));
    rest = rest.subspan(std::min(rest.size(), dtls::kRecordHeaderSize + size));
  }
}

void add_peers(Folder& out) {
  sim::Network network(1);
  NullLogger log;
  BufferPool pool;
  SeededRandom random_a(1), random_b(2);
  const auto config = [](Random& random) {
    return peer::Config{.certificate =
                            crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random, 1'700'000'000s)};
  };
  peer::Connection a({random_a, log}, pool, config(random_a), network.now());
  peer::Connection b({random_b, log}, pool, config(random_b), network.now());
  const net::Endpoint at_a{net::IpAddress::v4(192, 0, 2, 1), 1000}, at_b{net::IpAddress::v4(192, 0, 2, 2), 1000};
  (void)a.add_local_address({.address = at_a}, network.now());
  (void)b.add_local_address({.address = at_b}, network.now());
  sim::Pump pump(network);
  pump.attach(network.add_host(at_a.ip, sim::kInternet, {.delay = 5ms}), a);
  pump.attach(network.add_host(at_b.ip, sim::kInternet, {.delay = 5ms}), b);
  network.set_tap([&](Time, const net::Datagram& datagram) { add_datagram(out, datagram.bytes); });
  (void)a.open_channel({}, network.now());
  (void)a.set_local_description(peer::SdpType::Offer, network.now());
  (void)b.set_remote_description(peer::SdpType::Offer, *sdp::SessionDescription::parse(a.local_description()),
                                 network.now());
  (void)b.set_local_description(peer::SdpType::Answer, network.now());
  (void)a.set_remote_description(peer::SdpType::Answer, *sdp::SessionDescription::parse(b.local_description()),
                                 network.now());
  pump.pass(5s);
}

// Channels opened, used, closed and shut down, in the clear.
void add_channels(Folder& out) {
  NullLogger log;
  SeededRandom random_a(1), random_b(2);
  datachannel::Config config;
  datachannel::Channels a(config, {random_a, log}), b(config, {random_b, log});
  sim::PairPump pair(a, b, 1, {.delay = 5ms, .loss = 0.05});
  pair.network().set_tap([&](Time, const net::Datagram& datagram) { out.add("sctp_packet", datagram.bytes); });
  a.start(datachannel::DtlsRole::Client, pair.now());
  b.start(datachannel::DtlsRole::Server, pair.now());
  const auto channel =
      *a.open({.label = "label", .protocol = "protocol", .ordered = false, .max_retransmits = 1}, pair.now());
  pair.pass(1s);
  for (int i = 0; i < 10; ++i) (void)a.send_text(channel, std::string(1000, 'x'), pair.now());
  pair.pass(1s);
  a.close(channel, pair.now());
  pair.pass(1s);
  a.shutdown(pair.now());
  pair.pass(1s);
  datachannel::DcepOpen open;
  open.label = "label";
  open.protocol = "protocol";
  out.add("datachannel_dcep", open.write());
}

}  // namespace

// A question, its answer and a goodbye. Each stands behind the choice of a packet that is taken as it is.
void add_mdns(Folder& out) {
  SeededRandom random(1);
  NullLogger log;
  const Time now(1h);
  mdns::Node asker(Env{random, log}), asked(Env{random, log});
  const net::IpAddress ip = net::IpAddress::v4(10, 0, 0, 1);
  for (mdns::Node* node : {&asker, &asked}) node->set_interfaces({{1, ip, 24}}, now);
  const std::string name = *asked.publish(ip);
  static_cast<void>(asker.resolve(name, now));
  Bytes8 memory(mdns::Node::kMaxPacket);
  const auto pass = [&](mdns::Node& from, mdns::Node& to) {
    while (const auto transmit = from.poll_transmit(memory)) {
      Bytes8 packet(memory.begin(), memory.begin() + static_cast<ptrdiff_t>(transmit->size));
      out.add("mdns_node", packet);
      Bytes8 taken{4, static_cast<uint8_t>(packet.size())};
      taken.insert(taken.end(), packet.begin(), packet.end());
      taken.insert(taken.end(), {1, 1});
      out.add("mdns_node", taken);
      to.handle_packet({.local = {ip, mdns::kPort}, .remote = {ip, mdns::kPort}, .bytes = packet}, now);
    }
  };
  pass(asker, asked);
  pass(asked, asker);
  asked.withdraw(name, now);
  pass(asked, asker);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "kaon_fuzz_seeds FOLDER\n");
    return 2;
  }
  Folder out(argv[1]);
  add_transfer(out);
  add_sdp(out);
  add_rtp(out);
  add_media(out);
  add_peers(out);
  add_channels(out);
  add_mdns(out);
  return 0;
}
