// The client's side of a TCP connection with a peer (RFC 6062 §4.3).
#include <array>
#include <utility>

#include "kaon/base/text.h"
#include "kaon/io/internal/relay_leg.h"
#include "kaon/io/loop.h"

namespace kaon::io {
namespace {

// To connect to the server and to be bound, which it gives us half a minute for.
constexpr Duration kPatience = std::chrono::seconds(30);

class StreamImpl final : public RelayedStream, public std::enable_shared_from_this<StreamImpl> {
 public:
  StreamImpl(Loop& loop, Env env, turn::BindRequest request, Handlers handlers)
      : loop_(loop),
        env_(env),
        request_(std::move(request)),
        handlers_(std::move(handlers)),
        timer_(loop.add_timer([this](Time) { end("no answer"); })) {}
  ~StreamImpl() override { close(); }

  void start(const RelayServer& server);
  bool send(ByteView data) override { return open_ && leg_ && leg_->send(data, {}, 0); }
  void pause(bool paused) override {
    if (leg_) leg_->pause(paused);
  }
  void close() override {
    if (std::exchange(closed_, true)) return;
    loop_.remove_timer(timer_);
    if (leg_) std::exchange(leg_, nullptr)->close();
  }

 private:
  void ask() {
    std::array<uint8_t, turn::BindRequest::kMaxPacket> memory;
    leg_->send(ByteView(memory).first(request_.write(memory, env_.random)), {}, 0);
  }
  void handle(Bytes bytes);
  void end(const std::string& reason) {
    if (closed_) return;
    const auto self = shared_from_this();
    close();
    if (handlers_.on_end) handlers_.on_end(reason);
  }

  Loop& loop_;
  Env env_;
  turn::BindRequest request_;
  Handlers handlers_;
  TimerId timer_;
  std::shared_ptr<RelayLeg> leg_;
  bool open_ = false;
  bool closed_ = false;
};

void StreamImpl::start(const RelayServer& server) {
  // What is called must be there until it returns, whatever it lets go of.
  const auto on = [weak = weak_from_this()](auto call) {
    return [weak, call](auto... arguments) {
      const auto self = weak.lock();
      if (self && !self->closed_) call(*self, std::move(arguments)...);
    };
  };
  RelayLeg::Handlers handlers;
  handlers.on_ready = on([](StreamImpl& self) { self.ask(); });
  handlers.on_message = on([](StreamImpl& self, Bytes bytes) { self.handle(bytes); });
  handlers.on_drained = [] {};
  handlers.on_failed = on([](StreamImpl& self, const LegFailure& failure) { self.end(failure.reason); });
  handlers.on_writable = on([](StreamImpl& self) {
    if (self.handlers_.on_writable) self.handlers_.on_writable();
  });
  if (server.protocol == net::Protocol::Tcp) leg_ = open_relay_tcp(loop_, server, std::move(handlers));
  if (server.protocol == net::Protocol::Tls) leg_ = open_relay_tls(loop_, server, std::move(handlers));
  loop_.schedule(timer_, Loop::now() + kPatience);
  if (leg_ == nullptr) loop_.post([later = on([](StreamImpl& self) { self.end("no socket"); })] { later(); });
}

void StreamImpl::handle(Bytes bytes) {
  if (open_) {
    if (handlers_.on_data) handlers_.on_data(bytes);
    return;
  }
  switch (request_.handle(bytes)) {
    case turn::BindRequest::Step::Again: return ask();
    case turn::BindRequest::Step::Failed: return end(cat("the server does not bind it, error ", request_.number()));
    case turn::BindRequest::Step::Bound: break;
  }
  open_ = true;
  loop_.schedule(timer_, kNever);
  leg_->become_stream();
  if (handlers_.on_open) handlers_.on_open();
}

}  // namespace

std::shared_ptr<RelayedStream> open_relayed_stream(Loop& loop, const RelayServer& server, Env env,
                                                   turn::BindRequest request, RelayedStream::Handlers handlers) {
  auto stream = std::make_shared<StreamImpl>(loop, env, std::move(request), std::move(handlers));
  stream->start(server);
  return stream;
}

}  // namespace kaon::io
