#include "kaon/sctp/association.h"

#include <algorithm>

#include "kaon/sctp/internal/association_impl.h"
#include "kaon/sctp/internal/heartbeat.h"

namespace kaon::sctp {

Association::Impl::Impl(const Config& config, Env env)
    : config_(config),
      env_(env),
      queue_(std::min(config.send_buffer, config.max_send_buffer), config.max_send_buffer),
      rto_(config) {
  KAON_ASSERT(config.max_packet_size >= 512 && config.max_packet_size <= kMaxPacketSize);
  deadlines_.fill(kNever);
}

Tcb* Association::Impl::tcb() {
  if (auto* open = std::get_if<Open>(&state_)) return open->tcb.get();
  if (auto* echoed = std::get_if<CookieEchoed>(&state_)) return echoed->tcb.get();
  return nullptr;
}

State Association::Impl::state() const {
  if (const auto* open = std::get_if<Open>(&state_)) {
    switch (open->phase) {
      case Open::Phase::Established: return State::Established;
      case Open::Phase::ShutdownPending: return State::ShutdownPending;
      case Open::Phase::ShutdownSent: return State::ShutdownSent;
      case Open::Phase::ShutdownReceived: return State::ShutdownReceived;
      case Open::Phase::ShutdownAckSent: return State::ShutdownAckSent;
    }
  }
  if (std::holds_alternative<Idle>(state_)) return State::Idle;
  if (std::holds_alternative<CookieWait>(state_)) return State::CookieWait;
  return ended() ? State::Closed : State::CookieEchoed;
}

void Association::Impl::connect(Time now) {
  tick(now);
  if (std::holds_alternative<Idle>(state_)) start_handshake(now_);
}

Result<void, SendError> Association::Impl::send(StreamId stream, Ppid ppid, ByteView payload,
                                                const SendOptions& options, Time now) {
  tick(now);
  const State current = state();
  if (shutdown_wanted_ || current > State::Established) return fail(SendError::Closed);
  if (payload.empty()) return fail(SendError::Empty);
  const bool too_large = remote_max_message_size_ != 0 && payload.size() > remote_max_message_size_;
  if (too_large || payload.size() > UINT32_MAX) return fail(SendError::MessageTooLarge);
  const Tcb* block = tcb();
  const uint16_t streams = block != nullptr ? block->outgoing_streams : config_.outgoing_streams;
  if (stream.value() >= streams) return fail(SendError::InvalidStream);
  if (!pool_) pool_.emplace();
  if (block != nullptr) tcb()->sender.message_queued(now_, rto_.current());
  const auto queued = queue_.add(stream, ppid, payload, options, now_, *pool_);
  if (queued) ++totals_.messages_sent;
  return queued;
}

Result<void, ResetError> Association::Impl::reset_streams(std::span<const StreamId> streams, Time now) {
  tick(now);
  const Tcb* block = tcb();
  if (block == nullptr) return fail(ResetError::NotConnected);
  if (!block->capabilities.stream_reset) return fail(ResetError::NotSupported);
  for (const StreamId stream : streams) {
    if (stream.value() >= block->outgoing_streams) return fail(ResetError::InvalidStream);
  }
  for (const StreamId stream : streams) queue_.begin_reset(stream);
  return {};
}

void Association::Impl::shutdown(Time now) {
  tick(now);
  if (std::holds_alternative<Idle>(state_) || std::holds_alternative<CookieWait>(state_)) {
    return end(CloseReason::Shutdown, {});
  }
  shutdown_wanted_ = true;
  if (auto* open = std::get_if<Open>(&state_); open != nullptr && open->phase == Open::Phase::Established) {
    open->phase = Open::Phase::ShutdownPending;
    advance_shutdown(*open);
  }
}

void Association::Impl::abort(std::string_view reason, Time now) {
  tick(now);
  if (!ended()) abort_peer(ErrorCause::UserInitiatedAbort, reason, CloseReason::AbortedLocally);
}

void Association::Impl::abort_peer(ErrorCause cause, ByteView info, CloseReason reason, std::string_view detail) {
  if (const Tcb* block = tcb()) {
    replies_.clear();
    reply(block->peer_tag, ChunkType::Abort, 0, make_cause(cause, info));
  }
  end(reason, std::string(detail));
}

void Association::Impl::abort_peer(ErrorCause cause, std::string_view text, CloseReason reason) {
  abort_peer(cause, as_bytes(text), reason, text);
}

void Association::Impl::end(CloseReason reason, std::string detail) {
  state_ = Ended{};
  deadlines_.fill(kNever);
  queue_.clear();
  events_.push(Closed{reason, std::move(detail)});
}

void Association::Impl::reply(uint32_t tag, ChunkType type, uint8_t flags, ByteView value) {
  const size_t room = config_.max_packet_size - kCommonHeaderSize - kChunkHeaderSize;
  if (replies_.size() >= kMaxReplies || padded(value.size()) > room) return drop(DropReason::QueueFull);
  replies_.push_back({tag, type, flags, {value.begin(), value.end()}});
}

// §8.1. False: that was one too many.
bool Association::Impl::count_timeout(std::optional<uint32_t> limit) {
  ++timeouts_in_row_;
  if (!limit || timeouts_in_row_ <= *limit) return true;
  abort_peer(ErrorCause::UserInitiatedAbort, "too many time-outs", CloseReason::TooManyTimeouts);
  return false;
}

void Association::Impl::handle_timeout(Time now) {
  tick(now);
  for (size_t i = 0; i < deadlines_.size(); ++i) {
    if (now_ < deadlines_[i]) continue;
    deadlines_[i] = kNever;
    on_timer(static_cast<Timer>(i));
  }
  update_timers();
}

void Association::Impl::on_timer(Timer timer) {
  auto* open = std::get_if<Open>(&state_);
  switch (timer) {
    case Timer::Init:
      if (!count_timeout(config_.max_init_retransmissions ? config_.max_init_retransmissions
                                                          : config_.max_retransmissions))
        return;
      rto_.back_off();
      if (auto* wait = std::get_if<CookieWait>(&state_)) wait->due = wait->resent = true;
      if (auto* echoed = std::get_if<CookieEchoed>(&state_)) echoed->due = true;
      deadline(Timer::Init) = now_ + rto_.current();
      return;
    case Timer::Shutdown:
      if (open == nullptr || !count_timeout()) return;
      rto_.back_off();
      open->shutdown_due = true;
      deadline(Timer::Shutdown) = now_ + rto_.current();
      return;
    case Timer::Retransmission: return on_retransmission_timeout();
    case Timer::LossProbe:
      if (tcb() != nullptr) tcb()->sender.handle_probe_timeout();
      return;
    case Timer::Reordering:
      if (tcb() != nullptr) tcb()->sender.handle_reordering_timeout(rto_, now_);
      return;
    case Timer::Pacing: return;
    case Timer::PathMtu:
      if (tcb() != nullptr) tcb()->path_mtu.handle_timeout(now_);
      return;
    case Timer::DelayedSack:
      if (open != nullptr) open->tcb->receiver.want_sack();
      return;
    case Timer::Heartbeat: return heartbeat();
    case Timer::ReConfig:
      if (open == nullptr || !count_timeout()) return;
      rto_.back_off();
      open->tcb->reset.handle_timeout();
      return;
    case Timer::Count: return;
  }
}

void Association::Impl::on_retransmission_timeout() {
  Tcb* block = tcb();
  if (block == nullptr || !count_timeout()) return;
  rto_.back_off();
  block->sender.handle_timeout(now_);
  // RFC 8899 §4.3: perhaps the path carries large packets no more. Those that were made so are left to IP to fragment.
  // RFC 3168 §6.1.1.1 by analogy: perhaps it drops what says that it can be marked.
  if (timeouts_in_row_ >= 2) block->ecn.set_marks(false);
  if (timeouts_in_row_ < 2 || block->path_mtu.size() == config_.max_packet_size) return;
  block->path_mtu.reset();
  use_path_mtu();
}

void Association::Impl::path_changed() {
  Tcb* block = tcb();
  if (block == nullptr) return;
  block->ecn.set_marks(block->capabilities.ecn && config_.ecn);
  block->path_mtu.reset();
  use_path_mtu();
}

void Association::Impl::share_path(bool shared) {
  if (std::exchange(path_shared_, shared) == shared) return;
  if (Tcb* block = tcb()) block->sender.share_path(shared);
}

// §8.3: only an idle path needs asking whether it is there.
void Association::Impl::heartbeat() {
  auto* open = std::get_if<Open>(&state_);
  if (open == nullptr) return;
  if (!open->tcb->sender.outstanding()) {
    if (heartbeat_nonce_ && !count_timeout()) return;
    heartbeat_nonce_ = env_.random.u64();
    heartbeat_sent_ = now_;
    std::array<uint8_t, HeartbeatInfo::kSize> info{};
    HeartbeatInfo{*heartbeat_nonce_}.write(info);
    reply(open->tcb->peer_tag, ChunkType::Heartbeat, 0, info);
  }
  open->tcb->receiver.shrink_window();
  const uint64_t moved = totals_.bytes_sent + totals_.bytes_received;
  if (moved - std::exchange(moved_, moved) < kBulk) trim_memory();
  deadline(Timer::Heartbeat) = now_ + config_.heartbeat_interval;
}

// An association that has had little to do for a while gives back what a burst had made it take.
void Association::Impl::trim_memory() {
  queue_.trim();
  events_.trim();
  if (Tcb* block = tcb()) {
    block->receiver.trim();
    block->sender.trim();
  }
  pool_.reset();
}

void Association::Impl::update_timers() {
  auto* block = tcb();
  if (block == nullptr) return;
  const auto run = [&](Timer timer, bool needed, Duration after) {
    if (!needed) {
      deadline(timer) = kNever;
    } else if (deadline(timer) == kNever) {
      deadline(timer) = now_ + after;
    }
  };
  // §6.3.2, R1 to R3.
  if (block->sender.take_progress()) deadline(Timer::Retransmission) = kNever;
  run(Timer::Retransmission, block->sender.outstanding(), rto_.current());
  deadline(Timer::LossProbe) = config_.tail_loss_probe ? block->sender.probe_deadline(rto_) : kNever;
  deadline(Timer::Reordering) = block->sender.reordering_deadline();
  deadline(Timer::Pacing) = block->sender.pacing_deadline(now_);
  deadline(Timer::PathMtu) = block->path_mtu.timeout();
  run(Timer::DelayedSack, block->receiver.sack_later() && !block->receiver.sack_now(), config_.delayed_sack);
  run(Timer::ReConfig, block->reset.waiting(), rto_.current());
}

size_t Association::Impl::largest_packet() const {
  const Tcb* block = tcb();
  if (block == nullptr) return config_.max_packet_size;
  const size_t probe = queue_.unsent() < kBulk ? 0 : block->path_mtu.due(now_).value_or(0);
  return std::max(block->path_mtu.largest(), probe);
}

Time Association::Impl::next_timeout() const { return *std::min_element(deadlines_.begin(), deadlines_.end()); }

std::optional<Event> Association::Impl::poll_event() {
  // Whoever waits for room does not wait behind all that has arrived.
  if (queue_.may_tell() && !ended()) {
    if (const auto low = queue_.poll_low()) return BufferedAmountLow{*low};
    if (queue_.poll_available()) return SendBufferAvailable{};
  }
  auto event = events_.pop();
  if (event && std::holds_alternative<Message>(*event)) {
    ++totals_.messages_received;
    if (Tcb* block = tcb()) block->receiver.messages_polled(events_);
  }
  return event;
}

Buffer Association::Impl::keep(ByteView payload) {
  if (!pool_) pool_.emplace();
  return events_.keep(payload, *pool_);
}

void Association::Impl::extend(Buffer& kept, ByteView bytes, size_t most) {
  if (!pool_) pool_.emplace();
  events_.extend(kept, bytes, most, *pool_);
}

bool Association::Impl::release(Buffer kept) {
  events_.release(kept);
  Tcb* block = tcb();
  if (block == nullptr) return false;
  block->receiver.messages_polled(events_);
  return block->receiver.sack_now();
}

Stats Association::Impl::stats() const {
  Stats stats = totals_;
  stats.messages_abandoned = queue_.abandoned();
  stats.send_buffer_used = queue_.used();
  stats.smoothed_rtt = rto_.smoothed();
  stats.rto = rto_.current();
  stats.receive_buffer_used = events_.message_bytes();
  if (const Tcb* block = tcb()) {
    block->sender.add_stats(stats);
    stats.packet_size = block->path_mtu.size();
    stats.receive_window = block->receiver.window();
    stats.receive_buffer_used = block->receiver.used(events_);
  }
  return stats;
}

// --- The public class ---

Association::Association(const Config& config, Env env) : impl_(std::make_unique<Impl>(config, env)) {}
Association::Association(Association&&) noexcept = default;
Association& Association::operator=(Association&&) noexcept = default;
Association::~Association() = default;

void Association::connect(Time now) { impl_->connect(now); }
std::vector<uint8_t> Association::init_chunk() { return impl_->init_chunk(); }
Result<void, InitError> Association::connect_with(ByteView peer_init, Time now) {
  return impl_->connect_with(peer_init, now);
}
Result<void, SendError> Association::send(StreamId stream, Ppid ppid, ByteView payload, const SendOptions& options,
                                          Time now) {
  return impl_->send(stream, ppid, payload, options, now);
}
Result<void, ResetError> Association::reset_streams(std::span<const StreamId> streams, Time now) {
  return impl_->reset_streams(streams, now);
}
void Association::shutdown(Time now) { impl_->shutdown(now); }
void Association::abort(std::string_view reason, Time now) { impl_->abort(reason, now); }
void Association::set_rtt(Duration rtt) { impl_->rto_.observe(rtt); }
void Association::path_changed() { impl_->path_changed(); }
void Association::share_path(bool shared) { impl_->share_path(shared); }
void Association::set_weight(StreamId stream, uint16_t weight) { impl_->queue_.set_weight(stream, weight); }
size_t Association::largest_packet() const { return impl_->largest_packet(); }
void Association::set_remote_max_message_size(uint64_t size) { impl_->remote_max_message_size_ = size; }
size_t Association::buffered_amount(StreamId stream) const { return impl_->queue_.buffered_amount(stream); }
void Association::set_buffered_amount_low_threshold(StreamId stream, size_t bytes) {
  impl_->queue_.set_low_threshold(stream, bytes);
}
State Association::state() const { return impl_->state(); }
Stats Association::stats() const { return impl_->stats(); }
const Counters<DropReason>& Association::drops() const { return impl_->drops_; }
void Association::handle_packet(Bytes packet, Time now, net::Ecn ecn) { impl_->handle_packet(packet, now, ecn); }
void Association::handle_timeout(Time now) { impl_->handle_timeout(now); }
Time Association::next_timeout() const { return impl_->next_timeout(); }
std::optional<net::Transmit> Association::poll_transmit(Bytes out) { return impl_->poll_transmit(out); }
std::optional<Event> Association::poll_event() { return impl_->poll_event(); }
Buffer Association::keep(ByteView payload) { return impl_->keep(payload); }
void Association::extend(Buffer& kept, ByteView bytes, size_t most) { impl_->extend(kept, bytes, most); }
bool Association::release(Buffer kept) { return impl_->release(std::move(kept)); }

bool is_init_chunk(ByteView bytes) { return parse_init_chunk(bytes).has_value(); }

}  // namespace kaon::sctp
