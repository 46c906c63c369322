// Kaon's DTLS against another library in one process and in virtual time, over a path that loses, reorders and doubles;
// see ../README.md.
#include <dlfcn.h>
#include <sys/time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <memory>
#include <set>

#include "kaon/base/random.h"
#include "kaon/base/text.h"
#include "kaon/dtls/connection.h"
#include "kaon/dtls/describe.h"
#include "stack.h"

namespace kaon::interop {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kToday(1'780'000'000);
Time virtual_now{kToday};

struct Options {
  dtls::Role kaon = dtls::Role::Server;
  dtls::Version version = dtls::Version::Dtls12;
  size_t mtu = 1200;
  uint64_t loss = 0;  // in percent
  /// Some datagrams are doubled, and all are late by a time of their own.
  bool disorder = false;
  /// Print each datagram.
  bool trace = false;
};
constexpr uint64_t kDoubled = 20;  // in percent
constexpr milliseconds kDelay(10);
constexpr milliseconds kJitter(60);
constexpr milliseconds kBetweenTexts(200);
constexpr std::chrono::minutes kLimit(60);
/// What dtls::Config::handshake_timeout is without further settings.
constexpr milliseconds kUsualPatience = seconds(30);
/// Of a handshake, Kaon's: long, so that it is the peer who gives up first, if anybody does.
constexpr std::chrono::minutes kPatience(30);

enum class Verdict { Connected, Ended, Broken };

struct Outcome {
  Verdict verdict = Verdict::Broken;
  /// Of what is not Connected.
  std::string why;
  Duration took{};
};

/// One handshake, and a text of each side that has reached the other.
class Run {
 public:
  Run(Options options, const crypto::Certificate& own, const crypto::Certificate& theirs, decltype(new_stack)* make,
      uint64_t seed)
      : options_(options),
        random_(seed),
        path_(seed ^ 0x70617468),
        connection_(Env{random_, log_}, config_of(options, own, theirs)),
        stack_(make({.client = options.kaon == dtls::Role::Server,
                     .dtls13 = options.version == dtls::Version::Dtls13,
                     .mtu = options.mtu,
                     .certificate = theirs.certificate_pem(),
                     .private_key = theirs.private_key_pem()})) {}

  Outcome run() {
    connection_.start(virtual_now);
    stack_->step();
    while (virtual_now < start_ + kLimit) {
      look();
      send_texts();
      collect();
      if (closed_)
        return ended(cat("Kaon: ", to_string(closed_->reason), " ", closed_->detail,
                         stack_->connected ? ", while the peer takes itself for connected" : ""),
                     closed_->reason == dtls::CloseReason::Timeout);
      if (!stack_->failure.empty()) return ended(cat("peer: ", stack_->failure), stack_->out_of_retries);
      if (!both_connected_ && connected_ && stack_->connected) both_connected_ = virtual_now;
      if (kaon_has_text_ && !stack_->received.empty()) return compare(*both_connected_ - start_);
      wait();
    }
    return {Verdict::Broken,
            cat("no end after an hour: Kaon ", connected_ ? "is" : "is not", " connected, the peer ",
                stack_->connected ? "is" : "is not"),
            kLimit};
  }

 private:
  struct Flying {
    Time arrival;
    bool to_kaon;
    Packet packet;
  };

  static dtls::Config config_of(const Options& options, const crypto::Certificate& own,
                                const crypto::Certificate& theirs) {
    dtls::Config config{.role = options.kaon, .certificate = own};
    config.min_version = config.max_version = options.version;
    config.remote_fingerprints = {theirs.fingerprint()};
    config.mtu = options.mtu;
    config.key_log = true;
    config.handshake_timeout = kPatience;
    return config;
  }
  Outcome ended(std::string why, bool in_time) const {
    return {in_time ? Verdict::Ended : Verdict::Broken, std::move(why), virtual_now - start_};
  }
  Outcome compare(Duration took) {
    const Agreed theirs = stack_->agreed();
    Packet exported(kExportedSize);
    if (!connection_.export_keying_material(dtls::kSrtpExporterLabel, {}, exported))
      return {Verdict::Broken, "no exporter", took};
    if (theirs.version != static_cast<uint16_t>(options_.version) || connected_->version != options_.version)
      return {Verdict::Broken, cat("the peer has version ", theirs.version), took};
    if (theirs.srtp_profile != connected_->srtp_profile || theirs.srtp_profile == dtls::kNoSrtpProfile)
      return {Verdict::Broken, cat("SRTP profiles ", connected_->srtp_profile, " and ", theirs.srtp_profile), took};
    if (theirs.exported != exported)
      return {Verdict::Broken, cat("exported ", to_hex(exported), " and ", to_hex(theirs.exported)), took};
    if (!stack_->key_log.empty() && stack_->key_log != key_log_) return {Verdict::Broken, "key logs differ", took};
    if (kaon_text_ != "to kaon" || stack_->received.front() != "to the peer")
      return {Verdict::Broken, cat("texts '", kaon_text_, "' and '", stack_->received.front(), "'"), took};
    return {Verdict::Connected, {}, took};
  }

  void look() {
    while (auto event = connection_.poll_event()) {
      if (auto* connected = std::get_if<dtls::Connected>(&*event)) connected_ = std::move(*connected);
      if (auto* closed = std::get_if<dtls::Closed>(&*event)) closed_ = std::move(*closed);
      if (auto* log = std::get_if<dtls::KeyLogLine>(&*event)) key_log_.insert(std::move(log->line));
    }
    read();
  }
  void read() {
    while (const auto data = connection_.poll_application_data()) {
      kaon_text_ = as_text(*data);
      kaon_has_text_ = true;
    }
  }
  /// Texts get lost, too: they are sent again until both have come.
  void send_texts() {
    if (virtual_now < next_text_) return;
    if (connected_) {
      constexpr std::string_view kText = "to the peer";
      Packet out(kText.size() + connection_.overhead());
      out.resize(connection_.protect(as_bytes(kText), out));
      fly(false, out);
    }
    if (stack_->connected) stack_->send("to kaon");
    if (connected_ || stack_->connected) next_text_ = virtual_now + kBetweenTexts;
  }
  void collect() {
    std::array<uint8_t, 2000> out;
    while (const auto transmit = connection_.poll_transmit(out))
      fly(false, {out.begin(), out.begin() + static_cast<ptrdiff_t>(transmit->size)});
    for (; !stack_->outgoing.empty(); stack_->outgoing.pop_front()) fly(true, stack_->outgoing.front());
  }
  void fly(bool to_kaon, const Packet& packet) {
    const int copies = options_.disorder && path_.below(100) < kDoubled ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      const bool lost = path_.below(100) < options_.loss;
      if (options_.trace) print(to_kaon, packet, lost);
      if (lost) continue;
      const Duration late = options_.disorder ? Duration(path_.below(Duration(kJitter).count())) : Duration{};
      flying_.push_back({virtual_now + kDelay + late, to_kaon, packet});
    }
  }
  void print(bool to_kaon, const Packet& packet, bool lost) const {
    Outline outline(packet, 1);
    dtls::describe(packet, outline);
    std::fprintf(stderr, "%.3f s %s %zu bytes%s\n%s", static_cast<double>((virtual_now - start_).count()) / 1e9,
                 to_kaon ? "to Kaon" : "to the peer", packet.size(), lost ? ", lost" : "", outline.text().c_str());
  }
  void wait() {
    const auto left = stack_->timeout();
    // A timer that is due already must not keep the time from passing.
    const Time theirs = left ? virtual_now + std::max<Duration>(Duration(*left), milliseconds(1)) : kNever;
    Time next = std::min(theirs, connection_.next_timeout());
    if (connected_ || stack_->connected) next = std::min(next, next_text_);
    for (const Flying& each : flying_) next = std::min(next, each.arrival);
    virtual_now = std::clamp<Time>(next, virtual_now, virtual_now + kLimit);
    deliver();
    if (connection_.next_timeout() <= virtual_now) connection_.handle_timeout(virtual_now);
    if (theirs <= virtual_now && stack_->failure.empty()) stack_->on_timeout();
  }
  void deliver() {
    for (size_t i = 0; i < flying_.size();) {
      if (flying_[i].arrival > virtual_now) {
        ++i;
        continue;
      }
      Flying one = std::move(flying_[i]);
      flying_.erase(flying_.begin() + static_cast<ptrdiff_t>(i));
      if (one.to_kaon) {
        connection_.handle_packet(one.packet, virtual_now);
        look();
      } else {
        stack_->incoming.push_back(std::move(one.packet));
        stack_->step();
      }
    }
  }

  const Time start_ = virtual_now;
  Options options_;
  SeededRandom random_;
  SeededRandom path_;
  NullLogger log_;
  dtls::Connection connection_;
  std::unique_ptr<Stack> stack_;
  std::vector<Flying> flying_;
  std::optional<dtls::Connected> connected_;
  std::optional<dtls::Closed> closed_;
  std::set<std::string> key_log_;
  std::string kaon_text_;
  bool kaon_has_text_ = false;
  std::optional<Time> both_connected_;
  Time next_text_{};
};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(2);
}

template <class Symbol>
Symbol* symbol(void* library, const char* name) {
  auto* found = reinterpret_cast<Symbol*>(dlsym(library, name));
  if (found == nullptr) give_up(dlerror());
  return found;
}

/// One line with tabs: the library, how many have connected, how many of them within kUsualPatience, their median and
/// longest time in milliseconds, what ended because somebody had waited long enough, and what is wrong.
void run_cell(const Options& options, decltype(new_stack)* make, uint64_t first, uint64_t last) {
  SeededRandom random(1);
  const auto own = crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random, kToday);
  const auto theirs = crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random, kToday);
  std::vector<int64_t> took;
  std::map<std::string, std::vector<uint64_t>> ended, broken;  // by reason, the seeds
  for (uint64_t seed = first; seed <= last; ++seed) {
    Outcome outcome = Run(options, own, theirs, make, seed).run();
    if (outcome.verdict == Verdict::Connected) took.push_back(outcome.took.count() / 1'000'000);
    if (outcome.verdict == Verdict::Ended) ended[outcome.why].push_back(seed);
    if (outcome.verdict == Verdict::Broken) broken[outcome.why].push_back(seed);
  }
  std::sort(took.begin(), took.end());
  const auto list = [](const std::map<std::string, std::vector<uint64_t>>& all) {
    std::string text;
    for (const auto& [why, which] : all)
      text += cat(text.empty() ? "" : "; ", which.size(), " times ", why, " (seed ", which.front(), ")");
    return text;
  };
  const auto soon = std::upper_bound(took.begin(), took.end(), kUsualPatience.count());
  std::printf("%zu\t%td\t%lld\t%lld\t%s\t%s\n", took.size(), soon - took.begin(),
              took.empty() ? 0LL : static_cast<long long>(took[took.size() / 2]),
              took.empty() ? 0LL : static_cast<long long>(took.back()), list(ended).c_str(), list(broken).c_str());
  std::fflush(stdout);
}

}  // namespace
}  // namespace kaon::interop

// The libraries' clocks: these come before libc's.
extern "C" {
int clock_gettime(clockid_t, timespec* out) noexcept {
  const auto now = kaon::interop::virtual_now.time_since_epoch().count();
  *out = {.tv_sec = now / 1'000'000'000, .tv_nsec = now % 1'000'000'000};
  return 0;
}
int gettimeofday(timeval* out, void*) noexcept {
  const auto now = kaon::interop::virtual_now.time_since_epoch().count();
  *out = {.tv_sec = now / 1'000'000'000, .tv_usec = now % 1'000'000'000 / 1000};
  return 0;
}
time_t time(time_t* out) noexcept {
  const time_t now = kaon::interop::virtual_now.time_since_epoch().count() / 1'000'000'000;
  if (out != nullptr) *out = now;
  return now;
}
}

int main(int argc, char** argv) {
  using namespace kaon::interop;
  if (argc != 8) give_up("usage: interop_dtls_driver STACK.so client|server 1.2|1.3 MTU LOSS DISORDER FIRST-LAST");
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) give_up(dlerror());
  const auto number = [&](int i) { return std::strtoul(argv[i], nullptr, 10); };
  const Options options{
      .kaon = std::string_view(argv[2]) == "client" ? kaon::dtls::Role::Server : kaon::dtls::Role::Client,
      .version = std::string_view(argv[3]) == "1.3" ? kaon::dtls::Version::Dtls13 : kaon::dtls::Version::Dtls12,
      .mtu = number(4),
      .loss = number(5),
      .disorder = number(6) != 0,
      .trace = std::getenv("KAON_DTLS_TRACE") != nullptr};
  std::printf("%s\t", symbol<decltype(stack_name)>(library, "stack_name")());
  const std::string seeds = argv[7];
  const size_t dash = seeds.find('-');
  if (dash == std::string::npos) give_up("seeds are a range, 1-20 for example");
  run_cell(options, symbol<decltype(new_stack)>(library, "new_stack"), std::stoul(seeds),
           std::stoul(seeds.substr(dash + 1)));
  return 0;
}
