// Many packets per system call, and per passage through the IP stack (UDP_SEGMENT and UDP_GRO), on Linux.
#ifdef __linux__

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "kaon/io/internal/loop_access.h"
#include "kaon/io/internal/udp_io.h"

namespace kaon::io {
namespace {

// The kernel's limits of one UDP_SEGMENT send: UDP_MAX_SEGMENTS and the length field of the IP packet it starts from.
constexpr size_t kMaxSegments = 64;
constexpr size_t kMaxSegmentedSize = 65000;
constexpr size_t kMaxMessages = 64;
constexpr size_t kControlSize = 192;
// So many datagrams of one read are a flow that UDP_GRO is worth asking for; no handshake brings as many at once.
constexpr size_t kDatagramsForGro = 8;

struct Address {
  sockaddr_storage storage;
  socklen_t size = 0;
};

void to_sockaddr(const net::Endpoint& endpoint, Address& out) {
  if (endpoint.ip.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.ip.bytes().data(), 4);
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    v6.sin6_scope_id = endpoint.ip.scope();
    std::memcpy(&v6.sin6_addr, endpoint.ip.bytes().data(), endpoint.ip.bytes().size());
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.size = sizeof v6;
  }
}

template <class T>
T copy_out(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

net::IpAddress to_ip(const in_addr& address) { return net::IpAddress::v4(ntohl(address.s_addr)); }

net::IpAddress to_ip(const in6_addr& address, uint32_t index) {
  const auto ip = net::IpAddress::from_bytes({address.s6_addr, 16});
  return ip.is_link_local() ? net::IpAddress::from_bytes({address.s6_addr, 16}, index) : ip;
}

net::Endpoint from_sockaddr(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    const auto v4 = copy_out<sockaddr_in>(&storage);
    return {to_ip(v4.sin_addr), ntohs(v4.sin_port)};
  }
  const auto v6 = copy_out<sockaddr_in6>(&storage);
  return {to_ip(v6.sin6_addr, v6.sin6_scope_id), ntohs(v6.sin6_port)};
}

// What the control messages of a received packet say.
struct Ancillary {
  std::optional<net::IpAddress> local;
  net::Ecn ecn = net::Ecn::NotEct;
  size_t segment_size = 0;
  std::optional<uint32_t> kernel_dropped;
};

Ancillary read_ancillary(msghdr& header) {
  Ancillary out;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    const void* data = CMSG_DATA(c);
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      const auto info = copy_out<in_pktinfo>(data);
      const auto destination = to_ip(info.ipi_addr);
      out.local = destination.is_multicast() ? to_ip(info.ipi_spec_dst) : destination;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      const auto info = copy_out<in6_pktinfo>(data);
      out.local = to_ip(info.ipi6_addr, info.ipi6_ifindex);
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
      out.ecn = static_cast<net::Ecn>(copy_out<uint8_t>(data) & 3);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      out.ecn = static_cast<net::Ecn>(copy_out<int>(data) & 3);
    } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      out.segment_size = static_cast<size_t>(copy_out<int>(data));
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
      out.kernel_dropped = copy_out<uint32_t>(data);
    }
  }
  return out;
}

// Writes control messages one after the other into a message's buffer.
class AncillaryWriter {
 public:
  AncillaryWriter(msghdr& header, void* control) : header_(header) {
    header_.msg_control = control;
    header_.msg_controllen = 0;
  }
  template <class T>
  void add(int level, int type, const T& value) {
    uint8_t* at = static_cast<uint8_t*>(header_.msg_control) + header_.msg_controllen;
    cmsghdr head{};
    head.cmsg_level = level;
    head.cmsg_type = type;
    head.cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(at, &head, sizeof head);
    std::memcpy(at + CMSG_LEN(0), &value, sizeof value);
    header_.msg_controllen += CMSG_SPACE(sizeof value);
  }

 private:
  msghdr& header_;
};

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

struct Control {
  alignas(cmsghdr) std::array<uint8_t, kControlSize> bytes;
};

// One message of a send: which packet it is of, and how many bytes and datagrams of it.
struct Part {
  size_t outgoing;
  size_t size;
  size_t datagrams;
};

// What the system calls read and write; one for all sockets of a loop.
struct Messages {
  std::array<mmsghdr, kReadsPerBatch> in;
  std::array<iovec, kReadsPerBatch> in_bytes;
  std::array<Control, kReadsPerBatch> in_control;
  std::array<sockaddr_storage, kReadsPerBatch> in_from;
  std::array<mmsghdr, kMaxMessages> out;
  std::array<iovec, kMaxMessages> out_bytes;
  std::array<Control, kMaxMessages> out_control;
  std::array<Address, kMaxMessages> out_to;
  std::array<Part, kMaxMessages> parts;
};

std::shared_ptr<Messages> messages_of(std::shared_ptr<void>& shared) {
  if (shared == nullptr) shared = std::make_shared<Messages>();
  return std::static_pointer_cast<Messages>(shared);
}

class LinuxUdpIo final : public UdpIo {
 public:
  LinuxUdpIo(const UdpIoContext& context, bool batched);
  bool receive(std::vector<net::Datagram>& out) override;
  size_t send(std::span<Outgoing> batch) override;
  bool segments() const override { return gso_; }
  void keep_peer_errors() override;
  std::optional<UdpPeerError> peer_error() override;

 private:
  void set_options();
  void ask_for_gro(size_t datagrams);
  void split(mmsghdr& message, std::vector<net::Datagram>& out);
  void add_message(const Outgoing& outgoing, size_t index, size_t offset, size_t size);
  void prepare(std::span<const Outgoing> batch, bool segmented);
  void forbid_fragments(bool forbid);
  int send_messages(size_t first);
  int try_send_messages(size_t first);
  void account(std::span<Outgoing> batch, const Part& part, bool sent);

  UdpIoContext context_;
  int fd_;
  bool batched_;
  bool gso_ = false;
  bool gro_asked_ = false;
  bool keeps_errors_ = false;
  bool error_seen_ = false;  // something waits in the error queue
  std::array<uint8_t, UdpPeerError::kMaxQuoted> quoted_{};
  uint32_t kernel_dropped_ = 0;

  size_t reads_;
  size_t writes_;
  size_t out_count_ = 0;
  std::shared_ptr<Messages> messages_;
};

LinuxUdpIo::LinuxUdpIo(const UdpIoContext& context, bool batched)
    : context_(context),
      fd_(context.socket.native_handle()),
      batched_(batched),
      reads_(batched ? kReadsPerBatch : 1),
      writes_(batched ? kMaxMessages : 1),
      messages_(messages_of(context.messages)) {
  set_options();
}

void LinuxUdpIo::set_options() {
  const int on = 1;
  const auto enable = [&](int level, int option) { return ::setsockopt(fd_, level, option, &on, sizeof on) == 0; };
  if (context_.local.ip.is_v4()) {
    enable(IPPROTO_IP, IP_PKTINFO);
    enable(IPPROTO_IP, IP_RECVTOS);
  } else {
    enable(IPPROTO_IPV6, IPV6_RECVPKTINFO);
    enable(IPPROTO_IPV6, IPV6_RECVTCLASS);
  }
  enable(SOL_SOCKET, SO_RXQ_OVFL);
  if (!batched_) return;
  static const bool kKernelSegments = [this] {
    int segment = 0;
    socklen_t size = sizeof segment;
    return ::getsockopt(fd_, SOL_UDP, UDP_SEGMENT, &segment, &size) == 0;
  }();
  gso_ = kKernelSegments;
}

// Not from the beginning: with the first socket of the machine that has it, and when the last is closed, Linux rewrites
// its own code and stops all processors for that, which costs as much as half of setting up a connection.
void LinuxUdpIo::ask_for_gro(size_t datagrams) {
  if (!batched_ || datagrams < kDatagramsForGro || std::exchange(gro_asked_, true)) return;
  const int on = 1;
  (void)::setsockopt(fd_, SOL_UDP, UDP_GRO, &on, sizeof on);
}

bool LinuxUdpIo::receive(std::vector<net::Datagram>& out) {
  for (size_t i = 0; i < reads_; ++i) {
    messages_->in_bytes[i] = {context_.memory.data() + i * kReadSize, kReadSize};
    messages_->in[i] = {};
    messages_->in[i].msg_hdr.msg_name = &messages_->in_from[i];
    messages_->in[i].msg_hdr.msg_namelen = sizeof messages_->in_from[i];
    messages_->in[i].msg_hdr.msg_iov = &messages_->in_bytes[i];
    messages_->in[i].msg_hdr.msg_iovlen = 1;
    messages_->in[i].msg_hdr.msg_control = messages_->in_control[i].bytes.data();
    messages_->in[i].msg_hdr.msg_controllen = kControlSize;
  }
  int count;
  if (batched_) {
    count = ::recvmmsg(fd_, messages_->in.data(), static_cast<unsigned>(reads_), MSG_DONTWAIT, nullptr);
  } else {
    const ssize_t size = ::recvmsg(fd_, &messages_->in[0].msg_hdr, MSG_DONTWAIT);
    messages_->in[0].msg_len = static_cast<unsigned>(std::max<ssize_t>(size, 0));
    count = size < 0 ? -1 : 1;
  }
  // An error that is pending on the socket (an ICMP message) is reported once and says nothing about what waits behind
  // it.
  if (count < 0) {
    error_seen_ = error_seen_ || !would_block(errno);
    return !would_block(errno) && errno != EBADF;
  }
  ++context_.stats.receive_calls;
  for (int i = 0; i < count; ++i) split(messages_->in[static_cast<size_t>(i)], out);
  ask_for_gro(static_cast<size_t>(count));
  return static_cast<size_t>(count) == reads_;
}

// One read is one datagram, or with GRO a run of them from one sender.
void LinuxUdpIo::split(mmsghdr& message, std::vector<net::Datagram>& out) {
  if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
    ++context_.stats.truncated;
    return;
  }
  const Ancillary ancillary = read_ancillary(message.msg_hdr);
  if (ancillary.kernel_dropped) {
    context_.stats.kernel_dropped +=
        *ancillary.kernel_dropped - std::exchange(kernel_dropped_, *ancillary.kernel_dropped);
  }
  net::Datagram datagram;
  datagram.local = {ancillary.local.value_or(context_.local.ip), context_.local.port};
  datagram.remote = from_sockaddr(copy_out<sockaddr_storage>(message.msg_hdr.msg_name));
  datagram.ecn = ancillary.ecn;
  Bytes rest{static_cast<uint8_t*>(message.msg_hdr.msg_iov->iov_base), message.msg_len};
  const size_t step = ancillary.segment_size == 0 ? rest.size() : ancillary.segment_size;
  do {
    datagram.bytes = rest.first(std::min(step, rest.size()));
    rest = rest.subspan(datagram.bytes.size());
    out.push_back(datagram);
  } while (!rest.empty());
}

void LinuxUdpIo::add_message(const Outgoing& outgoing, size_t index, size_t offset, size_t size) {
  const net::Transmit& transmit = outgoing.transmit;
  const size_t i = out_count_++;
  const size_t segment = transmit.segment_size;
  messages_->parts[i] = {index, size, segment == 0 ? 1 : std::max<size_t>(1, (size + segment - 1) / segment)};
  to_sockaddr(transmit.remote, messages_->out_to[i]);
  messages_->out_bytes[i] = {const_cast<uint8_t*>(outgoing.bytes.data()) + offset, size};
  messages_->out[i] = {};
  msghdr& header = messages_->out[i].msg_hdr;
  header.msg_name = &messages_->out_to[i].storage;
  header.msg_namelen = messages_->out_to[i].size;
  header.msg_iov = &messages_->out_bytes[i];
  header.msg_iovlen = 1;
  AncillaryWriter control(header, messages_->out_control[i].bytes.data());
  const net::IpAddress& source = transmit.local.ip;
  const bool choose_source = context_.local.ip.is_any() && !source.is_none() && !source.is_any();
  const int tos = transmit.dscp << 2 | static_cast<int>(transmit.ecn);
  if (context_.local.ip.is_v4()) {
    if (choose_source) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, source.bytes().data(), 4);
      control.add(IPPROTO_IP, IP_PKTINFO, info);
    }
    if (tos != 0) control.add(IPPROTO_IP, IP_TOS, tos);
  } else {
    if (choose_source) {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, source.bytes().data(), source.bytes().size());
      info.ipi6_ifindex = source.scope();
      control.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
    if (tos != 0) control.add(IPPROTO_IPV6, IPV6_TCLASS, tos);
  }
  if (messages_->parts[i].datagrams > 1) control.add(SOL_UDP, UDP_SEGMENT, static_cast<uint16_t>(segment));
  if (header.msg_controllen == 0) header.msg_control = nullptr;
}

// Makes messages of the front of the batch, as many as there is room for.
void LinuxUdpIo::prepare(std::span<const Outgoing> batch, bool segmented) {
  out_count_ = 0;
  for (size_t index = 0; index < batch.size() && out_count_ < writes_; ++index) {
    const size_t total = batch[index].bytes.size();
    const size_t segment = batch[index].transmit.segment_size;
    size_t step = segment == 0 ? total : segment;
    // A probe goes alone: that it must not be fragmented is said of the socket, not of the packet.
    if (batch[index].transmit.dont_fragment && index != 0) return;
    if (segmented && segment != 0) step = segment * std::clamp<size_t>(kMaxSegmentedSize / segment, 1, kMaxSegments);
    size_t offset = 0;
    do {
      const size_t size = std::min(step, total - offset);
      add_message(batch[index], index, offset, size);
      offset += size;
    } while (offset < total && out_count_ < writes_);
    if (batch[index].transmit.dont_fragment) return;
  }
}

// RFC 8899 §3: without regard to what the kernel believes of the path.
void LinuxUdpIo::forbid_fragments(bool forbid) {
  const bool v4 = context_.local.ip.is_v4();
  const int how =
      v4 ? (forbid ? IP_PMTUDISC_PROBE : IP_PMTUDISC_WANT) : (forbid ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_WANT);
  (void)::setsockopt(fd_, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &how, sizeof how);
}

// How many messages went out, or minus the error of the first.
int LinuxUdpIo::send_messages(size_t first) {
  // With IP_RECVERR a call first gives back what ICMP said of an earlier packet, to whomever it went, and sends
  // nothing.
  const int result = try_send_messages(first);
  if (result >= 0 || !keeps_errors_ || would_block(-result)) return result;
  error_seen_ = true;
  return try_send_messages(first);
}

int LinuxUdpIo::try_send_messages(size_t first) {
  if (batched_) {
    const int count = ::sendmmsg(fd_, &messages_->out[first], static_cast<unsigned>(out_count_ - first), MSG_DONTWAIT);
    return count < 0 ? -errno : count;
  }
  return ::sendmsg(fd_, &messages_->out[first].msg_hdr, MSG_DONTWAIT) < 0 ? -errno : 1;
}

void LinuxUdpIo::account(std::span<Outgoing> batch, const Part& part, bool sent) {
  Outgoing& outgoing = batch[part.outgoing];
  outgoing.bytes = outgoing.bytes.subspan(part.size);
  if (sent) {
    context_.stats.sent += part.datagrams;
    context_.stats.sent_bytes += part.size;
  } else {
    context_.stats.send_errors += part.datagrams;
  }
}

size_t LinuxUdpIo::send(std::span<Outgoing> batch) {
  size_t done = 0;  // of the batch
  bool segmented = gso_;
  while (done < batch.size()) {
    const std::span<Outgoing> rest = batch.subspan(done);
    const size_t base = done;
    prepare(rest, segmented);
    const bool probe = rest.front().transmit.dont_fragment;
    for (size_t i = 0; i < out_count_;) {
      if (probe) forbid_fragments(true);
      const int result = send_messages(i);
      if (probe) forbid_fragments(false);
      if (result < 0 && would_block(-result)) return done;
      if (result == -EINTR) continue;
      if (result < 0 && messages_->parts[i].datagrams > 1) {
        // A device without checksum offload refuses UDP_SEGMENT for good (EIO), the kernel a run of packets above the
        // path's MTU (EINVAL). Either way we go on from here packet by packet, and each gets its own verdict.
        if (result == -EIO) gso_ = false;
        segmented = false;
        break;
      }
      const size_t end = i + static_cast<size_t>(std::max(result, 1));
      context_.stats.send_calls += result > 0;
      for (; i < end; ++i) {
        account(rest, messages_->parts[i], result > 0);
        if (rest[messages_->parts[i].outgoing].bytes.empty()) done = base + messages_->parts[i].outgoing + 1;
      }
    }
  }
  return done;
}

void LinuxUdpIo::keep_peer_errors() {
  const int on = 1;
  const bool v4 = context_.local.ip.is_v4();
  keeps_errors_ =
      ::setsockopt(fd_, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof on) == 0;
}

// Asked only when a call has said that there is something: an empty queue costs no system call per read.
std::optional<UdpPeerError> LinuxUdpIo::peer_error() {
  while (keeps_errors_ && error_seen_) {
    sockaddr_storage to{};
    Control control;
    iovec bytes{quoted_.data(), quoted_.size()};
    msghdr header{};
    header.msg_name = &to;
    header.msg_namelen = sizeof to;
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes.data();
    header.msg_controllen = kControlSize;
    const ssize_t size = ::recvmsg(fd_, &header, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (size < 0) {
      error_seen_ = false;
      break;
    }
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
      const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
      if (!v4 && !v6) continue;
      const auto error = copy_out<sock_extended_err>(CMSG_DATA(c));
      if (error.ee_origin != SO_EE_ORIGIN_ICMP && error.ee_origin != SO_EE_ORIGIN_ICMP6) continue;
      return UdpPeerError{from_sockaddr(to), error.ee_type, error.ee_code, error.ee_info,
                          ByteView(quoted_).first(static_cast<size_t>(size))};
    }
  }
  return std::nullopt;
}

}  // namespace

std::unique_ptr<UdpIo> make_linux_udp_io(const UdpIoContext& context, bool batched) {
  return std::make_unique<LinuxUdpIo>(context, batched);
}

int set_buffer_size(UdpSocket& socket, bool receive, int bytes) {
  const int fd = socket.native_handle();
  const int option = receive ? SO_RCVBUF : SO_SNDBUF;
  const int force = receive ? SO_RCVBUFFORCE : SO_SNDBUFFORCE;
  if (::setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes) != 0) {
    (void)::setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes);
  }
  int got = 0;
  socklen_t size = sizeof got;
  (void)::getsockopt(fd, SOL_SOCKET, option, &got, &size);
  return got / 2;  // the kernel keeps and tells the double, for its own bookkeeping
}

}  // namespace kaon::io

#endif
