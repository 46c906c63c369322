#include "kaon/sfu/stream.h"

#include <algorithm>

#include "kaon/io/loop.h"
#include "kaon/sfu/session.h"

namespace kaon::sfu {

void DelayHistogram::add(Duration delay, uint64_t packets) {
  const auto step = static_cast<size_t>(std::max<int64_t>(0, delay / kStep));
  counts_[std::min(step, kSteps - 1)].fetch_add(packets, std::memory_order_relaxed);
}

double DelayHistogram::median() const {
  uint64_t total = 0;
  for (const auto& count : counts_) total += count.load(std::memory_order_relaxed);
  uint64_t seen = 0;
  for (size_t i = 0; i < kSteps && total != 0; ++i) {
    seen += counts_[i].load(std::memory_order_relaxed);
    if (2 * seen >= total) return std::chrono::duration<double, std::milli>(kStep).count() * static_cast<double>(i + 1);
  }
  return 0;
}

// -- Fanout ----------------------------------------------------------------------------------------------------------

Fanout::Fanout(Stream& stream, io::Loop& loop) : stream_(stream), loop_(loop), take_over_([this] { take_over(); }) {}

void Fanout::join(Session& session) { sessions_.push_back(&session); }

void Fanout::leave(Session& session) { std::erase(sessions_, &session); }

void Fanout::forward(std::span<const FanoutPacket> batch, Time now) {
  for (Session* session : sessions_) {
    if (session->is_viewer()) session->forward(batch, now);
  }
  // The packets leave the socket at the end of this turn; a batch is measured by its oldest packet.
  if (!batch.empty()) stream_.figures().delays.add(io::Loop::now() - batch.front().packet.time, batch.size());
}

void Fanout::hand_over(std::span<const FanoutPacket> batch) {
  if (!arriving_) arriving_ = std::make_unique<SpscRing<FanoutPacket>>(kMaxHandedOver);
  for (const FanoutPacket& packet : batch) {
    if (!arriving_->push(FanoutPacket(packet)))
      stream_.figures().handover_dropped.fetch_add(1, std::memory_order_relaxed);
  }
  // The posted work owns the stream until it has run.
  if (arriving_->publish()) loop_.post(io::Loop::Recurring(stream_.shared_from_this(), &take_over_));
}

void Fanout::take_over() {
  for (auto run = arriving_->run(); !run.empty(); run = arriving_->run()) {
    // A copy for this loop, whose viewers then count it where no other core does (ADR 0006).
    for (FanoutPacket& source : run) {
      source.packet.buffer = SharedBuffer(loop_.buffers().copy(source.packet.buffer.view()));
    }
    forward(run, io::Loop::now());
    arriving_->release(run.size());
  }
}

void Fanout::chat(uint64_t from, const std::string& text) {
  for (Session* session : sessions_) {
    if (session->id() != from) session->send_chat(text);
  }
}

// -- Stream ----------------------------------------------------------------------------------------------------------

Stream::Stream(std::string name, std::span<io::Loop* const> loops, size_t publisher_loop, ForwardFigures& figures)
    : viewers(loops.size()), name_(std::move(name)), publisher_loop_(publisher_loop), figures_(figures) {
  for (io::Loop* loop : loops) fanouts_.push_back(std::make_unique<Fanout>(*this, *loop));
}

void Stream::publish(std::vector<FanoutPacket>& batch, Time now) {
  for (const FanoutPacket& packet : batch) {
    if (packet.info && packet.info->keyframe) gates[packet.track].keyframe_arrived();
  }
  for (size_t i = 0; i < fanouts_.size(); ++i) {
    if (i == publisher_loop_ || viewers[i].load(std::memory_order_relaxed) == 0) continue;
    fanouts_[i]->hand_over(batch);
  }
  fanouts_[publisher_loop_]->forward(batch, now);
}

void Stream::request_keyframe(size_t track) {
  const auto ask = [stream = shared_from_this(), track] {
    if (stream->publisher == nullptr) return;
    const Time now = io::Loop::now();
    stream->gates[track].request(now);
    stream->publisher->ask_keyframes(now);
  };
  io::Loop& loop = fanouts_[publisher_loop_]->loop();
  if (loop.on_loop_thread()) {
    ask();
  } else {
    loop.post(ask);
  }
}

void Stream::chat(uint64_t from, std::string text) {
  const auto shared = std::make_shared<const std::string>(std::move(text));
  for (auto& fanout : fanouts_) {
    fanout->loop().post([stream = shared_from_this(), &fanout = *fanout, from, shared] { fanout.chat(from, *shared); });
  }
}

}  // namespace kaon::sfu
