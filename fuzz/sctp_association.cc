// An association in each of its states, and a peer that holds the DTLS keys: packets it makes up, chunks that are right
// but for a field, its own real packets mutated, lost, doubled and reordered, with time and commands between.
//
// Messages must come out as they went in while nothing is forged; whatever is forged, the bounds must hold.
#include "fuzz/fuzz.h"
#include "kaon/base/crc.h"
#include "kaon/sctp/association.h"
#include "kaon/sctp/internal/packet.h"

#include <deque>

namespace kaon::sctp {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMaxPackets = 400;

Config small(fuzz::Choices& choices) {
  Config config;
  const uint8_t bits = choices.u8();
  config.max_message_size = (bits & 1) != 0 ? 2000 : 20'000;
  config.receive_window = 16 * 1024;
  config.max_send_buffer = 32 * 1024;
  config.outgoing_streams = config.incoming_streams = (bits & 2) != 0 ? 4 : 65535;
  config.max_packet_size = (bits & 4) != 0 ? 512 : 1191;
  if ((bits & 8) != 0) config.max_retransmissions = 3;
  return config;
}

struct Side {
  Side(const Config& c, uint64_t seed) : config(c), random(seed), engine(c, {random, log}) {}

  Config config;
  SeededRandom random;
  NullLogger log;
  Association engine;
  bool closed = false;
  size_t messages = 0;
  uint32_t tag = 0;  // of packets to this side
  uint32_t tsn = 0;  // of the newest DATA to this side
  std::deque<std::vector<uint8_t>> inbox;
};

class World {
 public:
  explicit World(fuzz::Choices& choices) : choices_(choices), us_(small(choices), 1), peer_(small(choices), 2) {}

  void run() {
    reach(choices_.below(15));
    for (size_t i = 0; i < 300 && !choices_.empty(); ++i) {
      operation();
      drain(us_, peer_);
      drain(peer_, us_);
      check_bounds(us_);
    }
    // Silence: what is left to be done comes to an end.
    us_.inbox.clear();
    pass(us_, peer_, 30s);
    check_bounds(us_);
  }

 private:
  // Brings the pair to a state; the real peer's packets that are still on their way stay there.
  void reach(size_t state) {
    if (state == 0) return;
    if (state >= 12) return snap(state);
    us_.engine.connect(now_);
    drain(us_, peer_);
    if (state == 1) return;
    if (state == 2) {  // both INITs cross
      peer_.engine.connect(now_);
      drain(peer_, us_);
      return;
    }
    exchange(state == 3 ? 2 : 6);  // 3: the cookie is on its way
    if (state <= 4) return;
    if (state >= 5) send(us_, 1, 3000);
    if (state >= 6) send(peer_, 2, 3000);
    if (state == 7) exchange(4);
    const std::array<StreamId, 2> streams = {StreamId(1), StreamId(2)};
    if (state == 8) (void)us_.engine.reset_streams(streams, now_), drain(us_, peer_);
    if (state == 9) us_.engine.shutdown(now_), drain(us_, peer_);
    if (state == 10) peer_.engine.shutdown(now_), exchange(3);
    if (state == 11) exchange(20), us_.engine.shutdown(now_), exchange(1);
  }

  // 12: both begin with the other's INIT; 13: the peer shakes hands all the same; 14: we begin with whatever was given.
  void snap(size_t state) {
    std::vector<uint8_t> theirs = peer_.engine.init_chunk();
    const std::vector<uint8_t> ours = us_.engine.init_chunk();
    if (state == 14) {
      for (size_t i = choices_.below(4) + 1; i > 0; --i) fuzz::mutate(theirs, choices_);
      theirs.shrink_to_fit();
      forged_ = true;
    }
    const bool begun = us_.engine.connect_with(theirs, now_).has_value();
    KAON_ASSERT(begun == is_init_chunk(theirs));
    KAON_ASSERT((us_.engine.state() == State::Established) == begun);
    if (state == 13) return peer_.engine.connect(now_), send(us_, 1, 3000);
    KAON_ASSERT(peer_.engine.connect_with(ours, now_).has_value());
    send(us_, 1, 3000);
    send(peer_, 2, 3000);
  }

  void send(Side& side, uint16_t stream, size_t size) {
    (void)side.engine.send(StreamId(stream), Ppid(51), payload_of(size), {}, now_);
    drain(us_, peer_);
    drain(peer_, us_);
  }
  void exchange(size_t rounds) {
    for (size_t i = 0; i < rounds; ++i) {
      deliver(peer_);
      drain(peer_, us_);
      deliver(us_);
      drain(us_, peer_);
    }
  }
  void deliver(Side& to) {
    while (!to.inbox.empty()) {
      std::vector<uint8_t> packet = std::move(to.inbox.front());
      to.inbox.pop_front();
      to.engine.handle_packet(packet, now_);
    }
  }

  void drain(Side& side, Side& other) {
    std::vector<uint8_t> out(kMaxPacketSize);
    size_t rounds = 0;
    for (bool active = true; active; KAON_ASSERT(++rounds < 10'000)) {
      active = false;
      while (const auto event = side.engine.poll_event()) active = true, on_event(side, *event);
      while (const auto transmit = side.engine.poll_transmit(out)) {
        KAON_ASSERT(++rounds < 10'000);
        KAON_ASSERT(transmit->size <= side.engine.largest_packet());
        active = true;
        std::vector<uint8_t> packet(out.begin(), out.begin() + static_cast<ptrdiff_t>(transmit->size));
        note(other, packet);
        if (other.inbox.size() < kMaxPackets) other.inbox.push_back(std::move(packet));
      }
    }
  }
  static void note(Side& to, ByteView packet) {
    const CommonHeader header = CommonHeader::parse(packet);
    if (header.verification_tag != 0) to.tag = header.verification_tag;
    ChunkReader chunks(packet.subspan(kCommonHeaderSize));
    while (const auto chunk = chunks.next()) {
      if (chunk->type == ChunkType::Data) to.tsn = load_be32(chunk->value.data());
      if (chunk->type == ChunkType::Init || chunk->type == ChunkType::InitAck)
        to.tsn = load_be32(&chunk->value[12]) - 1;
    }
  }
  void on_event(Side& side, const Event& event) {
    KAON_ASSERT(!side.closed);
    if (std::holds_alternative<Closed>(event)) side.closed = true;
    if (const auto* message = std::get_if<Message>(&event)) {
      KAON_ASSERT(!message->payload.empty() && message->payload.size() <= side.config.max_message_size);
      ++side.messages;
      if (forged_) return;
      for (const uint8_t byte : message->payload) KAON_ASSERT(byte == static_cast<uint8_t>(message->payload.size()));
    }
  }
  void check_bounds(const Side& side) {
    const Stats stats = side.engine.stats();
    const size_t window = std::max(side.config.receive_window, 2 * side.config.max_message_size);
    // What fills a hole may go to twice the window.
    KAON_ASSERT(stats.receive_buffer_used <= 2 * window + side.config.max_message_size);
    KAON_ASSERT(stats.send_buffer_used <= side.config.max_send_buffer + 65536);
    KAON_ASSERT(stats.bytes_in_flight <= stats.send_buffer_used + 65536);
    KAON_ASSERT(!side.closed || side.engine.state() == State::Closed);
  }

  void operation() {
    switch (choices_.below(16)) {
      case 0: return raw_chunks();
      case 1: return one_chunk();
      case 2: return data();
      case 3: return sack();
      case 4: return forward_tsn();
      case 5: return reconfig();
      case 6: return mutated();
      case 7: pass(us_, peer_, choices_.step()); return;
      case 8: pass(peer_, us_, choices_.step()); return;
      case 9: return genuine(us_);
      case 10: return genuine(peer_);
      case 11: exchange(1 + choices_.below(4)); return;
      case 12: return command(us_);
      case 13: return command(peer_);
      case 14: return init();
      default: return reset_answer();
    }
  }

  void pass(Side& side, Side& other, Duration step) {
    fuzz::pass_time(side.engine, now_, step, [&] { drain(side, other); });
  }
  // Gives one real packet out of its turn, twice, or loses it.
  void genuine(Side& to) {
    if (to.inbox.empty()) return;
    const size_t which = choices_.below(std::min<size_t>(to.inbox.size(), 16));
    std::vector<uint8_t> packet = to.inbox[which];
    const size_t what = choices_.below(4);
    if (what != 1) to.inbox.erase(to.inbox.begin() + static_cast<ptrdiff_t>(which));
    if (what != 0) to.engine.handle_packet(packet, now_);
  }
  void mutated() {
    if (us_.inbox.empty()) return;
    std::vector<uint8_t> packet = us_.inbox[choices_.below(std::min<size_t>(us_.inbox.size(), 16))];
    for (size_t i = choices_.below(4) + 1; i > 0; --i) fuzz::mutate(packet, choices_);
    if (packet.size() < kCommonHeaderSize) return give(packet);
    std::vector<uint8_t> chunks(packet.begin() + kCommonHeaderSize, packet.end());
    finish(chunks);
  }
  void raw_chunks() { finish(choices_.bytes(1200)); }
  void one_chunk() {
    const auto type = static_cast<ChunkType>(choices_.u8());
    const uint8_t flags = choices_.u8();
    send_chunk(type, flags, choices_.bytes(256));
  }
  // Numbers near those that are right reach further than any number.
  uint32_t near(uint32_t number) {
    const uint8_t how = choices_.u8();
    return how < 250 ? number + static_cast<uint32_t>(static_cast<int32_t>(how & 31) - 8) : choices_.u32();
  }
  void data() {
    std::vector<uint8_t> value(12);
    store_be32(&value[0], near(us_.tsn));
    store_be16(&value[4], static_cast<uint16_t>(choices_.below(8)));
    store_be16(&value[6], static_cast<uint16_t>(choices_.below(8)));
    store_be32(&value[8], choices_.flag() ? 50 : 51);
    const uint8_t flags = choices_.u8();
    const ByteView payload = choices_.bytes(64);
    value.insert(value.end(), payload.begin(), payload.end());
    if ((flags & 0x10) != 0) value.resize(value.size() + 900);
    send_chunk(ChunkType::Data, flags & 0x0f, value);
  }
  void sack() {
    std::vector<uint8_t> value(12);
    store_be32(&value[0], near(peer_.tsn));
    store_be32(&value[4], choices_.flag() ? 10'000 : choices_.u32());
    const size_t blocks = choices_.below(6);
    store_be16(&value[8], static_cast<uint16_t>(blocks));
    uint16_t end = 1;
    for (size_t i = 0; i < blocks; ++i) {
      const auto start = static_cast<uint16_t>(end + 1 + choices_.below(4));
      end = static_cast<uint16_t>(start + choices_.below(4));
      value.resize(value.size() + 4);
      store_be16(&value[value.size() - 4], start);
      store_be16(&value[value.size() - 2], end);
    }
    send_chunk(ChunkType::Sack, 0, value);
  }
  void forward_tsn() {
    std::vector<uint8_t> value(4);
    store_be32(&value[0], near(us_.tsn));
    for (size_t i = choices_.below(5); i > 0; --i) {
      value.resize(value.size() + 4);
      store_be16(&value[value.size() - 4], static_cast<uint16_t>(choices_.below(8)));
      store_be16(&value[value.size() - 2], static_cast<uint16_t>(near(0)));
    }
    send_chunk(ChunkType::ForwardTsn, 0, value);
  }
  // RFC 6525 §4: request numbers begin at the initial TSN.
  void reconfig() {
    if (choices_.flag()) reset_sequence_ = near(reset_sequence_ != 0 ? reset_sequence_ : us_.tsn);
    std::vector<uint8_t> parameter(16);
    store_be16(&parameter[0], static_cast<uint16_t>(13 + choices_.below(6)));
    store_be32(&parameter[4], reset_sequence_++);
    store_be32(&parameter[8], near(peer_.tsn));
    store_be32(&parameter[12], near(us_.tsn));
    for (size_t i = choices_.below(5); i > 0; --i) {
      parameter.resize(parameter.size() + 2);
      store_be16(&parameter[parameter.size() - 2], static_cast<uint16_t>(choices_.below(8)));
    }
    store_be16(&parameter[2], static_cast<uint16_t>(parameter.size()));
    send_chunk(ChunkType::ReConfig, 0, parameter);
  }
  void reset_answer() {
    std::vector<uint8_t> parameter(12);
    store_be16(&parameter[0], 16);
    store_be16(&parameter[2], 12);
    store_be32(&parameter[4], near(peer_.tsn));
    store_be32(&parameter[8], static_cast<uint32_t>(choices_.below(8)));
    send_chunk(ChunkType::ReConfig, 0, parameter);
  }
  void init() {
    std::vector<uint8_t> value(16);
    store_be32(&value[0], choices_.flag() ? us_.tag : choices_.u32());
    store_be32(&value[4], choices_.u32());
    store_be16(&value[8], choices_.u16());
    store_be16(&value[10], choices_.u16());
    store_be32(&value[12], near(us_.tsn));
    const ByteView parameters = choices_.bytes(64);
    value.insert(value.end(), parameters.begin(), parameters.end());
    const bool ack = choices_.flag();
    std::vector<uint8_t> memory(value.size() + 64);
    PacketWriter writer(memory, memory.size());
    writer.add(ack ? ChunkType::InitAck : ChunkType::Init, 0, value);
    memory.resize(writer.finish({5000, 5000, ack ? us_.tag : 0}));
    give(memory);
  }

  void send_chunk(ChunkType type, uint8_t flags, ByteView value) {
    std::vector<uint8_t> memory(value.size() + 64);
    PacketWriter writer(memory, memory.size());
    writer.add(type, flags, value);
    memory.resize(writer.finish({5000, 5000, us_.tag}));
    give(memory);
  }
  // Chunks as they are behind a header that is right, unless the input wants another tag.
  void finish(ByteView chunks) {
    std::vector<uint8_t> packet(kCommonHeaderSize + chunks.size());
    std::ranges::copy(chunks, packet.begin() + kCommonHeaderSize);
    store_be16(&packet[0], 5000);
    store_be16(&packet[2], 5000);
    store_be32(&packet[4], choices_.below(8) == 7 ? choices_.u32() : us_.tag);
    store_le32(&packet[8], crc32c(packet));
    give(packet);
  }
  void give(std::vector<uint8_t>& packet) {
    forged_ = true;
    packet.shrink_to_fit();
    us_.engine.handle_packet(packet, now_);
  }

  void command(Side& side) {
    switch (choices_.below(10)) {
      case 0: side.engine.connect(now_); break;
      case 1: side.engine.shutdown(now_); break;
      case 2: side.engine.abort(choices_.text(300), now_); break;
      case 3: {
        std::vector<StreamId> streams;
        for (size_t i = choices_.below(4); i > 0; --i) streams.emplace_back(static_cast<uint16_t>(choices_.below(8)));
        (void)side.engine.reset_streams(streams, now_);
        break;
      }
      case 4: side.engine.set_rtt(std::max(choices_.step(), Duration::zero())); break;
      case 5: side.engine.set_remote_max_message_size(choices_.u16()); break;
      case 6: {
        const StreamId stream(static_cast<uint16_t>(choices_.below(8)));
        side.engine.set_buffered_amount_low_threshold(stream, choices_.u16());
        (void)side.engine.buffered_amount(stream);
        break;
      }
      default: {
        SendOptions options{.unordered = choices_.flag()};
        if (choices_.below(4) == 3) options.max_retransmits = choices_.below(4);
        if (choices_.below(4) == 3) options.lifetime = choices_.step();
        const std::vector<uint8_t> payload = payload_of(choices_.below(4096));
        const StreamId stream(static_cast<uint16_t>(choices_.below(8)));
        (void)side.engine.send(stream, Ppid(51), payload, options, now_);
      }
    }
  }
  static std::vector<uint8_t> payload_of(size_t size) { return std::vector<uint8_t>(size, static_cast<uint8_t>(size)); }

  fuzz::Choices& choices_;
  Time now_{1000s};
  Side us_;
  Side peer_;
  bool forged_ = false;
  uint32_t reset_sequence_ = 0;
};

}  // namespace

KAON_FUZZ_TARGET(sctp_association) {
  fuzz::Choices choices(input);
  World(choices).run();
}

}  // namespace kaon::sctp
