#include "plan.h"

#include "kaon/base/random.h"
#include "kaon/base/text.h"

namespace kaon::scenario {
namespace {

using sim::NatBehavior;
using std::chrono::milliseconds;

Duration up_to(Random& random, int ms) { return milliseconds(random.below(static_cast<uint64_t>(ms) + 1)); }
double up_to_percent(Random& random, uint64_t most) { return static_cast<double>(random.below(most + 1)) / 100; }
NatBehavior any_behavior(Random& random) { return static_cast<NatBehavior>(random.below(3)); }

Place make_place(Random& random) {
  Place place;
  sim::LinkConfig& link = place.link;
  link.delay = up_to(random, 100);
  link.jitter = up_to(random, 40);
  // A packet crosses two links, so that each loses half of the 30 % that may be lost. A third of all links are clean.
  if (random.below(3) != 0) {
    link.loss = up_to_percent(random, 15);
    link.duplicate = up_to_percent(random, 15);
    link.reorder = up_to_percent(random, 15);
    link.reorder_delay = up_to(random, 50);
  }
  if (random.below(4) == 0) {
    link.rate = DataRate::kilobits_per_second(500 + static_cast<int64_t>(random.below(20'000)));
    link.queue_packets = 50 + random.below(500);
  }
  constexpr size_t kMtus[] = {1500, 1500, 1280, 1000, 600};
  link.mtu = kMtus[random.below(std::size(kMtus))];
  if (random.below(4) != 0) {
    place.nat = sim::NatConfig{.mapping = any_behavior(random),
                               .filtering = any_behavior(random),
                               .ports = static_cast<sim::PortAssignment>(random.below(3)),
                               .inbound_refreshes = random.below(2) == 0};
  }
  return place;
}

bool keeps_mapping(const Place& place) { return !place.nat || place.nat->mapping == NatBehavior::EndpointIndependent; }

/// Lets in what comes from an address it has sent to, whatever the port.
bool lets_ports_in(const Place& place) {
  return !place.nat || (keeps_mapping(place) && place.nat->filtering != NatBehavior::AddressAndPortDependent);
}

std::string_view name_of(NatBehavior behavior) {
  constexpr std::string_view kNames[] = {"endpoint-independent", "address-dependent", "address-and-port-dependent"};
  return kNames[static_cast<size_t>(behavior)];
}

std::string describe(const Place& place) {
  const sim::LinkConfig& link = place.link;
  const auto ms = [](Duration d) { return std::chrono::duration_cast<milliseconds>(d).count(); };
  std::string text = cat("delay ", ms(link.delay), " ms + ", ms(link.jitter), " ms, loss ",
                         static_cast<int>(link.loss * 100), " %, duplication ", static_cast<int>(link.duplicate * 100),
                         " %, reordering ", static_cast<int>(link.reorder * 100), " %, MTU ", link.mtu);
  if (link.rate != DataRate::infinite()) text += cat(", ", link.rate.bits_per_second() / 1000, " kbit/s");
  if (!place.nat) return text;
  return cat(text, ", NAT with ", name_of(place.nat->mapping), " mapping and ", name_of(place.nat->filtering),
             " filtering");
}

}  // namespace

Plan make_plan(uint64_t seed) {
  SeededRandom random(seed);
  Plan plan{.a = make_place(random), .b = make_place(random)};
  constexpr size_t kHeaders = 28;  // IPv4 and UDP
  plan.payload = std::min({size_t{1200}, plan.a.link.mtu - kHeaders, plan.b.link.mtu - kHeaders});
  plan.active_answer = random.below(2) == 0;
  return plan;
}

// A peer that keeps its mapping is reached where its candidate says. If the other does not keep its own, it comes from
// a port that nobody has told of, and the filter has to let that in.
bool Plan::has_path() const {
  if (!a.nat || !b.nat) return true;
  if (keeps_mapping(a) && keeps_mapping(b)) return true;
  return lets_ports_in(a) || lets_ports_in(b);
}

bool Plan::is_mild() const {
  const auto mild = [](const Place& place) { return place.link.loss <= 0.05; };
  return mild(a) && mild(b);
}

std::string Plan::to_string() const {
  return cat("a: ", describe(a), "\nb: ", describe(b), "\npayloads up to ", payload,
             active_answer ? ", the answerer is active" : "");
}

}  // namespace kaon::scenario
