// Against usrsctp, which is what Firefox has, where it is installed: packets go from hand to hand, in steps of a
// millisecond that both sides are told of.
#ifdef KAON_HAVE_USRSCTP
#include <gmock/gmock.h>
#include <sys/time.h>
#include <usrsctp.h>

#include <cstring>
#include <deque>

#include "kaon/sctp/association.h"
#include "kaon/sctp/describe.h"

namespace {
kaon::Time test_time{std::chrono::seconds(1000)};
}

// usrsctp asks the machine's clock how old a packet is before it sends it again: our time must be its time, too.
extern "C" int gettimeofday(timeval* out, void* /*zone*/) noexcept {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(test_time.time_since_epoch()).count();
  out->tv_sec = micros / 1'000'000;
  out->tv_usec = micros % 1'000'000;
  return 0;
}

namespace kaon::sctp {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kBinary = 53;

struct Packet {
  std::vector<uint8_t> bytes;
  net::Ecn ecn;
};

std::string outline_of(ByteView packet) {
  Outline outline(packet);
  describe(packet, {}, outline);
  return outline.text();
}

// usrsctp has one global stack; it is started once and never ended, because ending it waits for its own timers.
void start_stack() {
  static const bool started = [] {
    usrsctp_init_nothreads(
        0,
        [](void* peer, void* bytes, size_t size, uint8_t tos, uint8_t) {
          const auto* p = static_cast<const uint8_t*>(bytes);
          static_cast<std::deque<Packet>*>(peer)->push_back({{p, p + size}, static_cast<net::Ecn>(tos & 3)});
          return 0;
        },
        nullptr);
    return true;
  }();
  static_cast<void>(started);
}

class Usrsctp {
 public:
  explicit Usrsctp(bool ecn) {
    start_stack();
    usrsctp_sysctl_set_sctp_ecn_enable(ecn ? 1 : 0);
    usrsctp_register_address(&out);
    socket_ = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, receive, nullptr, 0, this);
    EXPECT_NE(socket_, nullptr);
    usrsctp_set_non_blocking(socket_, 1);
    const int buffer = 4 << 20;
    usrsctp_setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    usrsctp_setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    const int on = 1;
    usrsctp_setsockopt(socket_, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on);
    const linger abort_on_close{1, 0};
    usrsctp_setsockopt(socket_, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof abort_on_close);
    sctp_assoc_value reset{SCTP_ALL_ASSOC, SCTP_ENABLE_RESET_STREAM_REQ | SCTP_ENABLE_CHANGE_ASSOC_REQ};
    usrsctp_setsockopt(socket_, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset);
    sctp_initmsg init{};
    init.sinit_num_ostreams = init.sinit_max_instreams = 1024;
    usrsctp_setsockopt(socket_, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init);
    sockaddr_conn own = address();
    EXPECT_EQ(usrsctp_bind(socket_, reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
  }
  ~Usrsctp() {
    usrsctp_close(socket_);
    usrsctp_deregister_address(&out);
  }
  Usrsctp(const Usrsctp&) = delete;
  Usrsctp& operator=(const Usrsctp&) = delete;

  void connect() {
    sockaddr_conn peer = address();
    usrsctp_connect(socket_, reinterpret_cast<sockaddr*>(&peer), sizeof peer);
    sctp_paddrparams path{};
    std::memcpy(&path.spp_address, &peer, sizeof peer);
    path.spp_flags = SPP_PMTUD_DISABLE;
    path.spp_pathmtu = 1191;
    usrsctp_setsockopt(socket_, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
  }
  bool send(uint16_t stream, ByteView bytes, bool unordered = false) {
    sctp_sendv_spa options{};
    options.sendv_flags = SCTP_SEND_SNDINFO_VALID;
    options.sendv_sndinfo.snd_sid = stream;
    options.sendv_sndinfo.snd_ppid = htonl(kBinary);
    options.sendv_sndinfo.snd_flags = static_cast<uint16_t>(SCTP_EOR | (unordered ? SCTP_UNORDERED : 0));
    return usrsctp_sendv(socket_, bytes.data(), bytes.size(), nullptr, 0, &options, sizeof options, SCTP_SENDV_SPA,
                         0) == static_cast<ssize_t>(bytes.size());
  }
  void take(ByteView packet, net::Ecn ecn) {
    usrsctp_conninput(&out, packet.data(), packet.size(), static_cast<uint8_t>(ecn));
  }

  std::deque<Packet> out;  // its address is what usrsctp knows the peer by
  std::vector<std::vector<uint8_t>> messages;

 private:
  sockaddr_conn address() {
    sockaddr_conn address{};
    address.sconn_family = AF_CONN;
    address.sconn_port = htons(5000);
    address.sconn_addr = &out;
    return address;
  }
  static int receive(struct socket*, union sctp_sockstore, void* data, size_t size, struct sctp_rcvinfo, int flags,
                     void* self) {
    if (data == nullptr) return 1;
    auto* me = static_cast<Usrsctp*>(self);
    if ((flags & MSG_NOTIFICATION) == 0) {
      const auto* p = static_cast<const uint8_t*>(data);
      me->partial_.insert(me->partial_.end(), p, p + size);
      if ((flags & MSG_EOR) != 0) me->messages.push_back(std::exchange(me->partial_, {}));
    }
    free(data);
    return 1;
  }

  struct socket* socket_;
  std::vector<uint8_t> partial_;
};

struct Joined {
  explicit Joined(double loss_rate = 0, bool ecn = false)
      : loss(loss_rate), association(config(), Env{random, log}), usrsctp(ecn) {}
  static Config config() {
    Config config;
    config.max_message_size = 1 << 20;
    return config;
  }
  // One millisecond.
  void step() {
    now += 1ms;
    test_time = now;
    for (int i = 0; i < 2; ++i) {
      while (!usrsctp.out.empty()) {
        auto packet = std::move(usrsctp.out.front());
        usrsctp.out.pop_front();
        said_by_usrsctp += marks ? outline_of(packet.bytes) : "";
        if (!lost()) association.handle_packet(packet.bytes, now, marked(packet.ecn));
      }
      while (const auto event = association.poll_event()) {
        if (const auto* m = std::get_if<Message>(&*event)) messages.emplace_back(m->payload.begin(), m->payload.end());
        if (std::holds_alternative<Closed>(*event)) closed = true;
      }
      while (const auto t = association.poll_transmit(scratch)) {
        const ByteView packet = ByteView(scratch).first(t->size);
        said_by_us += marks ? outline_of(packet) : "";
        if (!lost()) usrsctp.take(packet, marked(t->ecn));
      }
    }
    if (association.next_timeout() <= now) association.handle_timeout(now);
    usrsctp_handle_timers(1);
  }
  bool run(Duration limit, const auto& done) {
    for (const Time end = now + limit; now < end && !done();) step();
    return done();
  }
  bool connect() {
    association.set_remote_max_message_size(0);
    association.connect(now);
    usrsctp.connect();
    return run(20s, [&] { return association.state() == State::Established; });
  }
  // A queue marks what says that it can be marked, if `marks` says so.
  net::Ecn marked(net::Ecn ecn) const { return marks.value_or(false) && ecn != net::Ecn::NotEct ? net::Ecn::Ce : ecn; }
  bool lost() { return loss != 0 && static_cast<double>(random.below(1'000'000)) < loss * 1e6; }

  double loss;
  SeededRandom random{5};
  NullLogger log;
  Association association;
  Usrsctp usrsctp;
  Time now = test_time;
  std::vector<uint8_t> scratch = std::vector<uint8_t>(2048);
  std::vector<std::vector<uint8_t>> messages;
  bool closed = false;
  std::optional<bool> marks;  // none: nobody looks
  std::string said_by_us, said_by_usrsctp;
};

std::vector<uint8_t> pattern(size_t size) {
  std::vector<uint8_t> bytes(size);
  SeededRandom(size).fill(bytes);
  return bytes;
}

void exchange_sizes(double loss, bool unordered) {
  Joined j(loss);
  ASSERT_TRUE(j.connect());
  std::vector<size_t> sizes = {1, 2, 3, 4, 5, 300'000};
  for (const size_t edge : {1150u, 1160u, 1163u, 1191u, 2326u, 16'384u, 65'536u}) {
    for (size_t size = edge - 2; size <= edge + 2; ++size) sizes.push_back(size);
  }
  for (const size_t size : sizes) {
    ASSERT_TRUE(j.association.send(StreamId(1), Ppid(kBinary), pattern(size), {.unordered = unordered}, j.now)) << size;
    ASSERT_TRUE(j.usrsctp.send(1, pattern(size), unordered)) << size;
  }
  ASSERT_TRUE(
      j.run(600s, [&] { return j.messages.size() == sizes.size() && j.usrsctp.messages.size() == sizes.size(); }))
      << j.messages.size() << " and " << j.usrsctp.messages.size() << " of " << sizes.size();
  if (unordered) {
    const auto by_size = [](const auto& one, const auto& other) { return one.size() < other.size(); };
    std::ranges::sort(sizes);
    std::ranges::sort(j.messages, by_size);
    std::ranges::sort(j.usrsctp.messages, by_size);
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(j.messages[i], pattern(sizes[i]));
    EXPECT_EQ(j.usrsctp.messages[i], pattern(sizes[i]));
  }
  EXPECT_FALSE(j.closed);
}

TEST(UsrsctpInterop, EverySizeGoesBothWays) {
  for (const bool unordered : {false, true}) exchange_sizes(0, unordered);
}
TEST(UsrsctpInterop, EverySizeGoesBothWaysWithTenPercentLoss) {
  for (const bool unordered : {false, true}) exchange_sizes(0.1, unordered);
}

TEST(UsrsctpInterop, MarksAreReportedAndAnsweredInBothDirections) {
  for (const bool ours : {false, true}) {
    Joined j(0, true);
    ASSERT_TRUE(j.connect());
    size_t expected = 0;
    const auto transfer = [&](bool marks) {
      j.marks = marks;
      j.said_by_us = j.said_by_usrsctp = {};
      const auto message = pattern(20'000);
      ASSERT_TRUE(ours ? j.association.send(StreamId(1), Ppid(kBinary), message, {}, j.now).has_value()
                       : j.usrsctp.send(1, message));
      ++expected;
      ASSERT_TRUE(j.run(10s, [&] { return (ours ? j.usrsctp.messages : j.messages).size() == expected; }));
      for (int i = 0; i < 1000; ++i) j.step();
    };
    std::string& reports = ours ? j.said_by_usrsctp : j.said_by_us;
    std::string& answers = ours ? j.said_by_us : j.said_by_usrsctp;
    transfer(true);
    EXPECT_NE(reports.find("ECNE"), std::string::npos) << ours;
    EXPECT_NE(answers.find("CWR"), std::string::npos) << ours;
    EXPECT_EQ(j.association.stats().marks_received != 0, !ours);
    EXPECT_EQ(j.association.stats().marks_reported != 0, ours);
    transfer(false);
    EXPECT_EQ(reports.find("ECNE"), std::string::npos) << ours << ": told again though it was answered";
    EXPECT_FALSE(j.closed);
  }
}

TEST(UsrsctpInterop, BulkNeverPauses) {
  for (const bool ours : {false, true}) {
    Joined j;
    ASSERT_TRUE(j.connect());
    const auto message = pattern(65'536);
    size_t sent = 0;
    size_t received = 0;
    Time progress = j.now;
    while (received < 500 && j.now - progress < 3s) {
      while (sent < 500 && (ours ? j.association.send(StreamId(1), Ppid(kBinary), message, {}, j.now).has_value()
                                 : j.usrsctp.send(1, message)))
        ++sent;
      j.step();
      const size_t count = ours ? j.usrsctp.messages.size() : j.messages.size();
      if (count != received) {
        EXPECT_LT(j.now - progress, 100ms) << (ours ? "to" : "from") << " usrsctp, message " << count;
        progress = j.now;
      }
      received = count;
    }
    EXPECT_EQ(received, 500u) << (ours ? "to" : "from") << " usrsctp";
  }
}

}  // namespace
}  // namespace kaon::sctp
#endif
