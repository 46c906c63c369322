// kaon doctor: why it does not connect.

#include <unistd.h>
#include <CLI/CLI.hpp>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "apps/kaon/commands.h"
#include "apps/kaon/console.h"
#include "apps/kaon/doctor_servers.h"
#include "apps/kaon/media_session.h"
#include "apps/kaon/signals.h"
#include "apps/kaon/turn_report.h"
#include "kaon/base/text.h"
#include "kaon/io/interfaces.h"
#include "kaon/sfu/server.h"

namespace kaon::apps {
namespace {

namespace json = boost::json;

// Time-limited credentials and tokens fail beyond this.
constexpr double kMaxClockError = 30;

struct Options {
  std::string url;
  std::vector<std::string> ice_servers;
  std::string token;
  bool insecure = false;
  bool json = false;
};

/// A running `kaon serve`.
struct ServeTrial {
  std::string url;
  std::string version;
  std::optional<double> clock_error;  ///< seconds; ours minus the server's
  std::string path;                   ///< "udp 192.0.2.1:5000 to 192.0.2.2:3000" of the connection
  double connect_ms = 0;
};

struct Report {
  std::vector<io::Interface> interfaces;
  std::vector<ServerTrial> servers;
  std::optional<ServeTrial> serve;
  std::vector<std::string> problems;
};

double to_ms(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

// -- this machine ----------------------------------------------------------------------------------------------------

void look_at_interfaces(Report& report) {
  if (auto all = io::interfaces()) report.interfaces = std::move(*all);
  const bool alone =
      std::ranges::all_of(report.interfaces, [](const io::Interface& i) { return i.loopback || i.ip.is_link_local(); });
  if (alone) report.problems.emplace_back("This machine has no address but loopback: it is not on a network.");
}

void look_at_servers(Report& report) {
  try_servers(report.servers);
  bool udp_tried = false, udp_works = false, other_works = false;
  for (const ServerTrial& trial : report.servers) {
    const bool udp = trial.protocol == net::Protocol::Udp;
    const bool answered = trial.mapped || (trial.error != 0 && trial.error != 701);
    udp_tried = udp_tried || udp;
    udp_works = udp_works || (udp && answered);
    other_works = other_works || (!udp && answered);
    if (!trial.problem.empty()) report.problems.push_back(trial.problem);
  }
  if (udp_tried && !udp_works && (other_works || report.serve)) {
    report.problems.emplace_back(
        "Nothing answers over UDP, while TCP passes: this network seems to block UDP; use a TURN server over TCP or "
        "TLS "
        "(turns:HOST:443), or ICE over TCP.");
  }
}

// -- a running server ------------------------------------------------------------------------------------------------

// RFC 9110 §5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<double> seconds_behind(const std::string& date) {
  std::tm parts{};
  if (date.empty() || ::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) == nullptr) return std::nullopt;
  const double theirs = static_cast<double>(::timegm(&parts));
  const double ours = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return ours - theirs;
}

void look_at_clock(Report& report, const HttpReply& reply) {
  report.serve->clock_error = seconds_behind(reply.header("Date"));
  const double error = report.serve->clock_error.value_or(0);
  if (std::abs(error) <= kMaxClockError) return;
  report.problems.push_back(
      cat("This clock is ", static_cast<int64_t>(std::abs(error)), " s ", error > 0 ? "ahead of" : "behind",
          " the server's: time-limited credentials and certificates will be refused; set both by NTP."));
}

std::string path_of(webrtc::PeerConnection& connection) {
  const webrtc::StatsReport stats = connection.get_stats();
  const webrtc::Stats* transport = stats.first_of("transport");
  const webrtc::Stats* pair = transport == nullptr ? nullptr : stats.find(transport->text("selectedCandidatePairId"));
  if (pair == nullptr) return {};
  const auto end = [&](std::string_view which) {
    const webrtc::Stats* candidate = stats.find(pair->text(which));
    return candidate == nullptr
               ? std::string("?")
               : cat(candidate->text("address"), ":", static_cast<uint64_t>(candidate->number("port")));
  };
  const webrtc::Stats* local = stats.find(pair->text("localCandidateId"));
  return cat(local == nullptr ? std::string() : local->text("protocol"), " ", end("localCandidateId"), " to ",
             end("remoteCandidateId"));
}

// As a publisher who sends nothing, under a name that nobody else has.
void try_to_connect(const Options& options, Report& report) {
  StopSignal stop;
  NullLogger log;
  const std::string name = cat("kaon-doctor-", static_cast<int64_t>(::getpid()));
  const std::string endpoint = cat(options.url, options.url.ends_with('/') ? "" : "/", "whip/", name);
  MediaSession session({.url = endpoint, .token = options.token, .insecure = options.insecure}, log, nullptr);
  const auto start = std::chrono::steady_clock::now();
  const auto connected = session.connect(
      [](webrtc::PeerConnection& connection) -> Result<void, std::string> {
        if (!connection.add_transceiver(webrtc::MediaKind::Audio)) return fail(std::string("No offer can be made."));
        return {};
      },
      stop);
  if (!connected) {
    const bool refused = connected.error().starts_with("The server refuses");
    const char* const advice =
        " Its UDP port must be open towards us, and --public-ip must name the address of a NAT in front of it.";
    report.problems.push_back(
        cat("No media connection to ", options.url, ": ", connected.error(), refused ? "" : advice));
    return;
  }
  report.serve->connect_ms = to_ms(std::chrono::steady_clock::now() - start);
  session.loop().invoke([&] { report.serve->path = path_of(session.connection()); });
  session.close();
}

void look_at_serve(const Options& options, Report& report) {
  const auto url = Url::parse(options.url);
  std::vector<std::pair<std::string, std::string>> headers;
  if (!options.token.empty()) headers.emplace_back("Authorization", "Bearer " + options.token);
  const auto status = url->resolve("/api/status");
  const auto reply = http_request(*status, "GET", headers, {}, options.insecure);
  if (!reply) {
    report.problems.push_back(cat(options.url, " cannot be reached: ", reply.error(),
                                  " Is the server running, and does it listen on an address that we reach?"));
    return;
  }
  if (reply->status != 200) {
    report.problems.push_back(cat(options.url, " answers with status ", reply->status,
                                  reply->status == 401 ? ": give its token by --token." : ": is that a kaon serve?"));
    return;
  }
  report.serve.emplace();
  report.serve->url = options.url;
  boost::system::error_code error;
  const json::value body = json::parse(reply->body, error);
  if (!error && body.is_object() && body.as_object().contains("version")) {
    const json::value& version = body.as_object().at("version");
    if (version.is_string()) report.serve->version = version.as_string().c_str();
  }
  look_at_clock(report, *reply);
  try_to_connect(options, report);
}

// -- what is told ----------------------------------------------------------------------------------------------------

void print(const Report& report) {
  std::puts("Interfaces");
  for (const io::Interface& i : report.interfaces) {
    std::printf("  %-12s %s/%d\n", i.name.c_str(), i.ip.to_string().c_str(), i.prefix);
  }
  if (!report.servers.empty()) std::puts("Servers");
  for (const ServerTrial& trial : report.servers) {
    if (!trial.problem.empty()) {
      std::printf("  %-40s fails\n", trial.url.c_str());
    } else {
      std::printf("  %-40s %.1f ms, we are %s%s%s\n", trial.url.c_str(), to_ms(trial.rtt),
                  trial.mapped->to_string().c_str(), trial.relayed ? ", relay " : "",
                  trial.relayed ? trial.relayed->to_string().c_str() : "");
    }
  }
  if (report.serve) {
    std::printf("Server %s\n  %s", report.serve->url.c_str(), report.serve->version.c_str());
    if (report.serve->clock_error) std::printf(", clocks %.0f s apart", std::abs(*report.serve->clock_error));
    std::puts("");
    if (!report.serve->path.empty()) {
      std::printf("  media connects in %.0f ms: %s\n", report.serve->connect_ms, report.serve->path.c_str());
    }
  }
  std::puts(report.problems.empty() ? "No problem found." : "Problems");
  for (const std::string& problem : report.problems) std::printf("  - %s\n", problem.c_str());
}

json::object to_json(const Report& report) {
  json::array interfaces, servers, problems;
  for (const io::Interface& i : report.interfaces) {
    interfaces.push_back({{"name", i.name}, {"address", i.ip.to_string()}, {"prefix", i.prefix}});
  }
  for (const ServerTrial& trial : report.servers) {
    json::object server{
        {"url", trial.url}, {"protocol", std::string(protocol_name(trial.protocol))}, {"ok", trial.problem.empty()}};
    if (trial.mapped) server["mapped"] = trial.mapped->to_string();
    if (trial.relayed) server["relayed"] = trial.relayed->to_string();
    if (trial.second) server["relayed_v6"] = trial.second->to_string();
    if (trial.mapped) server["rtt_ms"] = to_ms(trial.rtt);
    if (trial.error != 0) server["error"] = trial.error;
    servers.push_back(std::move(server));
  }
  for (const std::string& problem : report.problems) problems.emplace_back(problem);
  json::object all{{"interfaces", interfaces}, {"servers", servers}, {"problems", problems}};
  if (report.serve) {
    json::object serve{{"url", report.serve->url}, {"version", report.serve->version}, {"path", report.serve->path}};
    if (report.serve->clock_error) serve["clock_error_seconds"] = *report.serve->clock_error;
    if (!report.serve->path.empty()) serve["connect_ms"] = report.serve->connect_ms;
    all["server"] = std::move(serve);
  }
  return all;
}

int run(const Options& options) {
  Report report;
  for (const std::string& text : options.ice_servers) {
    const auto server = sfu::IceServer::parse(text);
    // The text is not repeated: it may hold a secret.
    if (!server) return fail_with("--ice-server takes stun:HOST:PORT or turn:HOST:PORT,USER,CREDENTIAL.");
    report.servers.push_back({.url = server->url, .username = server->username, .credential = server->credential});
  }
  if (!options.url.empty() && !Url::parse(options.url))
    return fail_with(cat("'", options.url, "' is no http or https URL."));
  look_at_interfaces(report);
  if (!options.url.empty()) look_at_serve(options, report);
  look_at_servers(report);
  if (options.json) {
    std::puts(json::serialize(to_json(report)).c_str());
  } else {
    print(report);
  }
  return report.problems.empty() ? 0 : 1;
}

}  // namespace

void add_doctor(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("doctor", "Find out why it does not connect, and say what to do");
  const auto options = std::make_shared<Options>();
  command->add_option("URL", options->url, "A running kaon serve, such as https://media.example.org/");
  command->add_option("--ice-server", options->ice_servers, "STUN or TURN server to try; may be repeated")
      ->type_name("URL[,USER,CREDENTIAL]");
  command->add_option("--token", options->token, "Bearer token of the server")->type_name("SECRET");
  command->add_flag("--insecure", options->insecure, "Accept any certificate over HTTPS");
  command->add_flag("--json", options->json, "One JSON object instead of text");
  command->footer(
      "Looks at this machine's addresses, asks every server and measures how long that takes, connects to the server "
      "as a\n"
      "client does, and compares the clocks. The exit status is 1 if there is a problem; each is one sentence.");
  command->callback([options, &status] { status = run(*options); });
}

}  // namespace kaon::apps
