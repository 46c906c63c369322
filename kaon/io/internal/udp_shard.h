// The sockets of one loop on a shared port.
#pragma once

#include <memory>
#include <vector>

#include "kaon/io/internal/handover.h"
#include "kaon/io/internal/udp_io.h"
#include "kaon/io/loop.h"

namespace kaon::io {

class Shard final : public UdpShard, public std::enable_shared_from_this<Shard> {
 public:
  Shard(Loop& loop, UdpHandler& handler, size_t index) : loop_(loop), handler_(handler), index_(index) {}

  // --- Before start().

  /// Opens and binds one more socket, on the loop; returns where it is bound.
  Result<net::Endpoint, IoError> open(const net::Endpoint& local, const UdpOptions& options, bool shared);
  /// The ring over which this shard gives datagrams to another.
  void connect(Shard& to, size_t slots);

  // --- The loop's thread.

  void start();
  void close();
  Loop& loop() { return loop_; }

  size_t send(std::span<Outgoing> batch) override;
  const UdpStats& stats() const override { return stats_; }
  int receive_buffer() const override { return receive_buffer_; }
  int send_buffer() const override { return send_buffer_; }
  bool segments() const override;

 private:
  struct Socket {
    explicit Socket(boost::asio::io_context& context) : socket(context) {}
    UdpSocket socket;
    net::Endpoint local;
    std::unique_ptr<UdpIo> io;
    bool blocked = false;
  };
  struct Way {
    Shard* to = nullptr;
    std::shared_ptr<Handover> ring;
    bool used = false;  // since the last publish()
  };

  void wait_readable(Socket& socket);
  void wait_writable(Socket& socket);
  void read(Socket& socket);
  void deliver(std::span<net::Datagram> batch);
  size_t keep_ours(std::span<net::Datagram> batch);
  void hand_over(size_t to, const net::Datagram& datagram);
  void take_over();
  Socket* socket_for(const net::Transmit& transmit);

  Loop& loop_;
  UdpHandler& handler_;
  size_t index_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::vector<Way> ways_;                            // by the other's index
  std::vector<std::shared_ptr<Handover>> incoming_;  // from the others
  std::vector<net::Datagram> taken_;
  UdpStats stats_;
  int receive_buffer_ = 0;
  int send_buffer_ = 0;
  Loop::HookId hook_ = 0;
  bool open_ = false;
};

}  // namespace kaon::io
