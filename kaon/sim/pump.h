// Drives engines over a simulated network: the loop that io/ runs on real sockets, in virtual time.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "kaon/base/function.h"
#include "kaon/net/engine.h"
#include "kaon/sim/network.h"

namespace kaon::sim {

namespace detail {

/// One attached engine, its type erased.
class Driven {
 public:
  virtual ~Driven() = default;
  virtual void handle_packet(const net::Datagram& datagram, Time now) = 0;
  virtual void handle_timeout(Time now) = 0;
  virtual Time next_timeout() const = 0;
  virtual std::optional<net::Transmit> poll_transmit(Bytes out) = 0;
  /// Hands all events to the user; true if there was one.
  virtual bool poll_events() = 0;

  HostId host;
  uint16_t port = 0;  // 0: every port
  bool touched = true;
  Time deadline = kNever;
};

template <class Engine, class OnEvent>
class DrivenEngine : public Driven {
 public:
  DrivenEngine(Engine& engine, OnEvent on_event) : engine_(engine), on_event_(std::move(on_event)) {}
  void handle_packet(const net::Datagram& datagram, Time now) override {
    if constexpr (net::DatagramEngine<Engine>) {
      engine_.handle_packet(datagram, now);
    } else if constexpr (requires { engine_.handle_packet(datagram.bytes, now, datagram.ecn); }) {
      engine_.handle_packet(datagram.bytes, now, datagram.ecn);
    } else {
      engine_.handle_packet(datagram.bytes, now);
    }
  }
  void handle_timeout(Time now) override { engine_.handle_timeout(now); }
  Time next_timeout() const override { return std::as_const(engine_).next_timeout(); }
  std::optional<net::Transmit> poll_transmit(Bytes out) override {
    auto transmit = engine_.poll_transmit(out);
    if constexpr (!net::DatagramEngine<Engine>) {
      if (transmit) transmit->local = local, transmit->remote = remote;
    }
    return transmit;
  }
  bool poll_events() override {
    bool any = false;
    while (auto event = engine_.poll_event()) {
      any = true;
      on_event_(std::move(*event));
    }
    return any;
  }

  net::Endpoint local, remote;  // of byte engines, which know none

 private:
  Engine& engine_;
  OnEvent on_event_;
};

}  // namespace detail

/// What an event handler does that is not given.
inline constexpr auto kIgnoreEvents = [](auto&&) {};

/// Moves packets, time and events of any number of engines. Engines and network must outlive the pump.
///
/// Handlers, actions and conditions run between two steps and may call commands of every engine (signalling is: the
/// handler of one calls the other). Packets that reach a host at the same instant are fed together before the engine is
/// drained.
class Pump {
 public:
  /// Steps at one instant after which we call it a livelock: a deadline in the past that handle_timeout() does not
  /// move, or engines that answer each other for ever over links without delay (asserted).
  static constexpr size_t kMaxStepsPerInstant = 100000;

  explicit Pump(Network& network) : network_(network), scratch_(64 * 1024) {}

  /// The engine gets every packet for `host`, or for one of its ports. `on_event(event)` takes the module's event
  /// variant.
  template <net::DatagramEngine Engine, class OnEvent = decltype(kIgnoreEvents)>
  void attach(HostId host, Engine& engine, OnEvent on_event = kIgnoreEvents, uint16_t port = 0) {
    add(std::make_unique<detail::DrivenEngine<Engine, OnEvent>>(engine, std::move(on_event)), host, port);
  }
  /// An engine without addresses (dtls, sctp, …): it speaks from `local` to `remote`.
  template <net::ByteEngine Engine, class OnEvent = decltype(kIgnoreEvents)>
  void attach(HostId host, const net::Endpoint& local, const net::Endpoint& remote, Engine& engine,
              OnEvent on_event = kIgnoreEvents) {
    auto driven = std::make_unique<detail::DrivenEngine<Engine, OnEvent>>(engine, std::move(on_event));
    driven->local = local;
    driven->remote = remote;
    add(std::move(driven), host, local.port);
  }

  Network& network() { return network_; }
  Time now() const { return network_.now(); }

  /// Runs `action` when its time has come, within run().
  void at(Time when, Function<void()> action);
  void after(Duration delay, Function<void()> action) { at(now() + delay, std::move(action)); }

  /// Goes on until `done()` or until nothing happens before `deadline`; returns done(). On success the time is that of
  /// the step that made it true, else `deadline` (or, if that is kNever, the time when everything fell silent).
  template <class Done>
  bool run(Done done, Time deadline) {
    touch_all();
    while (true) {
      drain();
      if (done()) return true;
      if (!step(deadline)) return done();
    }
  }
  template <class Done>
  bool run_for(Done done, Duration limit) {
    return run(std::move(done), now() + limit);
  }
  /// Lets `time` pass.
  void pass(Duration time) {
    run([] { return false; }, now() + time);
  }

 private:
  struct Action {
    Time at;
    uint64_t order;
    Function<void()> run;
  };

  void add(std::unique_ptr<detail::Driven> driven, HostId host, uint16_t port);
  void touch_all();
  void drain();
  void transmit(detail::Driven& driven);
  bool step(Time deadline);
  Time next_time() const;
  void run_actions();
  void fire_timeouts();
  void deliver(const Network::Arrival& arrival);

  Network& network_;
  std::vector<uint8_t> scratch_;
  std::vector<std::unique_ptr<detail::Driven>> driven_;
  std::vector<std::vector<detail::Driven*>> of_host_;
  std::vector<detail::Driven*> touched_;
  std::vector<Action> actions_;  // soonest last
  uint64_t order_ = 0;
  Time instant_ = Time::min();
  size_t steps_at_instant_ = 0;
};

/// Two byte engines and the two directions of one link between them: dtls to dtls, sctp to sctp.
template <net::ByteEngine A, net::ByteEngine B>
class PairPump {
 public:
  template <class OnEventA = decltype(kIgnoreEvents), class OnEventB = decltype(kIgnoreEvents)>
  PairPump(A& a, B& b, uint64_t seed, const LinkConfig& both = {}, OnEventA on_event_a = kIgnoreEvents,
           OnEventB on_event_b = kIgnoreEvents)
      : network_(seed), a_(network_.add_host(kAddressA.ip)), b_(network_.add_host(kAddressB.ip)), pump_(network_) {
    a_to_b().configure(both);
    b_to_a().configure(both);
    pump_.attach(a_, kAddressA, kAddressB, a, std::move(on_event_a));
    pump_.attach(b_, kAddressB, kAddressA, b, std::move(on_event_b));
  }

  Link& a_to_b() { return network_.up(network_.interface_of(a_, kAddressA.ip)); }
  Link& b_to_a() { return network_.up(network_.interface_of(b_, kAddressB.ip)); }
  Network& network() { return network_; }
  Pump& pump() { return pump_; }
  Time now() const { return network_.now(); }
  template <class Done>
  bool run(Done done, Time deadline) {
    return pump_.run(std::move(done), deadline);
  }
  template <class Done>
  bool run_for(Done done, Duration limit) {
    return pump_.run_for(std::move(done), limit);
  }
  void pass(Duration time) { pump_.pass(time); }

 private:
  static constexpr net::Endpoint kAddressA{net::IpAddress::v4(192, 0, 2, 1), 5000};
  static constexpr net::Endpoint kAddressB{net::IpAddress::v4(192, 0, 2, 2), 5000};

  Network network_;
  HostId a_, b_;
  Pump pump_;
};

}  // namespace kaon::sim
