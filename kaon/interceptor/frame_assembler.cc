#include "kaon/interceptor/frame_assembler.h"

namespace kaon::interceptor {

void FrameAssembler::push(int64_t sequence, rtp::Packet&& packet) {
  if (sequence < buffer_.next() - static_cast<int64_t>(ReorderBuffer::kMaxPackets)) {
    restart_at(sequence, std::move(packet));
  } else if (const auto drop = buffer_.push(sequence, std::move(packet))) {
    dropped_.add(*drop);  // and `packet` is still ours
    if (*drop == ReorderBuffer::Drop::TooFarAhead) restart_at(sequence, std::move(packet));
  }
  update_deadline();
}

void FrameAssembler::restart_at(int64_t sequence, rtp::Packet&& packet) {
  buffer_.clear();
  buffer_.push(sequence, std::move(packet));
  lose_frame();
}

/// What was gathered cannot be completed any more, and where the next frame starts is not known.
void FrameAssembler::lose_frame() {
  if (!complete_) frame_.clear();
  after_loss_ = true;
  frame_lost_ = true;
  resync_ = mode_ == Mode::Video;
  frame_ended_ = false;
  last_timestamp_.reset();
}

void FrameAssembler::give_up_gap() {
  buffer_.skip_gap();
  lose_frame();
}

bool FrameAssembler::starts_frame(const rtp::Packet& packet) const {
  return packet.frame.start_of_frame || frame_ended_ ||
         (last_timestamp_ && *last_timestamp_ != packet.header.timestamp);
}

bool FrameAssembler::ends_before(const rtp::Packet& packet) const {
  return !frame_.empty() && frame_.front().header.timestamp != packet.header.timestamp;
}

/// At the start of a stream there is no frame before to tell where the first one starts.
bool FrameAssembler::waits_for_start(const rtp::Packet& packet) const {
  return mode_ == Mode::Video && !started_ && !packet.frame.start_of_frame;
}

/// Moves the next packet into the frame; true if that completes it.
bool FrameAssembler::take_packet() {
  rtp::Packet packet = buffer_.pop();
  if (packet.payload_slice.size == 0) return false;  // padding only: between frames, and part of none
  const bool starts = starts_frame(packet);
  frame_ended_ = packet.header.marker;
  last_timestamp_ = packet.header.timestamp;
  if (mode_ == Mode::Audio) {
    frame_.push_back(std::move(packet));
    return true;
  }
  if (resync_ && !starts) {
    frame_lost_ = frame_lost_ || !started_;
    started_ = true;
    return false;
  }
  started_ = true;
  resync_ = false;
  if (frame_.size() == kMaxFramePackets) {
    lose_frame();
    return false;
  }
  frame_.push_back(std::move(packet));
  return frame_ended_;
}

AssembledFrame FrameAssembler::complete() {
  complete_ = true;
  const rtp::Packet& first = frame_.front();
  return {.packets = frame_,
          .timestamp = first.header.timestamp,
          .keyframe = first.frame.keyframe,
          .after_loss = std::exchange(after_loss_, false),
          .end_sequence = buffer_.next()};
}

std::optional<AssembledFrame> FrameAssembler::poll(Time now) {
  if (std::exchange(complete_, false)) frame_.clear();
  while (buffer_.size() != 0) {
    const rtp::Packet* next = buffer_.front();
    update_deadline();
    if (next == nullptr) {
      if (now < deadline_) return std::nullopt;
      give_up_gap();
    } else if (waits_for_start(*next) && now < next->time + kStartWait) {
      return std::nullopt;
    } else if (mode_ == Mode::Video && ends_before(*next) && next->payload_slice.size != 0) {
      update_deadline();
      return complete();
    } else if (take_packet()) {
      update_deadline();
      return complete();
    }
  }
  update_deadline();
  return std::nullopt;
}

void FrameAssembler::update_deadline() {
  if (!buffer_.gap()) {
    const rtp::Packet* next = buffer_.front();
    deadline_ = next != nullptr && waits_for_start(*next) ? next->time + kStartWait : kNever;
  } else if (deadline_ == kNever || gap_at_ != buffer_.next()) {
    gap_at_ = buffer_.next();
    deadline_ = buffer_.behind_gap() + max_wait_;
  }
}

}  // namespace kaon::interceptor
