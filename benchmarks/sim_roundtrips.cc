// How many round trips pass from an offer until media and data may flow, in virtual time: signalling counts too, with
// half a round trip for each description and no losses.
//   sim_roundtrips [--rtt MS] [--loss PERCENT,PERCENT…] [--count N] [--seed N]
// One JSON object per way of setting up and loss: medians and the slowest of twenty over `count` connections, at the
// side that offers and at the one that answers, in round trips.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kaon/crypto/key_exchange.h"
#include "kaon/peer/connection.h"
#include "kaon/sim/network.h"
#include "kaon/sim/pump.h"

using namespace kaon;

namespace {

struct Way {
  const char* name;
  dtls::Version version;
  bool sped;
  bool snap;
  dtls::KeyExchangePolicy key_exchange = dtls::KeyExchangePolicy::Latency;
};
constexpr Way kWays[] = {
    {"dtls12", dtls::Version::Dtls12, false, false},
    {"dtls12_sped", dtls::Version::Dtls12, true, false},
    {"dtls13", dtls::Version::Dtls13, false, false},
    {"dtls13_snap", dtls::Version::Dtls13, false, true},
    {"dtls13_sped", dtls::Version::Dtls13, true, false},
    {"dtls13_sped_snap", dtls::Version::Dtls13, true, true},
    // Left out where libcrypto has no ML-KEM.
    {"dtls13_mlkem", dtls::Version::Dtls13, false, false, dtls::KeyExchangePolicy::PostQuantum},
    {"dtls13_mlkem_sped_snap", dtls::Version::Dtls13, true, true, dtls::KeyExchangePolicy::PostQuantum}};
constexpr Duration kPatience = std::chrono::minutes(1);

/// One side and what it was told.
struct Side {
  Side(uint64_t seed, net::IpAddress ip, const Way& way, Time now)
      : random(seed), address{ip, 4000}, connection({random, log}, pool, config(way), now) {
    static_cast<void>(connection.add_local_address({.address = address}, now));
    connection.end_of_local_addresses(now);
  }
  peer::Config config(const Way& way) {
    peer::Config config{.certificate = crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random,
                                                                     std::chrono::seconds(1'700'000'000))};
    config.max_dtls_version = way.version;
    config.sped = way.sped;
    config.snap = way.snap;
    config.key_exchange = way.key_exchange;
    return config;
  }

  // The engine's five calls, to take what the channels tell as it comes.
  void handle_packet(const net::Datagram& packet, Time now) {
    connection.handle_packet(packet, now);
    note(now);
  }
  void handle_timeout(Time now) {
    connection.handle_timeout(now);
    note(now);
  }
  Time next_timeout() const { return connection.next_timeout(); }
  std::optional<net::Transmit> poll_transmit(Bytes out) { return connection.poll_transmit(out); }
  std::optional<peer::Event> poll_event() { return connection.poll_event(); }

  void note(Time now) {
    const bool connected = connection.state() == peer::ConnectionState::Connected;
    if (media == kNever && connected) media = now;
    while (const auto event = connection.poll_channel_event()) {
      const bool open = std::holds_alternative<datachannel::ChannelOpened>(*event) ||
                        std::holds_alternative<datachannel::ChannelAnnounced>(*event);
      opened = opened || open;
    }
    if (data == kNever && opened && connected) data = now;
  }

  SeededRandom random;
  NullLogger log;
  BufferPool pool;
  net::Endpoint address;
  peer::Connection connection;
  Time media = kNever;  // may be sent from then on
  Time data = kNever;   // a channel is open, and there is a path
  bool opened = false;
};
static_assert(net::DatagramEngine<Side>);

class Call {
 public:
  Call(const Way& way, Duration rtt, double loss, uint64_t seed)
      : network_(seed),
        // Two links each way, so that of a packet the share `loss` is lost.
        link_{.delay = rtt / 4, .loss = 1 - std::sqrt(1 - loss)},
        host_a_(network_.add_host(net::IpAddress::v4(192, 0, 2, 1), sim::kInternet, link_)),
        host_b_(network_.add_host(net::IpAddress::v4(192, 0, 2, 2), sim::kInternet, link_)),
        a_(network_.seed_for(1), net::IpAddress::v4(192, 0, 2, 1), way, network_.now()),
        b_(network_.seed_for(2), net::IpAddress::v4(192, 0, 2, 2), way, network_.now()),
        pump_(network_),
        rtt_(rtt) {
    pump_.attach(host_a_, a_);
    pump_.attach(host_b_, b_);
  }

  struct Times {
    double offerer_media, offerer_data, answerer_media, answerer_data;
  };
  Times run() {
    const Time start = network_.now();
    static_cast<void>(a_.connection.add_transceiver(sdp::MediaKind::Audio));
    static_cast<void>(a_.connection.open_channel({.label = "data"}, start));
    describe(a_, peer::SdpType::Offer);
    pump_.after(rtt_ / 2, [this] {
      tell(a_, b_, peer::SdpType::Offer);
      describe(b_, peer::SdpType::Answer);
      pump_.after(rtt_ / 2, [this] { tell(b_, a_, peer::SdpType::Answer); });
    });
    pump_.run_for([this] { return std::max({a_.media, a_.data, b_.media, b_.data}) != kNever; }, kPatience);
    const auto trips = [&](Time at) {
      return std::chrono::duration<double>(std::min(at, start + kPatience) - start) /
             std::chrono::duration<double>(rtt_);
    };
    return {trips(a_.media), trips(a_.data), trips(b_.media), trips(b_.data)};
  }

 private:
  void describe(Side& side, peer::SdpType type) {
    if (!side.connection.set_local_description(type, network_.now())) std::abort();
  }
  void tell(Side& from, Side& to, peer::SdpType type) {
    const auto description = sdp::SessionDescription::parse(from.connection.local_description());
    if (!description || !to.connection.set_remote_description(type, *description, network_.now())) std::abort();
    to.note(network_.now());
  }

  sim::Network network_;
  sim::LinkConfig link_;
  sim::HostId host_a_, host_b_;
  Side a_, b_;
  sim::Pump pump_;
  Duration rtt_;
};

struct Settings {
  double rtt_ms = 200;
  std::vector<double> losses = {0, 5, 25};
  size_t count = 100;
  uint64_t seed = 1;
};

double quantile(std::vector<double>& values, double share) {
  std::ranges::sort(values);
  return values[std::min(static_cast<size_t>(share * static_cast<double>(values.size())), values.size() - 1)];
}

void measure(const Way& way, double loss, const Settings& settings) {
  std::vector<double> figures[4];
  const auto rtt = std::chrono::microseconds(static_cast<int64_t>(settings.rtt_ms * 1e3));
  // Without losses all are the same.
  const size_t count = loss == 0 ? 1 : settings.count;
  for (size_t i = 0; i < count; ++i) {
    const auto times = Call(way, rtt, loss / 100, settings.seed * 1'000'000 + i).run();
    const double row[] = {times.offerer_media, times.offerer_data, times.answerer_media, times.answerer_data};
    for (size_t k = 0; k < 4; ++k) figures[k].push_back(row[k]);
  }
  std::printf("{\"way\": \"%s\", \"loss_percent\": %g", way.name, loss);
  constexpr const char* kNames[] = {"rtts_to_media", "rtts_to_data", "answerer_rtts_to_media", "answerer_rtts_to_data"};
  for (size_t k = 0; k < 4; ++k) {
    std::printf(", \"%s\": %.3f, \"%s_p95\": %.3f", kNames[k], quantile(figures[k], 0.5), kNames[k],
                quantile(figures[k], 0.95));
  }
  std::puts("}");
}

std::vector<double> numbers(const char* text) {
  std::vector<double> list;
  for (char* end = nullptr;; text = end + 1) {
    list.push_back(std::strtod(text, &end));
    if (*end != ',') return list;
  }
}

bool take(Settings& settings, const std::string& name, const char* value) {
  if (name == "--rtt") {
    settings.rtt_ms = std::strtod(value, nullptr);
  } else if (name == "--loss") {
    settings.losses = numbers(value);
  } else if (name == "--count") {
    settings.count = std::strtoul(value, nullptr, 10);
  } else if (name == "--seed") {
    settings.seed = std::strtoull(value, nullptr, 10);
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  bool right = true;
  for (int i = 1; i < argc; i += 2) right = right && i + 1 < argc && take(settings, argv[i], argv[i + 1]);
  right = right && settings.rtt_ms > 0 && settings.count > 0 &&
          std::ranges::all_of(settings.losses, [](double loss) { return loss >= 0 && loss < 100; });
  if (!right) {
    std::fputs("usage: sim_roundtrips [--rtt MS] [--loss PERCENT,PERCENT...] [--count N] [--seed N]\n", stderr);
    return 2;
  }
  const bool has_ml_kem = crypto::group_available(crypto::Group::X25519MlKem768);
  for (const double loss : settings.losses) {
    for (const Way& way : kWays) {
      if (way.key_exchange == dtls::KeyExchangePolicy::Latency || has_ml_kem) measure(way, loss, settings);
    }
  }
}
