// Bytes between a client's data connection and its peer's (RFC 6062 §5.4).
#pragma once

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <memory>
#include <type_traits>
#include <vector>

#include "kaon/base/function.h"
#include "kaon/io/internal/loop_access.h"
#include "kaon/io/internal/turn_legs.h"

namespace kaon::io {

/// Carries both ways. Each way holds what one read gave, and reads on when all of that is written: who does not read
/// makes the other one wait, and costs no more memory than this. What is beyond a rate waits too. The end of one way is
/// passed on, when all before it has been; over TLS, whose end is for both ways, the connection ends with it.
template <class Stream>
class StreamPipe final : public TurnPipe, public std::enable_shared_from_this<StreamPipe<Stream>> {
  using Socket = boost::asio::ip::tcp::socket;
  using ErrorCode = boost::system::error_code;
  static constexpr bool kTls = !std::is_same_v<Stream, Socket>;

 public:
  /// `close_client` closes the client's connection and holds it, and `client` with it, as long as this lives.
  StreamPipe(Loop& loop, TurnLegHost& host, turn::ConnectionId id, Stream& client, Socket peer,
             Function<void()> close_client)
      : loop_(loop),
        host_(host),
        id_(id),
        client_(client),
        peer_(std::move(peer)),
        close_client_(std::move(close_client)),
        timer_(loop.add_timer([this](Time) { try_again(); })) {}

  /// `early` came behind the request to bind.
  void start_to_peer(ByteView early) {
    LoopAccess::watch(loop_, peer_.native_handle());
    to_peer_.buffer.resize(std::max(kBuffer, early.size()));
    if (early.empty()) return read<true>();
    std::copy(early.begin(), early.end(), to_peer_.buffer.begin());
    to_peer_.filled = early.size();
    pass<true>();
  }
  /// When nothing else is being written to the client any more.
  void start_to_client() {
    if (closed_) return;
    to_client_.buffer.resize(kBuffer);
    read<false>();
  }

  void close() override {
    if (std::exchange(closed_, true)) return;
    const auto self = this->shared_from_this();
    loop_.remove_timer(timer_);
    LoopAccess::unwatch(loop_, peer_.native_handle());
    ErrorCode ignored;
    peer_.close(ignored);
    close_client_();
    host_.pipe_closed(id_);
  }

 private:
  struct Way {
    std::vector<uint8_t> buffer;
    size_t filled = 0;
    bool waits = false;  // for the rate
    bool ended = false;
  };

  template <bool kToPeer>
  Way& way() {
    return kToPeer ? to_peer_ : to_client_;
  }

  template <bool kToPeer>
  void read() {
    const auto use = [this](auto& from) {
      const int fd = from.lowest_layer().native_handle();
      LoopAccess::watch_readable(loop_, fd, true);
      from.async_read_some(boost::asio::buffer(way<kToPeer>().buffer),
                           [self = this->shared_from_this(), fd](const ErrorCode& error, size_t size) {
                             if (self->closed_) return;
                             LoopAccess::watch_readable(self->loop_, fd, false);
                             if (error) return self->template ended<kToPeer>(error);
                             self->template way<kToPeer>().filled = size;
                             self->template pass<kToPeer>();
                           });
    };
    if constexpr (kToPeer) {
      use(client_);
    } else {
      use(peer_);
    }
  }

  template <bool kToPeer>
  void pass() {
    Way& here = way<kToPeer>();
    here.waits = !host_.may_carry(id_, kToPeer, here.filled);
    if (here.waits) return loop_.schedule(timer_, Loop::now() + kRetry);
    const auto use = [this, &here](auto& to) {
      const int fd = to.lowest_layer().native_handle();
      LoopAccess::watch_writable(loop_, fd, true);
      boost::asio::async_write(to, boost::asio::buffer(here.buffer.data(), here.filled),
                               [self = this->shared_from_this(), fd](const ErrorCode& error, size_t) {
                                 if (self->closed_) return;
                                 LoopAccess::watch_writable(self->loop_, fd, false);
                                 if (error) return self->close();
                                 self->template read<kToPeer>();
                               });
    };
    if constexpr (kToPeer) {
      use(peer_);
    } else {
      use(client_);
    }
  }

  void try_again() {
    if (kTls && to_client_.ended) return close();
    if (to_peer_.waits) pass<true>();
    if (to_client_.waits && !closed_) pass<false>();
  }

  template <bool kToPeer>
  void ended(const ErrorCode& error) {
    const bool orderly = error == boost::asio::error::eof || error == boost::asio::ssl::error::stream_truncated;
    way<kToPeer>().ended = true;
    if (!orderly || (to_peer_.ended && to_client_.ended)) return close();
    if constexpr (kToPeer) {
      shut(peer_);
    } else if constexpr (kTls) {
      loop_.schedule(timer_, Loop::now() + kFarewell);
      client_.async_shutdown([self = this->shared_from_this()](const ErrorCode&) { self->close(); });
    } else {
      shut(client_);
    }
  }
  void shut(Socket& socket) {
    ErrorCode error;
    socket.shutdown(Socket::shutdown_send, error);
    if (error) close();
  }

  /// As much as a record of TLS holds.
  static constexpr size_t kBuffer = 16 * 1024;
  /// How long what is beyond a rate waits before it is tried again.
  static constexpr Duration kRetry = std::chrono::milliseconds(20);
  /// How long a client may take to answer the end of TLS.
  static constexpr Duration kFarewell = std::chrono::seconds(5);

  Loop& loop_;
  TurnLegHost& host_;
  turn::ConnectionId id_;
  Stream& client_;
  Socket peer_;
  Function<void()> close_client_;
  TimerId timer_;
  Way to_peer_;
  Way to_client_;
  bool closed_ = false;
};

}  // namespace kaon::io
