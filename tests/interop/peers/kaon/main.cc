// Kaon as a peer of others; see ../README.md.
#include <iostream>

#include "cases.h"

using namespace kaon::interop;

int main(int argc, char** argv) {
  const Options options = Options::parse(argc, argv);
  Lines lines;
  kaon::io::Loop loop;
  loop.start();
  std::unique_ptr<Case> running;
  loop.invoke([&] { running = make_case(options.text("case"), {loop, lines, options}); });
  if (running == nullptr) {
    std::cerr << "kaon peer: there is no case '" << options.text("case") << "'; there are: " << case_names() << "\n";
  } else {
    while (auto line = lines.read()) {
      if (line->contains("stop")) break;
      loop.post([&running, line = std::move(*line)] { running->handle(line); });
    }
  }
  const bool known = running != nullptr;
  loop.invoke([&] { running.reset(); });
  loop.stop();
  loop.join();
  return known ? 0 : 2;
}
