// One published stream and everybody on it, spread over the loops.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kaon/base/function.h"
#include "kaon/base/spsc_ring.h"
#include "kaon/base/time.h"
#include "kaon/packetizer/payload_info.h"
#include "kaon/peer/connection.h"
#include "kaon/router/forwarder.h"
#include "kaon/router/keyframe_gate.h"

namespace kaon::io {
class Loop;
}

namespace kaon::sfu {

class Session;

/// A track of the publisher, as its viewers need to know it.
struct Track {
  sdp::MediaKind kind{};
  packetizer::Codec codec{};
  /// The format to ask of viewers: the publisher's, with its parameters.
  peer::Codec format;
};

/// A packet on its way to the viewers, looked at once for all of them.
struct FanoutPacket {
  size_t track = 0;
  router::Layer layer;
  rtp::Packet packet;
  std::optional<packetizer::PayloadInfo> info;
};

/// How long packets were inside the server, in steps of 50 µs. Written on the loops, read anywhere.
class DelayHistogram {
 public:
  static constexpr Duration kStep = std::chrono::microseconds(50);
  static constexpr size_t kSteps = 1000;
  void add(Duration delay, uint64_t packets);
  /// In milliseconds; zero before the first packet.
  double median() const;

 private:
  std::array<std::atomic<uint64_t>, kSteps> counts_{};
};

/// What the server tells of its forwarding, all streams together.
struct ForwardFigures {
  DelayHistogram delays;
  std::atomic<uint64_t> handover_dropped{0};
};

class Stream;

/// Packets of one stream on their way to another loop; what does not fit is dropped and counted.
inline constexpr size_t kMaxHandedOver = 512;

/// The stream's sessions on one loop. Used on that loop only, but for hand_over().
class Fanout {
 public:
  Fanout(Stream& stream, io::Loop& loop);

  void join(Session& session);
  void leave(Session& session);
  /// Gives the packets to every viewer of this loop.
  void forward(std::span<const FanoutPacket> batch, Time now);
  /// To everybody here but the one with this id.
  void chat(uint64_t from, const std::string& text);
  io::Loop& loop() { return loop_; }

  /// On the publisher's loop: the packets cross over to this one. Allocates nothing after the first time.
  void hand_over(std::span<const FanoutPacket> batch);

 private:
  void take_over();

  Stream& stream_;
  io::Loop& loop_;
  std::vector<Session*> sessions_;
  std::unique_ptr<SpscRing<FanoutPacket>> arriving_;  // made on the publisher's loop when it is first needed
  const Function<void()> take_over_;
};

/// Made when a publisher is accepted, gone when the last session has let go of it. The name and loops never change;
/// tracks are set once, before the first viewer.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(std::string name, std::span<io::Loop* const> loops, size_t publisher_loop, ForwardFigures& figures);

  const std::string& name() const { return name_; }
  Fanout& fanout(size_t loop) { return *fanouts_[loop]; }
  size_t publisher_loop() const { return publisher_loop_; }
  ForwardFigures& figures() { return figures_; }

  void set_tracks(std::vector<Track> tracks) { tracks_ = std::move(tracks); }
  const std::vector<Track>& tracks() const { return tracks_; }

  /// On the publisher's loop: gives a batch to all loops that have viewers, each once.
  void publish(std::vector<FanoutPacket>& batch, Time now);
  /// Any loop: the publisher is asked for a key frame of this track.
  void request_keyframe(size_t track);
  /// Any loop: to everybody on the stream but `from`.
  void chat(uint64_t from, std::string text);

  /// The publisher's session; set and cleared on its loop.
  Session* publisher = nullptr;
  /// Viewers per loop, so that a loop without any is not woken.
  std::vector<std::atomic<uint32_t>> viewers;
  /// Of the tracks, on the publisher's loop.
  std::vector<router::KeyframeGate> gates;

 private:
  std::string name_;
  std::vector<std::unique_ptr<Fanout>> fanouts_;
  size_t publisher_loop_;
  ForwardFigures& figures_;
  std::vector<Track> tracks_;
};

}  // namespace kaon::sfu
