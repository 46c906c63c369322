// The server's HTTP interface behind a real socket: WHIP and WHEP requests put together from parts, with the addresses
// and tags of live sessions, and bytes as they come. Every whole request gets an answer that docs/http-api.md knows,
// the bound of sessions holds, and everything comes to rest.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz/sdp_edit.h"
#include "kaon/base/text.h"
#include "kaon/peer/negotiation.h"
#include "kaon/sfu/internal/control.h"

namespace kaon::sfu::internal {
namespace {

constexpr std::array<int, 16> kStatuses = {200, 201, 204, 400, 401, 403, 404, 405,
                                           409, 412, 413, 415, 422, 428, 431, 503};
constexpr std::string_view kToken = "secret";
constexpr size_t kMaxSessionsHere = 3;
constexpr size_t kMaxOperations = 24;
// Turns of the loop until nothing is left to do.
constexpr int kMaxTurns = 10'000;

const net::Endpoint kAnyPort{net::IpAddress::v4(127, 0, 0, 1), 0};

// What a publisher or a viewer posts.
std::string offer(sdp::Direction direction) {
  SeededRandom random(2);
  NullLogger log;
  peer::Negotiator negotiator({random, log});
  std::string fingerprint = "sha-256 AB";
  for (int i = 1; i < 32; ++i) fingerprint += ":CD";
  peer::LocalTransport transport;
  transport.ice_ufrag = "abcd";
  transport.ice_pwd = std::string(24, 'p');
  transport.fingerprints = {fingerprint};
  negotiator.set_transport(transport);
  peer::TransceiverInit init;
  init.direction = direction;
  for (const auto kind : {sdp::MediaKind::Audio, sdp::MediaKind::Video}) (void)negotiator.add_transceiver(kind, init);
  negotiator.want_data();
  (void)negotiator.set_local_description(peer::SdpType::Offer);
  return negotiator.local_description();
}

// The one connection of a client that sends requests and throws bodies away.
class Client {
 public:
  ~Client() { close(); }

  void connect(uint16_t port) {
    close();
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // Without a farewell, so that no run leaves ports in TIME_WAIT behind.
    const linger at_once{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int status = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    KAON_ASSERT(status == 0);
  }
  bool connected() const { return socket_ >= 0; }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(size));
    }
  }
  /// What has arrived; the connection is given up when the server has ended it. True if there was anything.
  bool receive(std::string& into) {
    if (!connected()) return false;
    char memory[16 * 1024];
    const ssize_t size = ::recv(socket_, memory, sizeof memory, MSG_DONTWAIT);
    if (size > 0) into.append(memory, static_cast<size_t>(size));
    if (size == 0) close();
    return size > 0;
  }
  void close() {
    if (connected()) ::close(std::exchange(socket_, -1));
  }

 private:
  int socket_ = -1;
};

// The value of a header of an answer; empty if it has none.
std::string header(const std::string& answer, std::string_view name) {
  const std::string_view head = std::string_view(answer).substr(0, answer.find("\r\n\r\n"));
  const size_t at = head.find(cat("\r\n", name, ": "));
  if (at == std::string_view::npos) return {};
  const size_t begin = at + name.size() + 4;
  return std::string(head.substr(begin, std::min(head.find("\r\n", begin), head.size()) - begin));
}

class World {
 public:
  explicit World(fuzz::Choices& choices) : choices_(choices), control_(config(), loops_, log_) {
    io::Loop* loop = loops_.front().get();
    io::PeerPortOptions options;
    options.udp.bind = {kAnyPort};
    options.loopback = true;
    auto port = io::PeerPort::open({&loop, 1}, options, {random_, log_});
    KAON_ASSERT(port.has_value());
    port_ = std::move(*port);
    control_.attach(*port_);
    auto http = HttpServer::listen(
        *loop, kAnyPort, std::nullopt,
        [this](HttpRequest request, HttpServer::Respond respond) {
          control_.handle(std::move(request), std::move(respond));
        },
        log_);
    KAON_ASSERT(http.has_value());
    http_ = std::move(*http);
  }

  ~World() {
    http_.reset();
    control_.close();
    client_.close();
    settle();
    port_.reset();
  }

  void run() {
    for (size_t i = 0; i < kMaxOperations && !choices_.empty(); ++i) {
      if (choices_.below(4) == 0) {
        raw();
      } else {
        request();
      }
    }
    const std::string answer = ask(cat("GET /api/status HTTP/1.1\r\nAuthorization: Bearer ", kToken, "\r\n\r\n"));
    KAON_ASSERT(answer.starts_with("HTTP/1.1 200 "));
    constexpr std::string_view kCount = "\"connections\":";
    const size_t at = answer.find(kCount);
    KAON_ASSERT(at != std::string::npos);
    const std::string_view count = std::string_view(answer).substr(at + kCount.size());
    KAON_ASSERT(parse_number<size_t>(count.substr(0, count.find(','))).value() <= kMaxSessionsHere);
  }

 private:
  struct Session {
    std::string path;
    std::string tag;
  };

  ServerConfig config() {
    ServerConfig config;
    // The lite side sends no checks: nothing goes to addresses that an input invents.
    config.ice_lite = true;
    config.max_sessions = kMaxSessionsHere;
    config.version = "fuzz";
    if (choices_.flag()) config.token = kToken;
    return config;
  }

  void settle() {
    pollfd waiting{loops_.front()->poll_fd(), POLLIN, 0};
    for (int turns = 0;; ++turns) {
      loops_.front()->step();
      const bool more = client_.receive(answers_);
      if (!more && ::poll(&waiting, 1, 0) == 0) return;
      KAON_ASSERT(turns < kMaxTurns);
    }
  }

  // On a connection of its own if the last one is no longer at the beginning of a request.
  std::string ask(const std::string& request) {
    if (!client_.connected() || inside_) client_.connect(http_->address().port);
    inside_ = false;
    answers_.clear();
    client_.send(request);
    settle();
    check_answer();
    return answers_;
  }
  void check_answer() const {
    if (answers_.empty()) return;
    KAON_ASSERT(answers_.starts_with("HTTP/1."));
    const auto status = parse_number<int>(std::string_view(answers_).substr(9, 3));
    KAON_ASSERT(status && std::ranges::find(kStatuses, *status) != kStatuses.end());
  }

  void raw() {
    if (!client_.connected()) client_.connect(http_->address().port);
    inside_ = true;
    answers_.clear();
    client_.send(choices_.text(400));
    settle();
    check_answer();
  }

  void request() {
    bool whole = true;  // nothing in it could make it another request than it looks like
    const std::string body = this->body();
    const std::string text = cat(method(), " ", path(whole), " HTTP/1.", choices_.below(8) == 7 ? 0 : 1, "\r\n",
                                 headers(whole), "Content-Length: ", body.size(), "\r\n\r\n", body);
    const std::string answer = ask(text);
    inside_ = !whole;
    KAON_ASSERT(!whole || !answer.empty());
    const std::string location = header(answer, "Location");
    if (!location.empty()) sessions_.push_back({location, header(answer, "ETag")});
  }
  std::string_view method() {
    constexpr std::array<std::string_view, 12> kMethods = {"POST", "POST",   "POST", "POST",    "PATCH", "PATCH",
                                                           "GET",  "DELETE", "HEAD", "OPTIONS", "PUT",   "REPORT"};
    return kMethods[choices_.below(kMethods.size())];
  }
  std::string path(bool& whole) {
    constexpr std::array<std::string_view, 12> kPaths = {
        "/whip/a",          "/whep/a",     "/whip/b", "/whep/b",   "/",    "/api/streams",
        "/api/connections", "/api/status", "/whip/",  "/whep/%61", "/%00", "/whip/a?b=c"};
    const size_t which = choices_.below(kPaths.size() + 12);
    if (which < kPaths.size()) return std::string(kPaths[which]);
    if (which < kPaths.size() + 10 && !sessions_.empty()) return sessions_[choices_.below(sessions_.size())].path;
    whole = false;
    return cat("/whip/", choices_.text(80));
  }
  std::string headers(bool& whole) {
    std::string all;
    switch (choices_.below(6)) {
      case 0: break;
      case 1: all += cat("Content-Type: ", choices_.text(40), "\r\n"), whole = false; break;
      case 2:
      case 3: all += "Content-Type: application/trickle-ice-sdpfrag\r\n"; break;
      default: all += "content-type: application/SDP ; charset=utf-8\r\n";
    }
    switch (choices_.below(5)) {
      case 0: break;
      case 1: all += "If-Match: \"x\", *\r\n"; break;
      case 2: all += cat("If-Match: ", choices_.text(40), "\r\n"), whole = false; break;
      default:
        if (!sessions_.empty()) all += cat("If-Match: ", sessions_[choices_.below(sessions_.size())].tag, "\r\n");
    }
    switch (choices_.below(8)) {
      case 0: break;
      case 1: all += "Authorization: Bearer wrong\r\n"; break;
      case 2: all += cat(choices_.text(60), "\r\n"), whole = false; break;
      case 3: all += "Connection: close\r\n"; [[fallthrough]];
      default: all += cat("Authorization: bearer ", kToken, "\r\n");
    }
    return all;
  }
  std::string body() {
    static const std::string publishes = offer(sdp::Direction::SendOnly);
    static const std::string watches = offer(sdp::Direction::RecvOnly);
    constexpr std::string_view kFragment =
        "a=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n";
    switch (choices_.below(8)) {
      case 0: return {};
      case 1: return std::string(choices_.text(600));
      case 2:
      case 3: return fuzz::edited(kFragment, choices_);
      case 4:
      case 5: return fuzz::edited(watches, choices_);
      default: return fuzz::edited(publishes, choices_);
    }
  }

  static std::vector<std::unique_ptr<io::Loop>> one_loop() {
    std::vector<std::unique_ptr<io::Loop>> loops;
    loops.push_back(std::make_unique<io::Loop>());
    return loops;
  }

  fuzz::Choices& choices_;
  SeededRandom random_{3};
  NullLogger log_;
  std::vector<std::unique_ptr<io::Loop>> loops_ = one_loop();
  Control control_;
  std::unique_ptr<io::PeerPort> port_;
  std::unique_ptr<HttpServer> http_;
  Client client_;
  bool inside_ = false;  // the client's connection may have the beginning of a request
  std::string answers_;
  std::vector<Session> sessions_;
};

}  // namespace

KAON_FUZZ_TARGET(http_server) {
  fuzz::Choices choices(input);
  World(choices).run();
}

}  // namespace kaon::sfu::internal
