#include "apps/kaon/doctor_servers.h"

#include <array>
#include <memory>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/io/driver.h"
#include "kaon/io/loop.h"
#include "kaon/io/relay.h"
#include "kaon/io/udp.h"
#include "kaon/stun/client.h"
#include "kaon/webrtc/ice_url.h"

namespace kaon::apps {
namespace {

constexpr auto kLimit = std::chrono::seconds(10);
constexpr uint16_t kNotReached = 701;

std::string advice(const ServerTrial& trial, turn::ClientError error, const std::string& reason) {
  using turn::ClientError;
  const std::string said = reason.empty() ? std::string() : cat(" (", reason, ")");
  switch (error) {
    case ClientError::Unauthorized:
      return cat(trial.url, " refuses user and password", said,
                 ": compare them with the server's, and both clocks if the credentials are time-limited.");
    case ClientError::QuotaReached:
      return cat(trial.url, " has given this user all the relays it may have", said, ": raise the server's quota.");
    case ClientError::InsufficientCapacity:
      return cat(trial.url, " has no relay left", said, ": widen its range of relay ports.");
    case ClientError::Timeout:
      if (!reason.empty()) return cat(trial.url, " cannot be reached", said, ": is it running, and is its port open?");
      return cat(trial.url, " does not answer: is it running, and does every firewall on the way let its port pass?");
    default: return cat(trial.url, ": ", turn::to_text(error), said, ".");
  }
}

/// One STUN server, asked from a socket of its own.
class StunTrial final : public io::UdpHandler {
 public:
  StunTrial(io::Loop& loop, Env env, ServerTrial& trial, std::function<void()> done)
      : loop_(loop), env_(env), trial_(trial), done_(std::move(done)) {}
  ~StunTrial() override {
    driver_.reset();
    port_.reset();
  }

  bool ask(const net::Endpoint& server) {
    const std::array members{io::UdpPort::Member{&loop_, this}};
    io::UdpOptions options;
    options.bind = {{net::IpAddress::any(server.ip.family()), 0}};
    auto port = io::UdpPort::open(members, options);
    if (!port) return false;
    port_ = std::move(*port);
    stun::Client::Config config;
    config.local = {net::IpAddress::any(server.ip.family()), port_->port()};
    config.server = server;
    config.timing = {.rto = std::chrono::milliseconds(500), .requests = 4, .last_wait = 2};
    client_.emplace(env_, config, io::Loop::now());
    driven_ = std::make_unique<Driven>(*client_, [this](const stun::ClientEvent& event) { tell(event); });
    driver_ = std::make_unique<io::Driver>(loop_, port_->shard(0));
    handle_ = driver_->attach(*driven_);
    driver_->touch(handle_);
    return true;
  }

  void receive(std::span<const net::Datagram> batch, Time now) override {
    // The socket is bound to any address, and so is what the client knows of itself.
    std::vector<net::Datagram> known(batch.begin(), batch.end());
    for (net::Datagram& datagram : known) datagram.local = client_->config().local;
    driver_->receive(handle_, known, now);
  }
  void writable() override { driver_->writable(); }

 private:
  using Driven = io::DrivenEngine<stun::Client, std::function<void(const stun::ClientEvent&)>>;

  void tell(const stun::ClientEvent& event) {
    if (const auto* mapped = std::get_if<stun::Mapped>(&event)) {
      trial_.mapped = mapped->address;
      trial_.rtt = mapped->rtt;
    } else {
      trial_.error = kNotReached;
      trial_.problem = advice(trial_, turn::ClientError::Timeout, {});
    }
    done_();
  }

  io::Loop& loop_;
  Env env_;
  ServerTrial& trial_;
  std::function<void()> done_;
  std::unique_ptr<io::UdpPort> port_;
  std::optional<stun::Client> client_;
  std::unique_ptr<Driven> driven_;
  std::unique_ptr<io::Driver> driver_;
  io::ConnectionHandle handle_;
};

class Trials {
 public:
  explicit Trials(std::vector<ServerTrial>& trials) : trials_(trials) {}

  void run() {
    pending_ = trials_.size();
    if (pending_ == 0) return;
    for (ServerTrial& trial : trials_) begin(trial);
    const io::TimerId limit = loop_.add_timer([this](Time) { loop_.stop(); });
    loop_.schedule(limit, io::Loop::now() + kLimit);
    if (pending_ > 0) loop_.run();
    for (ServerTrial& trial : trials_) {
      if (!trial.mapped && trial.problem.empty()) give_up(trial, advice(trial, turn::ClientError::Timeout, {}));
    }
    for (const auto& relay : relays_) relay->close();
  }

 private:
  void begin(ServerTrial& trial) {
    const auto url = webrtc::parse_ice_url(trial.url);
    if (!url) return end(trial, cat("'", trial.url, "' is no URL of a STUN or TURN server, such as turn:HOST:PORT."));
    trial.turn = url->turn;
    trial.protocol = url->protocol;
    if (url->turn && (trial.username.empty() || trial.credential.empty())) {
      return end(trial, cat(trial.url, " needs a user name and a credential: URL,USER,CREDENTIAL."));
    }
    loop_.resolve(url->host, [this, &trial, url = *url](const auto& addresses) {
      if (!addresses || addresses->empty()) {
        return end(trial,
                   cat("No address is known for ", url.host, ": is the name right, and does the resolver work?"));
      }
      const net::Endpoint server{addresses->front(), url.port};
      url.turn ? relay(trial, url, server) : ask(trial, server);
    });
  }

  void ask(ServerTrial& trial, const net::Endpoint& server) {
    stuns_.push_back(std::make_unique<StunTrial>(loop_, Env{random_, log_}, trial, [this] { one_done(); }));
    if (!stuns_.back()->ask(server)) end(trial, cat("No UDP socket can be opened to ask ", trial.url, "."));
  }

  void relay(ServerTrial& trial, const webrtc::IceUrl& url, const net::Endpoint& address) {
    io::RelayServer server{address, url.protocol, url.host, trial.username, trial.credential};
    server.families = turn::RelayFamilies::Both;
    io::Relay::Handlers handlers;
    handlers.on_data = [](auto, auto) {};
    handlers.on_event = [this, &trial](const turn::ClientEvent& event) {
      if (trial.mapped || !trial.problem.empty()) return;
      if (const auto* failed = std::get_if<turn::ClientFailed>(&event)) {
        trial.error = failed->number;
        end(trial, advice(trial, failed->error, failed->reason));
      } else if (const auto* allocated = std::get_if<turn::Allocated>(&event)) {
        trial.mapped = allocated->mapped;
        trial.relayed = allocated->relayed;
        trial.second = allocated->second;
        trial.rtt = allocated->rtt;
        one_done();
      }
    };
    relays_.push_back(io::Relay::open(loop_, server, {random_, log_}, std::move(handlers)));
  }

  static void give_up(ServerTrial& trial, std::string problem) {
    if (trial.error == 0) trial.error = kNotReached;
    trial.problem = std::move(problem);
  }
  void end(ServerTrial& trial, std::string problem) {
    give_up(trial, std::move(problem));
    one_done();
  }
  void one_done() {
    if (--pending_ == 0) loop_.stop();
  }

  std::vector<ServerTrial>& trials_;
  size_t pending_ = 0;
  crypto::SystemRandom random_;
  NullLogger log_;
  io::Loop loop_;
  std::vector<std::unique_ptr<StunTrial>> stuns_;
  std::vector<std::shared_ptr<io::Relay>> relays_;
};

}  // namespace

void try_servers(std::vector<ServerTrial>& trials) { Trials(trials).run(); }

}  // namespace kaon::apps
