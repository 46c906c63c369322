// Drives the engines of one loop: feeds them, drains them, keeps their deadlines.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "kaon/base/ring.h"
#include "kaon/base/strong.h"
#include "kaon/io/loop.h"
#include "kaon/io/sender.h"
#include "kaon/net/engine.h"

namespace kaon::io {

/// One connection, as the loop sees it.
class Driven {
 public:
  virtual ~Driven() = default;
  /// Datagrams in order; their bytes are mutable and valid for the call.
  virtual void receive(std::span<const net::Datagram> batch, Time now) = 0;
  virtual void handle_timeout(Time now) = 0;
  virtual Time next_timeout() const = 0;
  virtual std::optional<net::Transmit> poll_transmit(Bytes out) = 0;
  /// The place to hand events to the user, once per turn in which the connection was touched. May do anything, also
  /// detach and destroy this object.
  virtual void dispatch() = 0;
};

/// A Driven made of any datagram engine and a handler of its events.
template <net::DatagramEngine Engine, class OnEvent>
class DrivenEngine : public Driven {
 public:
  DrivenEngine(Engine& engine, OnEvent on_event) : engine_(engine), on_event_(std::move(on_event)) {}
  void receive(std::span<const net::Datagram> batch, Time now) override {
    for (const net::Datagram& datagram : batch) engine_.handle_packet(datagram, now);
  }
  void handle_timeout(Time now) override { engine_.handle_timeout(now); }
  Time next_timeout() const override { return std::as_const(engine_).next_timeout(); }
  std::optional<net::Transmit> poll_transmit(Bytes out) override { return engine_.poll_transmit(out); }
  void dispatch() override {
    while (auto event = engine_.poll_event()) on_event_(std::move(*event));
  }

 private:
  Engine& engine_;
  OnEvent on_event_;
};

using ConnectionHandle = Strong<struct ConnectionHandleTag, uint32_t>;

/// All connections of a loop that send by one Sender. Everything on the loop's thread; destroy it before the loop, and
/// not from within dispatch() (post that).
///
/// A connection is touched by a packet, by its deadline or by touch(). At the end of the turn each touched one is
/// drained once: first its events, then its packets through the loop's scratch, many connections per system call. When
/// the socket is full, what is left in the scratch is kept (copied aside, for the scratch belongs to all drivers of the
/// loop) and goes first when the socket is writable again; until then nobody is asked for more.
class Driver {
 public:
  /// Packets and runs given to the socket at once.
  static constexpr size_t kMaxBatch = 64;
  /// Largest run: what poll_transmit() is offered.
  static constexpr size_t kMaxRun = 64 * 1024;
  /// Runs of one connection per visit, then the next one has its turn.
  static constexpr size_t kMaxRunsPerVisit = 32;
  /// Visits per turn, then the sockets are read again first.
  static constexpr size_t kMaxVisitsPerTurn = 4096;

  /// What is due in a second or more may come later by this part of the time until then.
  static constexpr int kSlackOfWait = 32;

  Driver(Loop& loop, Sender& sender);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  /// `driven` must stay until detach(), which may be called at any time.
  ConnectionHandle attach(Driven& driven);
  void detach(ConnectionHandle handle);
  /// Sends what the connection has to say now, at once, and detaches it. Not from within its poll_transmit().
  void finish(ConnectionHandle handle);

  /// Datagrams for one connection.
  void receive(ConnectionHandle handle, std::span<const net::Datagram> batch, Time now);
  /// A command was given to the connection: it may have something to send or another deadline.
  void touch(ConnectionHandle handle);
  /// The socket can take packets again.
  void writable();

  bool blocked() const { return blocked_; }
  size_t size() const { return attached_; }

  /// When to wake up for a deadline. Those far away fall together on the points of a grid, so that the idle connections
  /// of a loop are woken a few times a second and not one by one, and their packets share system calls.
  static Time wake_up(Time deadline, Time now);

 private:
  struct Entry {
    Driven* driven = nullptr;
    TimerId timer;
    Time deadline = kNever;  // what the timer is set for
    bool touched = false;    // stands in touched_
    bool starved = false;    // stands in starved_
  };

  void turn(Time now);
  void visit(uint32_t index, Time now);
  void schedule(Entry& entry, Time deadline, Time now);
  bool drain(Driven& driven);
  bool flush();
  void keep_unsent(size_t sent);
  void give_back(uint32_t index);

  Loop& loop_;
  Sender& sender_;
  Loop::HookId hook_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  size_t attached_ = 0;
  Ring<uint32_t> touched_;
  std::vector<uint32_t> starved_;  // had more to send when the socket was full
  std::vector<Outgoing> batch_;    // in the scratch or, while blocked, in held_
  size_t used_ = 0;                // of the scratch
  std::vector<uint8_t> held_;
  bool blocked_ = false;
  bool more_ = false;     // the present visit ended by its limit
  bool in_turn_ = false;  // who is touched now is visited in this turn
};

}  // namespace kaon::io
