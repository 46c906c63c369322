// A page, and a server that answers what is typed there: data-channels-simple [PORT [PAGE]]
#include <fstream>
#include <iterator>
#include <limits>

#include "examples/common/signal.h"
#include "kaon/sfu/http_server.h"

using namespace example;
using kaon::sfu::HttpRequest;
using kaon::sfu::HttpResponse;
using kaon::sfu::HttpServer;

// Everything here happens on the loop's thread.
class Server {
 public:
  Server(kaon::io::Loop& loop, std::string page) : loop_(loop), page_(std::move(page)) {}

  HttpResponse respond(const HttpRequest& request) {
    if (request.method == "GET" && request.path == "/") return HttpResponse::with(200, "text/html", page_);
    if (request.method == "POST" && request.path == "/offer") return answer(request.body);
    return HttpResponse::error(404, "There is a page at / and an answer to offers at /offer.");
  }

 private:
  struct Visitor {
    std::unique_ptr<PeerConnection> connection;
  };

  // All that is needed for a connection is one request: no STUN server is asked, so the answer has all candidates.
  HttpResponse answer(const std::string& offer) {
    auto visitor = std::make_unique<Visitor>();
    visitor->connection = std::make_unique<PeerConnection>(
        loop_, Configuration{},
        PeerConnectionHandlers{.on_connection_state =
                                   [this, gone = visitor.get()](ConnectionState state, const auto&) {
                                     if (state != ConnectionState::Failed && state != ConnectionState::Closed) return;
                                     std::erase_if(visitors_, [gone](const auto& each) { return each.get() == gone; });
                                     std::cout << "gone" << std::endl;
                                   },
                               .on_data_channel = [](const std::shared_ptr<DataChannel>& channel) { talk(channel); }});
    const auto set = visitor->connection->set_remote_description({SdpType::Offer, offer});
    if (!set) return HttpResponse::error(400, "The offer is no good: " + to_string(set.error()));
    const auto made = visitor->connection->set_local_description();
    if (!made) return HttpResponse::error(400, std::string(kaon::peer::to_string(made.error())));
    visitors_.push_back(std::move(visitor));
    return HttpResponse::with(201, "application/sdp", made->sdp);
  }

  static void talk(const std::shared_ptr<DataChannel>& channel) {
    std::cout << "channel " << channel->label() << std::endl;
    const auto greet = [channel = channel.get()] { static_cast<void>(channel->send("Say something.")); };
    const auto reply = [channel = channel.get()](const Message& message) {
      std::cout << "message " << message.text() << std::endl;
      static_cast<void>(channel->send("You said: " + std::string(message.text())));
    };
    channel->set_handlers({.on_open = greet, .on_message = reply});
  }

  kaon::io::Loop& loop_;
  std::string page_;
  std::vector<std::unique_ptr<Visitor>> visitors_;
};

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv);
  const auto port = kaon::parse_number<uint16_t>(arguments.words.empty() ? "0" : arguments.words[0]);
  if (!port) die("usage: data-channels-simple [PORT [PAGE]]");
  std::ifstream file(arguments.words.size() > 1 ? arguments.words[1] : "examples/data-channels-simple/page.html");
  if (!file) die("The page is not where it was looked for; name it as the second argument.");
  kaon::io::Loop loop;
  kaon::NullLogger log;
  auto server = std::make_unique<Server>(loop, std::string(std::istreambuf_iterator<char>(file), {}));
  // Browsers make connections on pages from https:// and from the machine itself only.
  auto http = HttpServer::listen(
      loop, {kaon::net::IpAddress::v4(127, 0, 0, 1), *port}, {},
      [&](const HttpRequest& request, const HttpServer::Respond& respond) { respond(server->respond(request)); }, log);
  if (!http) die(http.error());
  std::cout << "http://" << (*http)->address().to_string() << "/" << std::endl;
  loop.start();
  std::cin.ignore(std::numeric_limits<std::streamsize>::max());  // until its input ends
  loop.invoke([&] {
    http->reset();
    server.reset();
  });
}
