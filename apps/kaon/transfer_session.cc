#include "apps/kaon/transfer_session.h"

#include <chrono>

#include "apps/kaon/signals.h"
#include "kaon/base/text.h"

namespace kaon::apps {
namespace {

constexpr int kPollMilliseconds = 100;
// For the last message to arrive, before the connection ends.
constexpr auto kGoodbye = std::chrono::seconds(5);

}  // namespace

TransferSession::TransferSession(const LinkOptions& options, Logger& log)
    : link_(options, transfer::kFileChannel,
            {.on_open = [this] { on_open(); },
             .on_message =
                 [this](ByteView bytes) {
                   if (over_) return;
                   const auto message = transfer::parse(bytes);
                   if (!message) return give_up("The other side says something that this version does not understand.");
                   if (const auto* abort = std::get_if<transfer::Abort>(&*message)) {
                     return give_up(cat("The other side ended it: ", abort->reason), false);
                   }
                   on_message(*message);
                 },
             .on_writable =
                 [this] {
                   if (!over_) on_writable();
                 }},
            stdout, log) {}

bool TransferSession::send(const transfer::Message& message) {
  return link_.channel().send(ByteView(transfer::to_bytes(message))).has_value();
}

void TransferSession::give_up(const std::string& sentence, bool tell_peer) {
  if (std::exchange(over_, true)) return;
  if (tell_peer) send(transfer::Abort{sentence});
  const std::lock_guard lock(mutex_);
  error_ = sentence;
}

void TransferSession::finished() {
  over_ = true;
  state_.done = true;
}

std::optional<std::string> TransferSession::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

// Until what we said has gone out; then until the other side closes, which has heard it then.
void TransferSession::say_goodbye(StopSignal& stop) {
  const auto limit = std::chrono::steady_clock::now() + kGoodbye;
  while (std::chrono::steady_clock::now() < limit && !link_.ended() && !stop.wait(kPollMilliseconds / 10)) {
    bool all_sent = false;
    link_.loop().invoke([&] { all_sent = link_.channel().buffered_amount() == 0; });
    if (!all_sent) continue;
    link_.loop().invoke([this] { link_.channel().close(); });
  }
}

int TransferSession::run(StopSignal& stop, std::string_view stopped_hint) {
  Progress progress;
  auto begun = std::chrono::steady_clock::now();
  bool moving = false;
  std::string failure;
  while (failure.empty() && !state_.done) {
    if (state_.moving && !std::exchange(moving, true)) begun = std::chrono::steady_clock::now();
    if (moving) progress.show(progress_text(state_, std::chrono::steady_clock::now() - begun));
    const bool stopped = stop.wait(kPollMilliseconds);
    const auto end = link_.ended();  // first: what ended it may have been told before the end
    if (auto what = error()) failure = *what;
    if (failure.empty() && !state_.done && end) failure = cat(end->sentence, ' ', stopped_hint);
    if (stopped && failure.empty() && !state_.done) {
      link_.loop().invoke([this] { give_up("It was stopped there."); });
      failure = cat("Stopped. ", stopped_hint);
    }
  }
  if (moving) progress.show(progress_text(state_, std::chrono::steady_clock::now() - begun));
  progress.end();
  stop.reset();
  const auto elapsed = std::chrono::steady_clock::now() - begun;
  say_goodbye(stop);
  link_.close();
  if (!failure.empty()) return fail_with(failure);
  std::printf("%s\n", summary_text(state_, elapsed).c_str());
  return 0;
}

}  // namespace kaon::apps
