// The media server inside another program: starts it on free ports, prints where, and stops when standard input ends.
#include <iostream>

#include "kaon/sfu/server.h"

int main() {
  kaon::NullLogger log;
  const kaon::net::Endpoint any_port{kaon::net::IpAddress::v4(127, 0, 0, 1), 0};
  const auto server = kaon::sfu::Server::start({.http = any_port, .loops = 1, .version = "embedded"}, log);
  if (!server) {
    std::cerr << server.error() << "\n";
    return 1;
  }
  std::cout << "http://" << (*server)->http_address()->to_string() << "/" << std::endl;
  std::cin.get();
}
