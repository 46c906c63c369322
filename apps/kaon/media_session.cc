#include "apps/kaon/media_session.h"

#include <chrono>

#include "apps/kaon/gathering.h"
#include "kaon/base/text.h"

namespace kaon::apps {
namespace {

constexpr int kPollMilliseconds = 20;
constexpr auto kConnectLimit = std::chrono::seconds(30);

}  // namespace

MediaSession::MediaSession(HttpSession::Options options, Logger& log, trace::Sink* trace)
    : log_(log), trace_(trace), http_(std::move(options)) {
  loop_.start();
}

MediaSession::~MediaSession() { close(); }

void MediaSession::close() {
  loop_.invoke([this] { connection_.reset(); });
  http_.end();
}

void MediaSession::on_state(webrtc::ConnectionState state, const std::string& detail) {
  const std::lock_guard lock(mutex_);
  if (state == webrtc::ConnectionState::Connected) connected_ = true;
  if (state == webrtc::ConnectionState::Failed) ended_ = End{false, cat("The connection failed: ", detail, ".")};
  if (state == webrtc::ConnectionState::Closed) ended_ = End{true, "The server closed the connection."};
}

std::optional<MediaSession::End> MediaSession::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

Result<std::string, std::string> MediaSession::make_offer(const Prepare& prepare, StopSignal& stop) {
  Result<void, std::string> prepared;
  loop_.invoke([&] {
    connection_ = std::make_unique<webrtc::PeerConnection>(
        loop_, webrtc::Configuration{.log = &log_, .trace = trace_},
        webrtc::PeerConnectionHandlers{
            .on_connection_state = [this](auto state, const std::string& detail) { on_state(state, detail); }});
    prepared = prepare(*connection_);
    if (!prepared) return;
    const auto set = connection_->set_local_description();
    if (!set) prepared = fail(cat("No offer: ", peer::to_string(set.error()), "."));
  });
  if (!prepared) return fail(prepared.error());
  return gathered_description(loop_, *connection_, stop);
}

Result<void, std::string> MediaSession::use_answer(const std::string& answer) {
  Result<void, std::string> result;
  loop_.invoke([&] {
    const auto set = connection_->set_remote_description({webrtc::SdpType::Answer, answer});
    if (!set) result = fail(cat("The server's answer is no good: ", webrtc::to_string(set.error()), "."));
  });
  return result;
}

Result<bool, std::string> MediaSession::connect(const Prepare& prepare, StopSignal& stop) {
  KAON_TRY(const std::string offer, make_offer(prepare, stop));
  if (const auto end = ended()) return fail(end->sentence);
  KAON_TRY(const std::string answer, http_.post(offer, stop));
  if (answer.empty()) return false;
  if (auto used = use_answer(answer); !used) return fail(used.error());
  const auto limit = std::chrono::steady_clock::now() + kConnectLimit;
  while (std::chrono::steady_clock::now() < limit) {
    if (stop.wait(kPollMilliseconds)) return false;
    if (const auto end = ended()) return fail(end->sentence);
    const std::lock_guard lock(mutex_);
    if (connected_) return true;
  }
  return fail(std::string("The server answered, but no connection came about. Is its UDP port reachable?"));
}

peer::Stats MediaSession::stats() {
  peer::Stats stats;
  loop_.invoke([&] {
    if (connection_) stats = connection_->get_engine_stats();
  });
  return stats;
}

}  // namespace kaon::apps
