// Kaon as a peer of others; see ../README.md.
#include <iostream>

#include "cases.h"
#include "kaon/io/trace_file.h"

using namespace kaon::interop;

int main(int argc, char** argv) {
  const Options options = Options::parse(argc, argv);
  Lines lines;
  std::unique_ptr<kaon::trace::Sink> trace;
  if (options.has("capture") || options.has("capture-wire")) {
    auto opened =
        kaon::io::open_trace({.capture = options.text("capture"), .wire_capture = options.text("capture-wire")});
    if (!opened) {
      std::cerr << "kaon peer: " << opened.error() << "\n";
      return 2;
    }
    trace = std::move(*opened);
  }
  kaon::io::Loop loop;
  loop.start();
  std::unique_ptr<Case> running;
  loop.invoke([&] { running = make_case(options.text("case"), {loop, lines, options, trace.get()}); });
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
