#include "kaon/io/mdns.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "kaon/crypto/system_random.h"
#include "kaon/io/driver.h"
#include "kaon/io/internal/loop_access.h"
#include "kaon/io/network_monitor.h"
#include "kaon/io/udp.h"
#include "kaon/mdns/name.h"

namespace kaon::io {
namespace {

constexpr int kBuffer = 256 * 1024;

class MdnsImpl final : public Mdns, public UdpHandler, public std::enable_shared_from_this<MdnsImpl> {
 public:
  explicit MdnsImpl(Loop& loop)
      : loop_(loop),
        node_({random_, log_}),
        driven_(node_, [this](const mdns::Event& event) { tell(event); }),
        monitor_(NetworkMonitor::of(loop)) {}
  ~MdnsImpl() override { close_port(); }

  void start() {
    subscription_ = monitor_->subscribe([this](std::span<const Interface>) { open_port(); });
    open_port();
  }

  Result<std::string, mdns::Error> publish(const net::IpAddress& address) override { return node_.publish(address); }
  void withdraw(std::string_view name) override {
    node_.withdraw(name, Loop::now());
    touch();
  }
  Result<void, mdns::Error> resolve(std::string_view name, Handler done) override;
  bool open() const override { return port_ != nullptr; }

  void receive(std::span<const net::Datagram> batch, Time now) override { driver_->receive(handle_, batch, now); }
  void writable() override {
    if (driver_) driver_->writable();
  }

 private:
  void open_port();
  void close_port();
  std::vector<MulticastGroup> groups(const std::vector<mdns::Interface>& interfaces) const;
  void touch() {
    if (driver_) driver_->touch(handle_);
  }
  void tell(const mdns::Event& event);

  Loop& loop_;
  crypto::SystemRandom random_;
  NullLogger log_;
  mdns::Node node_;
  DrivenEngine<mdns::Node, std::function<void(const mdns::Event&)>> driven_;
  std::shared_ptr<NetworkMonitor> monitor_;
  std::shared_ptr<void> subscription_;
  std::unique_ptr<UdpPort> port_;
  std::unique_ptr<Driver> driver_;
  ConnectionHandle handle_;
  std::unordered_map<std::string, std::vector<Handler>> waiting_;  // by name, in lower case
};

std::vector<mdns::Interface> spoken_on(std::span<const Interface> all) {
  std::vector<mdns::Interface> out;
  const bool lonely = std::ranges::all_of(all, &Interface::loopback);
  // IPv6 is spoken from link-local addresses, whose scope names the interface.
  for (const bool link_local : {true, false}) {
    for (const Interface& i : all) {
      const bool wanted = i.loopback == lonely && i.ip.is_link_local() == link_local;
      if (wanted && out.size() < mdns::Node::kMaxInterfaces) out.push_back({i.index, i.ip, i.prefix});
    }
  }
  return out;
}

// Once per network interface and family, and no more than a socket may join (igmp_max_memberships).
std::vector<MulticastGroup> MdnsImpl::groups(const std::vector<mdns::Interface>& interfaces) const {
  constexpr size_t kMaxMemberships = 20;
  std::vector<MulticastGroup> out;
  std::array<std::vector<uint32_t>, 3> joined;
  for (const mdns::Interface& i : interfaces) {
    auto& there = joined[static_cast<size_t>(i.address.family())];
    if (std::ranges::find(there, i.index) != there.end() || there.size() == kMaxMemberships) continue;
    there.push_back(i.index);
    net::IpAddress on = i.address;
    if (on.is_v6()) on = net::IpAddress::from_bytes(on.bytes(), i.index);
    out.push_back({mdns::group(on.family()), on});
  }
  return out;
}

// Sockets belong to groups on interfaces: others are opened when the interfaces change.
void MdnsImpl::open_port() {
  close_port();
  const std::vector<mdns::Interface> interfaces = spoken_on(monitor_->interfaces());
  UdpOptions options{.receive_buffer = kBuffer, .send_buffer = kBuffer, .groups = groups(interfaces)};
  const std::array<UdpPort::Member, 1> members{{{&loop_, this}}};
  for (const net::Family family : {net::Family::V4, net::Family::V6}) {
    const auto speaks = [&](const MulticastGroup& group) { return group.group.family() == family; };
    if (std::ranges::any_of(options.groups, speaks)) options.bind.push_back({net::IpAddress::any(family), mdns::kPort});
  }
  auto port = UdpPort::open(members, options);
  if (!port && options.bind.size() == 2) {
    options.bind.pop_back();  // without IPv6
    port = UdpPort::open(members, options);
  }
  if (!port) return;
  port_ = std::move(*port);
  driver_ = std::make_unique<Driver>(loop_, port_->shard(0));
  handle_ = driver_->attach(driven_);
  node_.set_interfaces(interfaces, Loop::now());
  touch();
}

void MdnsImpl::close_port() {
  if (!port_) return;
  // What is said at the very end, goodbyes for the most part, still leaves.
  std::array<uint8_t, mdns::Node::kMaxPacket> out;
  while (const auto transmit = node_.poll_transmit(out)) {
    static_cast<void>(port_->shard(0).send(*transmit, ByteView(out).first(transmit->size)));
  }
  driver_->detach(handle_);
  driver_.reset();
  port_.reset();
}

Result<void, mdns::Error> MdnsImpl::resolve(std::string_view name, Handler done) {
  if (auto asked = node_.resolve(name, Loop::now()); !asked) return asked;
  waiting_[mdns::lower_case(name)].push_back(std::move(done));
  if (driver_) {
    touch();
  } else {
    loop_.post([self = shared_from_this(), text = mdns::lower_case(name)] { self->tell(mdns::Unresolved{text}); });
  }
  return {};
}

// Later, so that a handler may let go of us.
void MdnsImpl::tell(const mdns::Event& event) {
  const auto* found = std::get_if<mdns::Resolved>(&event);
  const std::string& name = found != nullptr ? found->name : std::get<mdns::Unresolved>(event).name;
  auto handlers = waiting_.extract(name);
  if (handlers.empty()) return;
  const auto address = found != nullptr ? std::optional(found->address) : std::nullopt;
  loop_.post([self = shared_from_this(), all = std::move(handlers.mapped()), address] {
    for (const Handler& done : all) done(address);
  });
}

}  // namespace

std::shared_ptr<Mdns> Mdns::of(Loop& loop) {
  std::weak_ptr<Mdns>& existing = LoopAccess::mdns(loop);
  if (auto mdns = existing.lock()) return mdns;
  auto mdns = std::make_shared<MdnsImpl>(loop);
  mdns->start();
  existing = mdns;
  return mdns;
}

}  // namespace kaon::io
