// Case "media": the same encoded frames over and over, one way or both.
#include <algorithm>
#include <chrono>

#include "cases.h"
#include "endpoint.h"
#include "kaon/base/text.h"
#include "samples.h"

namespace kaon::interop {
namespace {

using webrtc::ConnectionState;
using webrtc::Direction;
using webrtc::MediaKind;
using webrtc::ReceivedFrame;
using webrtc::RtpTransceiver;

/// Only the codec of the samples, so that nobody chooses another.
std::vector<peer::Codec> preferences(packetizer::Codec codec, MediaKind kind) {
  std::vector<peer::Codec> codecs = peer::default_codecs(kind);
  std::erase_if(codecs,
                [&](const peer::Codec& each) { return packetizer::codec_from_name(each.format.name) != codec; });
  return codecs;
}

class MediaCase final : public Case {
 public:
  explicit MediaCase(const Context& context)
      : loop_(context.loop),
        lines_(context.lines),
        samples_(Samples::load(context.options.text("media"))),
        kind_(packetizer::is_video(samples_.codec) ? MediaKind::Video : MediaKind::Audio),
        send_(context.options.number("send", 1) != 0),
        receive_(context.options.number("receive", 1) != 0),
        keep_(context.options.number("keep", 0) != 0),
        encrypts_headers_(!context.options.text("header-encryption").empty()),
        wanted_(static_cast<size_t>(context.options.number("frames", 45))),
        timer_(loop_.add_timer([this](Time now) { send_next(now); })),
        endpoint_(loop_, lines_, 0, configuration_of(context),
                  {.on_connection_state = [this](ConnectionState state, const std::string&) { on_state(state); },
                   .on_track = [this](const webrtc::TrackEvent& track) { receive_from(*track.transceiver); }}) {
    if (context.options.offerer()) {
      offer();
    } else if (send_) {
      answer_with_track();
    }
  }
  ~MediaCase() override { loop_.remove_timer(timer_); }
  void handle(const json::object& line) override { endpoint_.handle(line); }

 private:
  void offer();
  void answer_with_track();
  void on_state(ConnectionState state);
  void send_next(Time now);
  void receive_from(RtpTransceiver& transceiver);
  void on_frame(const ReceivedFrame& frame);
  void tell();

  io::Loop& loop_;
  Lines& lines_;
  Samples samples_;
  MediaKind kind_;
  bool send_;
  bool receive_;
  bool keep_;  // tell whole frames too
  bool encrypts_headers_;
  size_t wanted_;
  std::shared_ptr<RtpTransceiver> transceiver_;
  io::TimerId timer_;
  Time next_{};
  size_t sent_ = 0;
  json::array received_;
  json::array kept_;
  Endpoint endpoint_;  // last, because its handlers use the others
};

void MediaCase::offer() {
  const Direction direction = !receive_ ? Direction::SendOnly : !send_ ? Direction::RecvOnly : Direction::SendRecv;
  auto added = endpoint_.connection().add_transceiver(
      kind_, {.direction = direction, .codec_preferences = preferences(samples_.codec, kind_)});
  if (!added) {
    lines_.error(cat("no transceiver: ", peer::to_string(added.error())));
    return;
  }
  transceiver_ = *added;
  endpoint_.offer();
}

void MediaCase::answer_with_track() {
  auto added = endpoint_.connection().add_track(kind_);
  if (!added || !(*added)->set_codec_preferences(preferences(samples_.codec, kind_))) {
    lines_.error("no track");
    return;
  }
  transceiver_ = *added;
}

void MediaCase::on_state(ConnectionState state) {
  if (state != ConnectionState::Connected) return;
  if (!send_) return;
  next_ = io::Loop::now();
  loop_.schedule(timer_, next_);
  if (!receive_) tell();
}

void MediaCase::send_next(Time now) {
  const uint32_t timestamp = static_cast<uint32_t>(sent_) * samples_.duration;
  const auto sent = transceiver_->sender().send_frame(
      {.data = samples_.frames[sent_ % samples_.frames.size()], .timestamp = timestamp, .marker = sent_ == 0});
  if (!sent) {
    lines_.error(cat("frame ", sent_, " could not be sent: ", peer::to_string(sent.error())));
    return;
  }
  ++sent_;
  next_ +=
      std::chrono::nanoseconds(std::chrono::seconds(1)) * samples_.duration / packetizer::clock_rate(samples_.codec);
  loop_.schedule(timer_, std::max(next_, now));
}

void MediaCase::receive_from(RtpTransceiver& transceiver) {
  transceiver.set_handlers({.on_frame = [this](const ReceivedFrame& frame) { on_frame(frame); }});
}

void MediaCase::on_frame(const ReceivedFrame& frame) {
  if (!receive_ || received_.size() == wanted_) return;
  if (frame.codec != samples_.codec) {
    lines_.error(cat("a frame of ", packetizer::encoding_name(frame.codec), " came"));
    return;
  }
  received_.emplace_back(mark_of(frame.codec, frame.data));
  if (keep_) kept_.emplace_back(to_hex(frame.data));
  if (received_.size() == wanted_) tell();
}

void MediaCase::tell() {
  json::object result{{"sent", sent_}, {"received", received_}, {"form", "encoded"}};
  if (keep_) result["frames"] = kept_;
  if (encrypts_headers_) {
    const auto& all = endpoint_.connection().transceivers();
    result["headersEncrypted"] = !all.empty() && all.front()->header_encryption_negotiated();
  }
  lines_.result(std::move(result));
}

}  // namespace

std::unique_ptr<Case> make_media_case(const Context& context) { return std::make_unique<MediaCase>(context); }

}  // namespace kaon::interop
