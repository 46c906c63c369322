// What the page and people ask the server about itself, and the page.

#include <boost/json.hpp>
#include <boost/json/src.hpp>

#include "kaon/sfu/internal/control.h"
#include "kaon/sfu/internal/page.h"

namespace kaon::sfu::internal {
namespace {

namespace json = boost::json;

double round1(double value) { return static_cast<double>(static_cast<int64_t>(value * 10 + 0.5)) / 10; }
int64_t seconds_since(Time start) {
  return std::chrono::duration_cast<std::chrono::seconds>(io::Loop::now() - start).count();
}
HttpResponse reply(const json::value& value) {
  HttpResponse response = HttpResponse::with(200, "application/json", json::serialize(value));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

std::string_view type_of(std::string_view path) {
  if (path.ends_with(".html")) return "text/html; charset=utf-8";
  if (path.ends_with(".css")) return "text/css; charset=utf-8";
  if (path.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (path.ends_with(".svg")) return "image/svg+xml";
  return "application/octet-stream";
}

}  // namespace

HttpResponse Control::streams_json() const {
  json::array list;
  for (const auto& [name, entry] : streams_) {
    if (!entry.live) continue;
    const auto publisher = sessions_.find(entry.publisher);
    if (publisher == sessions_.end()) continue;
    const SessionSnapshot& figures = publisher->second.snapshot;
    size_t viewers = 0;
    for (const auto& [id, session] : sessions_)
      viewers += session.stream == name && session.role == SessionRole::Viewer ? 1 : 0;
    std::string video;
    std::string audio;
    for (const Track& track : entry.stream->tracks()) {
      (packetizer::is_video(track.codec) ? video : audio) = packetizer::encoding_name(track.codec);
    }
    list.push_back({{"name", name},
                    {"seconds", seconds_since(entry.started)},
                    {"viewers", viewers},
                    {"video", video},
                    {"audio", audio},
                    {"width", figures.resolution.width},
                    {"height", figures.resolution.height},
                    {"kilobits", static_cast<int64_t>(figures.kilobits_in)}});
  }
  return reply({{"streams", std::move(list)}});
}

HttpResponse Control::connections_json() const {
  json::array list;
  for (const auto& [id, entry] : sessions_) {
    const SessionSnapshot& figures = entry.snapshot;
    list.push_back({{"id", entry.number},
                    {"stream", entry.stream},
                    {"role", entry.role == SessionRole::Publisher ? "publisher" : "viewer"},
                    {"state", figures.state},
                    {"seconds", seconds_since(entry.started)},
                    {"remote", figures.remote},
                    {"rtt_ms", round1(figures.rtt_ms)},
                    {"kilobits_in", round1(figures.kilobits_in)},
                    {"kilobits_out", round1(figures.kilobits_out)},
                    {"packets_lost", figures.packets_lost},
                    {"loss_percent", round1(figures.loss_percent)},
                    {"jitter_ms", round1(figures.jitter_ms)},
                    {"frames_per_second", round1(figures.frames_per_second)},
                    {"codec", figures.codec}});
  }
  return reply({{"connections", std::move(list)}});
}

// The counters belong to the loops: this goes from the first to the last, and back.
void Control::tell_status(size_t loop, Drops drops, Respond respond) const {
  loops_[loop]->post([this, loop, drops = std::move(drops), respond = std::move(respond)]() mutable {
    add_drops(drops, port_->shard(loop));
    for (const auto& [reason, count] : retired_[loop]) drops[reason] += count;
    for (const auto& [number, session] : live_[loop]) add_drops(drops, std::as_const(*session).connection());
    if (loop + 1 < loops_.size()) return tell_status(loop + 1, std::move(drops), std::move(respond));
    loops_.front()->post(
        [this, drops = std::move(drops), respond = std::move(respond)] { respond(status_json(drops)); });
  });
}

HttpResponse Control::status_json(const Drops& drops) const {
  json::object reasons;
  for (const auto& [reason, count] : drops) reasons.emplace(reason, count);
  if (const uint64_t lost = figures_.handover_dropped) reasons.emplace("viewers_loop_too_slow", lost);
  return reply({{"version", config_.version},
                {"loops", loops_.size()},
                {"udp_port", port_->port()},
                {"connections", sessions_.size()},
                {"streams", streams_.size()},
                {"uptime_seconds", seconds_since(started_)},
                {"drops", std::move(reasons)},
                {"forward_delay_ms_median", figures_.delays.median()}});
}

HttpResponse Control::page(const HttpRequest& request) const {
  if (request.method != "GET" && request.method != "HEAD")
    return HttpResponse::error(405, "Only GET is possible here.");
  const std::string_view path = request.path == "/" ? std::string_view("/index.html") : std::string_view(request.path);
  for (const PageFile& file : page_files()) {
    if (file.path != path) continue;
    HttpResponse response = HttpResponse::with(200, type_of(path), std::string(file.content));
    response.headers.emplace_back("Cache-Control", "no-cache");
    // Nothing of the page comes from anywhere else.
    response.headers.emplace_back("Content-Security-Policy",
                                  "default-src 'self' blob:; style-src 'self'; connect-src 'self'; media-src 'self' "
                                  "blob: mediastream:; worker-src blob:");
    response.headers.emplace_back("X-Content-Type-Options", "nosniff");
    return response;
  }
  return HttpResponse::error(404, "There is no such page.");
}

}  // namespace kaon::sfu::internal
