// One packet at a time by Boost.Asio alone: for every system that Asio knows.
#include <algorithm>
#include <boost/asio/buffer.hpp>

#include "kaon/io/internal/endpoints.h"
#include "kaon/io/internal/udp_io.h"

namespace kaon::io {
namespace {

class PortableUdpIo final : public UdpIo {
 public:
  explicit PortableUdpIo(const UdpIoContext& context) : context_(context) {}

  bool receive(std::vector<net::Datagram>& out) override {
    boost::system::error_code error;
    const size_t size = context_.socket.receive_from(
        boost::asio::buffer(context_.memory.data(), context_.memory.size()), remote_, 0, error);
    // Some systems report here that an earlier packet found nobody; that says nothing about the next one.
    if (error == boost::asio::error::connection_refused || error == boost::asio::error::connection_reset) return true;
    if (error) return false;
    ++context_.stats.receive_calls;
    net::Datagram datagram;
    datagram.local = context_.local;
    datagram.remote = from_asio(remote_);
    datagram.bytes = context_.memory.first(size);
    out.push_back(datagram);
    return true;
  }

  size_t send(std::span<Outgoing> batch) override {
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!send_run(batch[i])) return i;
    }
    return batch.size();
  }

 private:
  bool send_run(Outgoing& outgoing) {
    if (outgoing.transmit.dont_fragment) {  // which Asio cannot promise; that a probe is lost does no harm
      ++context_.stats.send_errors;
      outgoing.bytes = {};
      return true;
    }
    const auto remote = to_asio(outgoing.transmit.remote);
    do {
      const size_t step = outgoing.transmit.segment_size == 0 ? outgoing.bytes.size() : outgoing.transmit.segment_size;
      const ByteView packet = outgoing.bytes.first(std::min(step, outgoing.bytes.size()));
      boost::system::error_code error;
      context_.socket.send_to(boost::asio::buffer(packet.data(), packet.size()), remote, 0, error);
      if (error == boost::asio::error::would_block || error == boost::asio::error::try_again) return false;
      if (error) {
        ++context_.stats.send_errors;
      } else {
        ++context_.stats.send_calls;
        ++context_.stats.sent;
        context_.stats.sent_bytes += packet.size();
      }
      outgoing.bytes = outgoing.bytes.subspan(packet.size());
    } while (!outgoing.bytes.empty());
    return true;
  }

  UdpIoContext context_;
  boost::asio::ip::udp::endpoint remote_;
};

}  // namespace

std::unique_ptr<UdpIo> make_portable_udp_io(const UdpIoContext& context) {
  return std::make_unique<PortableUdpIo>(context);
}

#ifndef __linux__
std::unique_ptr<UdpIo> make_linux_udp_io(const UdpIoContext& context, bool) { return make_portable_udp_io(context); }

int set_buffer_size(UdpSocket& socket, bool receive, int bytes) {
  boost::system::error_code ignored;
  if (receive) {
    boost::asio::socket_base::receive_buffer_size size(bytes);
    socket.set_option(size, ignored);
    socket.get_option(size, ignored);
    return size.value();
  }
  boost::asio::socket_base::send_buffer_size size(bytes);
  socket.set_option(size, ignored);
  socket.get_option(size, ignored);
  return size.value();
}
#endif

}  // namespace kaon::io
