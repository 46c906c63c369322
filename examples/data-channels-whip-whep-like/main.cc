// A chat room for any number of programs, joined by one HTTP request each: data-channels-whip-whep-like [PORT]
// POST /room with an offer gives 201, the answer and the Location of the session, as WHIP (RFC 9725) has it; DELETE
// of that location leaves the room. What one says on its data channel goes to all others.
#include <limits>
#include <map>

#include "examples/common/signal.h"
#include "kaon/sfu/http_server.h"

using namespace example;
using kaon::sfu::HttpRequest;
using kaon::sfu::HttpResponse;
using kaon::sfu::HttpServer;

// Everything here happens on the loop's thread.
class Room {
 public:
  explicit Room(kaon::io::Loop& loop) : loop_(loop) {}

  HttpResponse respond(const HttpRequest& request) {
    if (request.path == "/room") {
      if (request.method != "POST") return HttpResponse::error(405, "POST an offer to join.");
      if (request.header("Content-Type") != "application/sdp")
        return HttpResponse::error(415, "An offer is application/sdp.");
      return join(request.body);
    }
    const auto guest =
        std::ranges::find_if(guests_, [&](const auto& each) { return location(each.first) == request.path; });
    if (guest == guests_.end()) return HttpResponse::error(404, "There is no such session.");
    if (request.method != "DELETE") return HttpResponse::error(405, "DELETE to leave.");
    guests_.erase(guest);
    std::cout << "left, " << guests_.size() << " stay" << std::endl;
    return HttpResponse{.status = 200, .headers = {}, .body = {}};
  }

 private:
  struct Guest {
    std::unique_ptr<PeerConnection> connection;
    std::shared_ptr<DataChannel> channel;  // null until it comes
  };

  static std::string location(uint64_t id) { return "/room/" + std::to_string(id); }

  HttpResponse join(const std::string& offer) {
    const uint64_t id = ++last_;
    Guest guest;
    guest.connection = std::make_unique<PeerConnection>(
        loop_, Configuration{},
        PeerConnectionHandlers{
            .on_connection_state =
                [this, id](ConnectionState state, const auto&) {
                  if (state == ConnectionState::Failed || state == ConnectionState::Closed) guests_.erase(id);
                },
            .on_data_channel = [this, id](const std::shared_ptr<DataChannel>& channel) { welcome(id, channel); }});
    const auto set = guest.connection->set_remote_description({SdpType::Offer, offer});
    if (!set) return HttpResponse::error(400, "The offer is no good: " + to_string(set.error()));
    const auto answer = guest.connection->set_local_description();
    if (!answer) return HttpResponse::error(400, std::string(kaon::peer::to_string(answer.error())));
    guests_.emplace(id, std::move(guest));
    HttpResponse response = HttpResponse::with(201, "application/sdp", answer->sdp);
    response.headers.emplace_back("Location", location(id));
    return response;
  }

  void welcome(uint64_t id, const std::shared_ptr<DataChannel>& channel) {
    guests_.at(id).channel = channel;
    std::cout << "joined, " << guests_.size() << " here" << std::endl;
    channel->set_handlers({.on_message = [this, id](const Message& message) { tell_others(id, message.text()); }});
  }

  // Who cannot take it now does without: a chat does not wait for the slowest.
  void tell_others(uint64_t from, std::string_view text) {
    for (const auto& [id, guest] : guests_) {
      if (id != from && guest.channel) static_cast<void>(guest.channel->send(text));
    }
  }

  kaon::io::Loop& loop_;
  std::map<uint64_t, Guest> guests_;
  uint64_t last_ = 0;
};

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  const auto port = kaon::parse_number<uint16_t>(arguments.words.empty() ? "0" : arguments.words[0]);
  if (!port) die("usage: data-channels-whip-whep-like [PORT]");
  kaon::io::Loop loop;
  kaon::NullLogger log;
  auto room = std::make_unique<Room>(loop);
  auto http = HttpServer::listen(
      loop, {kaon::net::IpAddress::v4(127, 0, 0, 1), *port}, {},
      [&](const HttpRequest& request, const HttpServer::Respond& respond) { respond(room->respond(request)); }, log);
  if (!http) die(http.error());
  std::cout << "http://" << (*http)->address().to_string() << "/room" << std::endl;
  loop.start();
  std::cin.ignore(std::numeric_limits<std::streamsize>::max());  // until its input ends
  loop.invoke([&] {
    http->reset();
    room.reset();
  });
}
