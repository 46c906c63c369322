#include "kaon/webrtc/player.h"

#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/packetizer/h26x.h"

namespace kaon::webrtc {
namespace {

constexpr Duration kRetry = std::chrono::milliseconds(5);  // while the pacer's queue is full

// Profile of an H.264 stream out of its first parameter set, as profile-level-id begins with it.
std::optional<peer::H264Profile> profile_of(ByteView access_unit) {
  packetizer::NalReader nals(access_unit);
  while (const auto nal = nals.next()) {
    if (packetizer::h264::nal_type(*nal) != packetizer::h264::kSps) continue;
    const auto sps = packetizer::parse_h264_sps(*nal);
    if (!sps) return std::nullopt;
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string id;
    for (const uint8_t byte : {sps->profile_idc, sps->constraint_flags, sps->level_idc}) {
      id += kHex[byte >> 4];
      id += kHex[byte & 15];
    }
    return peer::h264_profile(id);
  }
  return std::nullopt;
}

// Of several H.264 formats only the one that the file is.
void keep_profile(std::vector<peer::Codec>& codecs, ByteView first_frame) {
  const auto profile = profile_of(first_frame);
  const auto fits = [&](const peer::Codec& codec) {
    const auto id = sdp::parameter(codec.format.parameters, "profile-level-id");
    const auto mode = sdp::parameter(codec.format.parameters, "packetization-mode");
    return id && peer::h264_profile(*id) == profile && mode == "1";
  };
  if (profile && std::ranges::any_of(codecs, fits)) {
    std::erase_if(codecs, [&](const peer::Codec& codec) { return !fits(codec); });
  }
}

}  // namespace

Player::~Player() {
  if (start_ == kNever) return;
  for (const auto& track : tracks_) loop_.remove_timer(track->timer);
}

Result<std::shared_ptr<RtpTransceiver>, std::string> Player::add(std::unique_ptr<io::MediaReader> file,
                                                                 PeerConnection& connection) {
  auto track = std::make_unique<Track>();
  track->file = std::move(file);
  KAON_TRY(track->next, track->file->next());
  if (!track->next) return fail(cat(track->file->path(), " holds no frame."));
  track->first = track->next->timestamp;
  const Codec codec = track->file->codec();
  auto codecs = peer::codecs_of(codec);
  if (codec == Codec::H264) keep_profile(codecs, track->next->data);
  auto transceiver = connection.add_track(packetizer::is_video(codec) ? MediaKind::Video : MediaKind::Audio, {"kaon"});
  if (!transceiver) return fail(cat("No section to send on: ", peer::to_string(transceiver.error()), "."));
  track->transceiver = std::move(*transceiver);
  const auto set = track->transceiver->set_direction(Direction::SendOnly);
  const auto preferred = track->transceiver->set_codec_preferences(std::move(codecs));
  if (!set || !preferred) return fail(std::string("The section cannot be set to sending this codec."));
  tracks_.push_back(std::move(track));
  return tracks_.back()->transceiver;
}

void Player::start() {
  if (start_ != kNever) return;
  start_ = io::Loop::now();
  for (const auto& track : tracks_) {
    track->timer = loop_.add_timer([this, t = track.get()](Time now) { play(*t, now); });
    loop_.schedule(track->timer, start_);
    const Codec codec = track->file->codec();
    if (track->transceiver->sender().codec() != codec) {
      stop(cat("The peer does not take ", packetizer::encoding_name(codec), "."));
    }
  }
}

bool Player::done() const {
  return !error_.empty() || std::ranges::none_of(tracks_, [](const auto& track) { return track->next.has_value(); });
}

void Player::stop(std::string error) {
  if (error_.empty()) error_ = std::move(error);
}

Time Player::due(const Track& track) const {
  const int64_t ticks = track.offset + track.next->timestamp - track.first;
  const auto rate = static_cast<int64_t>(packetizer::clock_rate(track.file->codec()));
  return start_ + std::chrono::seconds(ticks / rate) + Duration(ticks % rate * 1'000'000'000 / rate);
}

void Player::play(Track& track, Time now) {
  while (error_.empty() && track.next) {
    const Time when = due(track);
    if (when > now) return loop_.schedule(track.timer, when);
    const int64_t timestamp = track.offset + track.next->timestamp - track.first;
    if (!send(track, timestamp)) return loop_.schedule(track.timer, now + kRetry);
    track.step = std::max<int64_t>(timestamp - track.last, 0);
    track.last = timestamp;
    position_ = std::max(position_, when - start_);
    advance(track);
  }
  if (!done() || !options_.on_end) return;
  // The handler may destroy the player, and with it the place where the handler is.
  const auto on_end = std::move(options_.on_end);
  options_.on_end = nullptr;
  on_end(std::string(error_));
}

// False if the frame has to wait.
bool Player::send(Track& track, int64_t timestamp) {
  const auto sent = track.transceiver->sender().send_frame(
      track.file->codec(), {.data = track.next->data, .timestamp = static_cast<uint32_t>(timestamp)});
  if (!sent && sent.error() == MediaError::QueueFull) return false;
  if (!sent && sent.error() != MediaError::NotConnected) {
    stop(cat(track.file->path(), ": a frame cannot be sent: ", peer::to_string(sent.error()), "."));
    return true;
  }
  ++frames_;
  bytes_ += track.next->data.size();
  return true;
}

// The frame after the present one.
void Player::advance(Track& track) {
  auto next = track.file->next();
  if (next && !*next && options_.repeat) {
    track.offset = track.last + track.step;
    if (auto rewound = track.file->rewind(); !rewound) {
      next = fail(rewound.error());
    } else {
      next = track.file->next();
    }
  }
  if (!next) stop(next.error());
  track.next = next ? std::move(*next) : std::nullopt;
}

}  // namespace kaon::webrtc
