// Multicast DNS: messages read, written and read again; and a node that publishes and looks up names while packets made
// up or mutated come from on and off its link.
#include "fuzz/fuzz.h"
#include "kaon/mdns/name.h"
#include "kaon/mdns/node.h"

namespace kaon::mdns {
namespace {

using namespace std::chrono_literals;

bool is_plain(const std::vector<Record>& records) {
  return std::ranges::all_of(records, [](const Record& r) { return !r.name.empty() && !r.address.is_none(); });
}

// What is only read over (names of services, other types) is not written as it was.
void check_round_trip(ByteView bytes) {
  const auto message = Message::parse(bytes);
  if (!message) return;
  KAON_ASSERT(!message->to_string().empty());
  const bool plain = is_plain(message->answers) && is_plain(message->authorities) && is_plain(message->additionals) &&
                     std::ranges::all_of(message->questions, [](const Question& q) { return !q.name.empty(); });
  std::vector<uint8_t> out(message->size());
  out.resize(message->write(out));
  if (!plain || out.size() > Message::kMaxSize) return;
  const auto again = Message::parse(out);
  KAON_ASSERT(again && *again == *message);
}

class World {
 public:
  explicit World(fuzz::Choices& choices) : choices_(choices), random_(1), node_(Env{random_, log_}) {
    node_.set_interfaces({{1, ours(), 24}, {2, net::IpAddress::v4(10, 1, 0, 1), 16}}, now_);
  }

  void run() {
    for (int steps = 0; steps < 200 && !choices_.empty(); ++steps) {
      step();
      drain();
    }
  }

 private:
  static net::IpAddress ours() { return net::IpAddress::v4(10, 0, 0, 1); }

  void step() {
    switch (choices_.below(8)) {
      case 0: {
        const auto name = node_.publish(net::IpAddress::v4(10, 0, 0, choices_.u8()));
        if (name) names_.push_back(*name);
        return;
      }
      case 1:
        if (!names_.empty()) node_.withdraw(names_[choices_.below(names_.size())], now_);
        return;
      case 2: names_.push_back(make_hidden_name(random_)); [[fallthrough]];
      case 3:
        if (!names_.empty()) (void)node_.resolve(names_[choices_.below(names_.size())], now_);
        return;
      case 4: return take(fuzz::copy(choices_.bytes(200)));
      case 5: return take(made_up());
      case 6: {
        std::vector<uint8_t> packet = made_up();
        fuzz::mutate(packet, choices_);
        return take(std::move(packet));
      }
      default: return fuzz::pass_time(node_, now_, choices_.step(), [&] { drain(); });
    }
  }

  std::string name() { return names_.empty() ? "host.local" : names_[choices_.below(names_.size())]; }

  std::vector<uint8_t> made_up() {
    Message message;
    message.response = choices_.flag();
    for (size_t i = choices_.below(4); i > 0; --i) {
      message.questions.push_back({name(), choices_.flag() ? Type::A : Type::Any, choices_.flag()});
    }
    for (size_t i = choices_.below(4); i > 0; --i) {
      message.answers.push_back({.name = name(),
                                 .type = Type::A,
                                 .cache_flush = choices_.flag(),
                                 .ttl = choices_.u8(),
                                 .address = net::IpAddress::v4(10, 0, 0, choices_.u8())});
    }
    std::vector<uint8_t> bytes(message.size());
    bytes.resize(message.write(bytes));
    return bytes;
  }

  void take(std::vector<uint8_t> bytes) {
    check_round_trip(bytes);
    const net::IpAddress from = net::IpAddress::v4(choices_.flag() ? 10 : 192, 0, 0, 9);
    const net::Endpoint remote{from, choices_.flag() ? kPort : choices_.u16()};
    node_.handle_packet({.local = {ours(), kPort}, .remote = remote, .bytes = bytes}, now_);
  }

  void drain() {
    std::vector<uint8_t> out(Node::kMaxPacket);
    while (const auto transmit = node_.poll_transmit(out)) {
      KAON_ASSERT(transmit->size <= out.size());
      KAON_ASSERT(transmit->local.port == kPort);
      // Nothing leaves the link.
      KAON_ASSERT(transmit->remote.ip.is_multicast() || transmit->remote.ip == net::IpAddress::v4(10, 0, 0, 9));
      KAON_ASSERT(Message::parse(ByteView(out).first(transmit->size)).has_value());
    }
    while (const auto event = node_.poll_event()) {
      const auto* found = std::get_if<Resolved>(&*event);
      KAON_ASSERT(found == nullptr || is_hidden_name(found->name));
    }
    KAON_ASSERT(node_.names() <= Node::kMaxNames);
  }

  fuzz::Choices& choices_;
  SeededRandom random_;
  NullLogger log_;
  Node node_;
  Time now_ = Time(1h);
  std::vector<std::string> names_;
};

}  // namespace

KAON_FUZZ_TARGET(mdns_node) {
  check_round_trip(fuzz::copy(input));
  fuzz::Choices choices(input);
  World(choices).run();
}

}  // namespace kaon::mdns
