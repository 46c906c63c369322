#include "kaon/mdns/node.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kaon/base/assert.h"
#include "kaon/mdns/name.h"
#include "kaon/net/ip_range.h"

namespace kaon::mdns {
namespace {

using std::chrono::seconds;

// RFC 6762 §6: a record is multicast on an interface once a second at most.
constexpr Duration kMulticastDistance = seconds(1);
// §5.4: asked for a unicast response, we multicast if the record has not been heard for so long.
constexpr Duration kHeardLately = seconds(Node::kTtl / 4);
// §6.7: for those who do not know of Multicast DNS.
constexpr uint32_t kLegacyTtl = 10;
// §10: what others say is not believed for longer than records of hosts live.
constexpr uint32_t kMaxTtl = 120;

Message response(const std::string& name, const net::IpAddress& address, uint32_t ttl) {
  Message message;
  message.response = true;
  message.answers.push_back(
      {.name = name, .type = type_of(address), .cache_flush = true, .ttl = ttl, .address = address});
  if (ttl == 0) return message;
  message.additionals.push_back({.name = name,
                                 .type = Type::Nsec,
                                 .cache_flush = true,
                                 .ttl = ttl,
                                 .address = {},
                                 .only_type = type_of(address)});
  return message;
}

Message legacy_response(const Question& question, const net::IpAddress& address, uint16_t id) {
  Message message;
  message.id = id;
  message.response = true;
  message.questions.push_back({question.name, question.type, false});
  message.answers.push_back(
      {.name = question.name, .type = type_of(address), .cache_flush = false, .ttl = kLegacyTtl, .address = address});
  return message;
}

}  // namespace

net::IpAddress group(net::Family family) {
  static constexpr std::array<uint8_t, 16> kV6{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb};
  return family == net::Family::V4 ? net::IpAddress::v4(224, 0, 0, 251) : net::IpAddress::from_bytes(kV6);
}

// -- interfaces ------------------------------------------------------------------------------------------------------

void Node::set_interfaces(std::vector<Interface> interfaces, Time now) {
  if (interfaces.size() > kMaxInterfaces) interfaces.resize(kMaxInterfaces);
  interfaces_ = std::move(interfaces);
  const std::vector<Interface> before = std::exchange(speakers_, {});
  for (Interface& next : interfaces_) {
    next.prefix = std::min(next.prefix, static_cast<uint8_t>(next.address.bytes().size() * 8));
    const bool spoken_for = std::ranges::any_of(speakers_, [&](const Interface& i) {
      return i.index == next.index && i.address.family() == next.address.family();
    });
    if (!spoken_for) speakers_.push_back(next);
  }
  for (Name& name : names_) std::erase_if(name.told, [&](const Told& t) { return speaker(t.from) == nullptr; });
  // What is asked for may be found on a new network.
  const bool news = std::ranges::any_of(speakers_, [&](const Interface& i) {
    return std::ranges::find(before, i.address, &Interface::address) == before.end();
  });
  for (Lookup& lookup : lookups_) {
    if (news && !lookup.address) lookup.next = now;
  }
}

const Interface* Node::speaker(const net::IpAddress& local) const {
  const auto it = std::ranges::find(speakers_, local, &Interface::address);
  return it == speakers_.end() ? nullptr : &*it;
}

bool Node::on_link(const net::IpAddress& remote) const {
  if (remote.is_link_local()) return true;
  return std::ranges::any_of(interfaces_, [&](const Interface& i) {
    return i.address == remote || net::IpRange(i.address, i.prefix).contains(remote);
  });
}

// -- commands --------------------------------------------------------------------------------------------------------

Result<std::string, Error> Node::publish(const net::IpAddress& address) {
  if (address.is_none() || address.is_any() || address.is_multicast()) return fail(Error::BadAddress);
  if (names_.size() >= kMaxNames) return fail(Error::TooMany);
  // The scope means nothing to others.
  names_.push_back({make_hidden_name(env_.random), net::IpAddress::from_bytes(address.bytes()), {}});
  return names_.back().name;
}

void Node::withdraw(std::string_view name, Time now) {
  Name* const ours = find_name(lower_case(name));
  if (ours == nullptr) return;
  for (const Told& told : ours->told) {
    if (told.at == Time::min() || now > told.at + seconds(kTtl)) continue;
    send(told.from, {group(told.from.family()), kPort}, response(ours->name, ours->address, 0));
  }
  names_.erase(names_.begin() + (ours - names_.data()));
}

Result<void, Error> Node::resolve(std::string_view text, Time now) {
  if (!is_hidden_name(text)) return fail(Error::BadName);
  const std::string name = lower_case(text);
  if (const Name* ours = find_name(name)) {
    tell(Resolved{name, ours->address});
    return {};
  }
  if (Lookup* known = find_lookup(name)) {
    if (known->address && now < known->ends) tell(Resolved{name, *known->address});
    if (!known->address || now < known->ends) return {};
    lookups_.erase(lookups_.begin() + (known - lookups_.data()));
  }
  if (lookups_.size() >= kMaxLookups) {
    const auto oldest = std::ranges::find_if(lookups_, [](const Lookup& l) { return l.address.has_value(); });
    if (oldest == lookups_.end()) return fail(Error::TooMany);
    lookups_.erase(oldest);
  }
  lookups_.push_back({.name = name, .ends = now + kLookupTime, .next = now, .address = {}});
  ask(lookups_.back(), now);
  return {};
}

Node::Name* Node::find_name(std::string_view name) {
  const auto it = std::ranges::find(names_, name, &Name::name);
  return it == names_.end() ? nullptr : &*it;
}

Node::Lookup* Node::find_lookup(std::string_view name) {
  const auto it = std::ranges::find(lookups_, name, &Lookup::name);
  return it == lookups_.end() ? nullptr : &*it;
}

// -- questions of ours -----------------------------------------------------------------------------------------------

// By multicast, and for a multicast answer: where other programs of the machine share the port, a unicast one may reach
// any of them (RFC 6762 §15.1).
void Node::ask(Lookup& lookup, Time now) {
  for (const Interface& on : speakers_) {
    Message message;
    message.questions = {{lookup.name, Type::A, false}, {lookup.name, Type::Aaaa, false}};
    send(on.address, {group(on.address.family()), kPort}, std::move(message));
  }
  lookup.next = now + lookup.wait;
  lookup.wait *= 2;
}

void Node::handle_response(const Message& message, const net::Datagram& packet, Time now) {
  if (packet.remote.port != kPort) return drops_.add(Drop::WrongPort);
  for (const auto* section : {&message.answers, &message.additionals}) {
    for (const Record& record : *section) {
      if (record.name.empty() || record.address.is_none()) continue;
      defend(record, packet.local.ip, now);
      learn(record, now);
    }
  }
  handle_timeout(now);
}

void Node::learn(const Record& record, Time now) {
  Lookup* const lookup = find_lookup(record.name);
  if (lookup == nullptr) return;
  if (record.ttl == 0) {
    if (lookup->address == record.address) lookup->ends = now;
    return;
  }
  // The first answer counts. A name hides one address (draft §3.1.1); who has two is not followed (§3.2.2).
  if (lookup->address && *lookup->address != record.address) return;
  const bool news = !lookup->address;
  lookup->address = record.address;
  lookup->ends = now + seconds(std::min(record.ttl, kMaxTtl));
  lookup->next = kNever;
  if (news) tell(Resolved{lookup->name, record.address});
}

// -- answers of ours -------------------------------------------------------------------------------------------------

// §9. What our own packets say comes back to us and is no conflict.
void Node::defend(const Record& record, const net::IpAddress& on, Time now) {
  Name* const name = find_name(record.name);
  if (name == nullptr || record.address == name->address) return;
  drops_.add(Drop::Conflict);
  multicast_later(*name, on, now);
}

void Node::handle_query(const Message& message, const net::Datagram& packet, Time now) {
  std::string_view answered;
  for (const Question& question : message.questions) {
    const bool for_addresses = question.type == Type::A || question.type == Type::Aaaa || question.type == Type::Any;
    Name* const name = for_addresses && !question.name.empty() ? find_name(question.name) : nullptr;
    if (name == nullptr || already_known(*name, message)) continue;
    // One answer says everything about a name; both types are asked for one after the other.
    const bool repeated = packet.remote.port == kPort && name->name == answered;
    if (!repeated) answer(*name, question, message, packet, now);
    answered = name->name;
  }
  handle_timeout(now);
}

// §7.1.
bool Node::already_known(const Name& name, const Message& query) const {
  return std::ranges::any_of(query.answers, [&](const Record& r) {
    return r.name == name.name && r.address == name.address && r.ttl >= kTtl / 2;
  });
}

void Node::answer(Name& name, const Question& question, const Message& query, const net::Datagram& packet, Time now) {
  const net::IpAddress on = packet.local.ip;
  const net::IpAddress from = speaker(on) != nullptr ? on : net::IpAddress();
  if (packet.remote.port != kPort) {
    // §6.7. Who asks so gets what he asks for only.
    if (question.type != Type::Any && question.type != type_of(name.address)) return;
    if (may_answer(now)) send(from, packet.remote, legacy_response(question, name.address, query.id));
    return;
  }
  if (question.unicast_response && now < told(name, on).at + kHeardLately) {
    if (may_answer(now)) send(from, packet.remote, response(name.name, name.address, kTtl));
    return;
  }
  multicast_later(name, on, now);
}

bool Node::may_answer(Time now) {
  if (now >= answers_from_ + seconds(1) || now < answers_from_) {
    answers_from_ = now;
    answers_ = 0;
  }
  if (answers_ < kMaxAnswersPerSecond) return ++answers_, true;
  drops_.add(Drop::TooOften);
  return false;
}

// On the interface where it was asked for; on all of its family if that is not known.
void Node::multicast_later(Name& name, const net::IpAddress& on, Time now) {
  for (const Interface& candidate : speakers_) {
    if (speaker(on) != nullptr ? candidate.address != on : candidate.address.family() != on.family()) continue;
    Told& there = told(name, candidate.address);
    there.due = std::min(there.due, std::max(now, there.at + kMulticastDistance));
  }
}

Node::Told& Node::told(Name& name, const net::IpAddress& on) {
  const auto it = std::ranges::find(name.told, on, &Told::from);
  if (it != name.told.end()) return *it;
  if (name.told.size() >= 2 * kMaxInterfaces) name.told.erase(name.told.begin());
  return name.told.emplace_back(Told{.from = on});
}

void Node::send(const net::IpAddress& from, const net::Endpoint& to, Message message) {
  if (outgoing_.size() < kMaxOutgoing) outgoing_.push_back({{from, kPort}, to, std::move(message)});
}

// -- the five calls --------------------------------------------------------------------------------------------------

void Node::handle_packet(const net::Datagram& packet, Time now) {
  if (!on_link(packet.remote.ip)) return drops_.add(Drop::OffLink);
  const auto message = Message::parse(packet.bytes);
  if (!message) return drops_.add(Drop::Malformed);
  if (message->response) {
    handle_response(*message, packet, now);
  } else {
    handle_query(*message, packet, now);
  }
}

void Node::handle_timeout(Time now) {
  for (Name& name : names_) {
    for (Told& told : name.told) {
      if (now < told.due) continue;
      if (!may_answer(now)) {
        told.due = answers_from_ + seconds(1);
        continue;
      }
      told.due = kNever;
      told.at = now;
      send(told.from, {group(told.from.family()), kPort}, response(name.name, name.address, kTtl));
    }
  }
  for (Lookup& lookup : lookups_) {
    if (now >= lookup.ends) {
      if (!lookup.address) tell(Unresolved{lookup.name});
    } else if (now >= lookup.next) {
      ask(lookup, now);
    }
  }
  std::erase_if(lookups_, [&](const Lookup& l) { return now >= l.ends; });
}

Time Node::next_timeout() const {
  Time earliest = kNever;
  for (const Name& name : names_) {
    for (const Told& told : name.told) earliest = std::min(earliest, told.due);
  }
  for (const Lookup& lookup : lookups_) earliest = std::min({earliest, lookup.ends, lookup.next});
  return earliest;
}

std::optional<net::Transmit> Node::poll_transmit(Bytes out) {
  if (outgoing_.empty()) return std::nullopt;
  const Outgoing next = outgoing_.pop_front();
  net::Transmit transmit;
  transmit.local = next.local;
  transmit.remote = next.remote;
  transmit.size = next.message.write(out);
  return transmit;
}

void Node::tell(Event event) {
  if (events_.size() == kMaxEvents) events_.drop_front();
  events_.push_back(std::move(event));
}

std::optional<Event> Node::poll_event() {
  if (events_.empty()) return std::nullopt;
  return events_.pop_front();
}

}  // namespace kaon::mdns
