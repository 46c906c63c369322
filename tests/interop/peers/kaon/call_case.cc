// Case "call": numbered frames both ways every 20 ms until the end, and answers about them and about the path.
#include <algorithm>
#include <chrono>

#include "cases.h"
#include "endpoint.h"
#include "kaon/base/text.h"

namespace kaon::interop {
namespace {

using webrtc::ConnectionState;
using webrtc::MediaKind;
using webrtc::RtpTransceiver;
using webrtc::Stats;
using webrtc::StatsReport;

constexpr Duration kInterval = std::chrono::milliseconds(20);
constexpr uint32_t kTicks = 960;  // of the RTP clock in kInterval
constexpr size_t kFrameSize = 100;
constexpr uint8_t kToc = 0x78;  // RFC 6716 §3.1: CELT, 20 ms, mono, one frame
// Follows the TOC in frames of such a peer; then comes the number, 32 bits in network order.
constexpr std::string_view kMark = "call";

std::vector<peer::Codec> opus_alone() {
  std::vector<peer::Codec> codecs = peer::default_codecs(MediaKind::Audio);
  std::erase_if(codecs, [](const peer::Codec& each) {
    return packetizer::codec_from_name(each.format.name) != packetizer::Codec::Opus;
  });
  return codecs;
}

std::vector<uint8_t> frame_of(uint32_t number) {
  std::vector<uint8_t> frame(kFrameSize);
  frame[0] = kToc;
  std::ranges::copy(kMark, frame.begin() + 1);
  for (size_t i = 0; i < 4; ++i) frame[5 + i] = static_cast<uint8_t>(number >> (24 - 8 * i));
  return frame;
}

std::optional<uint32_t> number_of(ByteView frame) {
  if (frame.size() < 9 || !std::ranges::equal(frame.subspan(1, 4), kMark)) return std::nullopt;
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | frame[5 + i];
  return number;
}

/// What arrived since the last report.
class Arrivals {
 public:
  void add(std::optional<uint32_t> number, Time now) {
    if (last_at_) gap_ = std::max(gap_, now - *last_at_);
    last_at_ = now;
    ++received_;
    if (!number) return;
    if (next_ && *number > *next_) missing_ += *number - *next_;
    next_ = std::max(next_.value_or(0), *number + 1);
  }
  json::object report(Time now) {
    // A silence that lasts counts, too.
    const Duration gap = last_at_ ? std::max(gap_, now - *last_at_) : gap_;
    json::object told{{"received", received_},
                      {"missing", missing_},
                      {"gapMs", std::chrono::duration_cast<std::chrono::milliseconds>(gap).count()}};
    received_ = missing_ = 0;
    gap_ = {};
    return told;
  }

 private:
  std::optional<Time> last_at_;
  std::optional<uint32_t> next_;
  Duration gap_{};
  uint64_t received_ = 0;
  uint64_t missing_ = 0;
};

json::object candidate_of(const StatsReport& stats, const Stats& pair, std::string_view which) {
  const Stats* candidate = stats.find(pair.text(which));
  return {{"type", candidate->text("candidateType")},
          {"protocol", candidate->text("protocol")},
          {"address", candidate->text("address")},
          {"port", candidate->number("port")}};
}

class CallCase final : public Case {
 public:
  explicit CallCase(const Context& context)
      : loop_(context.loop),
        lines_(context.lines),
        timer_(loop_.add_timer([this](Time now) { send_next(now); })),
        endpoint_(loop_, lines_, 0, configuration_of(context),
                  {.on_connection_state = [this](ConnectionState state, const std::string&) { on_state(state); },
                   .on_track = [this](const webrtc::TrackEvent& track) { receive_from(*track.transceiver); }}) {
    auto& connection = endpoint_.connection();
    auto added = context.options.offerer()
                     ? connection.add_transceiver(MediaKind::Audio, {.codec_preferences = opus_alone()})
                     : connection.add_track(MediaKind::Audio);
    if (!added || !(*added)->set_codec_preferences(opus_alone())) {
      lines_.error("no track");
      return;
    }
    transceiver_ = *added;
    if (context.options.offerer()) endpoint_.offer();
  }
  ~CallCase() override { loop_.remove_timer(timer_); }

  void handle(const json::object& line) override {
    const std::string question = text_of(line, "ask");
    if (question == "report") {
      report();
    } else if (question == "restart") {
      lines_.event("restart");
      endpoint_.connection().restart_ice();
      endpoint_.offer();
    } else {
      endpoint_.handle(line);
    }
  }

 private:
  void on_state(ConnectionState state);
  void send_next(Time now);
  void receive_from(RtpTransceiver& transceiver);
  void report();

  io::Loop& loop_;
  Lines& lines_;
  std::shared_ptr<RtpTransceiver> transceiver_;
  io::TimerId timer_;
  Time next_{};
  uint32_t sent_ = 0;
  bool sending_ = false;
  Arrivals arrivals_;
  Endpoint endpoint_;  // last, because its handlers use the others
};

void CallCase::on_state(ConnectionState state) {
  if (state != ConnectionState::Connected || sending_) return;
  sending_ = true;
  next_ = io::Loop::now();
  loop_.schedule(timer_, next_);
}

// A frame that cannot leave, for want of a path, is lost like one on the way.
void CallCase::send_next(Time now) {
  (void)transceiver_->sender().send_frame({.data = frame_of(sent_), .timestamp = sent_ * kTicks, .marker = sent_ == 0});
  ++sent_;
  next_ += kInterval;
  loop_.schedule(timer_, std::max(next_, now));
}

void CallCase::receive_from(RtpTransceiver& transceiver) {
  transceiver.set_handlers({.on_frame = [this](const webrtc::ReceivedFrame& frame) {
    arrivals_.add(number_of(frame.data), io::Loop::now());
  }});
}

void CallCase::report() {
  json::object told = arrivals_.report(io::Loop::now());
  told["sent"] = sent_;
  const StatsReport stats = endpoint_.connection().get_stats();
  const Stats* transport = stats.first_of("transport");
  if (const Stats* pair = stats.find(transport->text("selectedCandidatePairId"))) {
    told["local"] = candidate_of(stats, *pair, "localCandidateId");
    told["remote"] = candidate_of(stats, *pair, "remoteCandidateId");
  }
  told["role"] = transport->text("iceRole");
  lines_.event("report", std::move(told));
}

}  // namespace

std::unique_ptr<Case> make_call_case(const Context& context) { return std::make_unique<CallCase>(context); }

}  // namespace kaon::interop
