// Data channels in each of their states over an association whose other end says anything: open requests, acks, data of
// any kind on any stream, resets, with time, loss and commands between.
#include "fuzz/fuzz.h"
#include "kaon/datachannel/channels.h"
#include "kaon/datachannel/internal/dcep.h"
#include "kaon/datachannel/internal/utf8.h"

#include <deque>

namespace kaon::datachannel {
namespace {

using namespace std::chrono_literals;

class World {
 public:
  explicit World(fuzz::Choices& choices)
      : choices_(choices), channels_(config(choices), {random_, log_}), peer_(config(choices).sctp, {random_, log_}) {}

  void run() {
    const uint8_t state = choices_.u8();
    if ((state & 1) != 0) open();
    if ((state & 2) != 0) start();
    if ((state & 4) != 0) peer_.connect(now_);
    if ((state & 8) != 0) exchange(8);
    if ((state & 16) != 0) open();
    if ((state & 32) != 0) exchange(4);
    for (size_t i = 0; i < 300 && !choices_.empty(); ++i) {
      operation();
      drain();
      KAON_ASSERT(channels_.channel_count() <= kMaxChannels);
    }
    exchange(20);
  }

 private:
  static Config config(fuzz::Choices& choices) {
    Config config;
    config.sctp.max_message_size = 4096;
    config.sctp.receive_window = 16 * 1024;
    config.sctp.max_send_buffer = 16 * 1024;
    if (choices.flag()) config.max_incoming_channels = 2;
    if (choices.flag()) config.sctp.outgoing_streams = config.sctp.incoming_streams = 4;
    return config;
  }
  void start() { channels_.start(choices_.flag() ? DtlsRole::Client : DtlsRole::Server, now_); }
  void open() {
    ChannelOptions options;
    options.label = choices_.text(16);
    options.protocol = choices_.text(4);
    options.ordered = choices_.flag();
    const uint8_t bits = choices_.u8();
    if ((bits & 1) != 0) options.max_retransmits = bits;
    if ((bits & 2) != 0) options.max_packet_lifetime_ms = bits;
    options.negotiated = (bits & 4) != 0;
    if ((bits & 8) != 0) options.stream = bits >> 4;
    if (const auto id = channels_.open(options, now_)) ids_.push_back(*id);
  }

  void drain() {
    std::vector<uint8_t> out(sctp::kMaxPacketSize);
    size_t rounds = 0;
    for (bool active = true; active; KAON_ASSERT(++rounds < 10'000)) {
      active = false;
      while (const auto event = channels_.poll_event()) active = true, on_event(*event);
      while (peer_.poll_event()) active = true;
      if (move(channels_, to_peer_, out, rounds)) active = true;
      if (move(peer_, to_us_, out, rounds)) active = true;
    }
  }
  template <class Engine>
  static bool move(Engine& engine, std::deque<std::vector<uint8_t>>& inbox, Bytes out, size_t& rounds) {
    bool any = false;
    while (const auto transmit = engine.poll_transmit(out)) {
      KAON_ASSERT(++rounds < 10'000);
      any = true;
      const ByteView packet = out.first(transmit->size);
      if (inbox.size() < 300) inbox.emplace_back(packet.begin(), packet.end());
    }
    return any;
  }
  void on_event(const Event& event) {
    KAON_ASSERT(!closed_);
    if (std::holds_alternative<Closed>(event)) closed_ = true;
    if (const auto* announced = std::get_if<ChannelAnnounced>(&event)) {
      const auto info = channels_.info(announced->channel);
      if (info) KAON_ASSERT(info->remote);
      ids_.push_back(announced->channel);
    }
    if (const auto* message = std::get_if<MessageReceived>(&event)) {
      KAON_ASSERT(message->payload.size() <= 4096);
      if (!message->binary) KAON_ASSERT(is_utf8(as_text(message->payload)));
    }
  }
  void exchange(size_t rounds) {
    for (size_t i = 0; i < rounds; ++i) {
      drain();
      deliver(peer_, to_peer_);
      drain();
      deliver(channels_, to_us_);
    }
    drain();
  }
  template <class Engine>
  void deliver(Engine& engine, std::deque<std::vector<uint8_t>>& inbox) {
    while (!inbox.empty()) {
      engine.handle_packet(inbox.front(), now_);
      inbox.pop_front();
    }
  }
  ChannelId channel() {
    return ids_.empty() ? ChannelId(choices_.u8()) : ids_[choices_.below(std::min<size_t>(ids_.size(), 256))];
  }

  void operation() {
    switch (choices_.below(12)) {
      case 0: return open();
      case 1: return start();
      case 2: return peer_.connect(now_);
      case 3: fuzz::pass_time(channels_, now_, choices_.step(), [&] { drain(); }); return;
      case 4: fuzz::pass_time(peer_, now_, choices_.step(), [&] { drain(); }); return;
      case 5: return lose();
      case 6: return peer_reset();
      case 7: return peer_sends_open();
      case 8: return peer_sends_anything();
      case 9: return command();
      default: return exchange(1 + choices_.below(4));
    }
  }
  void lose() {
    auto& inbox = choices_.flag() ? to_us_ : to_peer_;
    if (!inbox.empty()) inbox.pop_front();
  }
  void peer_reset() {
    std::vector<sctp::StreamId> streams;
    for (size_t i = choices_.below(4); i > 0; --i) streams.emplace_back(static_cast<uint16_t>(choices_.below(8)));
    (void)peer_.reset_streams(streams, now_);
  }
  void peer_sends(PpidValue ppid, ByteView payload) {
    const sctp::StreamId stream(choices_.flag() ? static_cast<uint16_t>(choices_.below(8)) : choices_.u16());
    const sctp::SendOptions options{.unordered = choices_.flag()};
    (void)peer_.send(stream, sctp::Ppid(static_cast<uint32_t>(ppid)), payload, options, now_);
  }
  void peer_sends_open() {
    DcepOpen open;
    open.type = static_cast<ChannelType>(choices_.below(3));
    open.unordered = choices_.flag();
    open.reliability = choices_.u32();
    open.label = choices_.text(16);
    open.protocol = choices_.text(8);
    std::vector<uint8_t> message = open.write();
    if (choices_.below(4) == 0) fuzz::mutate(message, choices_);
    peer_sends(PpidValue::Dcep, message);
  }
  void peer_sends_anything() {
    const auto ppid = static_cast<PpidValue>(50 + choices_.below(9));
    peer_sends(ppid, choices_.bytes(64));
  }
  void command() {
    switch (choices_.below(8)) {
      case 0: channels_.close(channel(), now_); break;
      case 1: (void)channels_.send_text(channel(), choices_.text(64), now_); break;
      case 2: {
        const std::vector<uint8_t> payload(choices_.below(5000), 7);
        (void)channels_.send_binary(channel(), payload, now_);
        break;
      }
      case 3: {
        const ChannelId id = channel();
        channels_.set_buffered_amount_low_threshold(id, choices_.u16());
        (void)channels_.buffered_amount(id);
        (void)channels_.stats(id);
        break;
      }
      case 4: channels_.set_remote_max_message_size(choices_.u16()); break;
      case 5: channels_.shutdown(now_); break;
      case 6: channels_.abort(choices_.text(20), now_); break;
      default:
        if (choices_.flag()) return peer_.shutdown(now_);
        peer_.abort(choices_.text(20), now_);
    }
  }

  fuzz::Choices& choices_;
  SeededRandom random_{1};
  NullLogger log_;
  Time now_{1000s};
  Channels channels_;
  sctp::Association peer_;
  std::vector<ChannelId> ids_;
  std::deque<std::vector<uint8_t>> to_us_;
  std::deque<std::vector<uint8_t>> to_peer_;
  bool closed_ = false;
};

}  // namespace

KAON_FUZZ_TARGET(datachannel_channels) {
  fuzz::Choices choices(input);
  World(choices).run();
}

}  // namespace kaon::datachannel
