#include "benchmarks/peer/lines.h"

#include <boost/asio.hpp>
#include <deque>
#include <string>

#include "kaon/io/asio.h"
#include "kaon/io/loop.h"

namespace kaon::bench {

struct LineReader::State : std::enable_shared_from_this<State> {
  State(io::Loop& loop, int descriptor) : stream(io::asio_context(loop), descriptor) {}

  void read() {
    boost::asio::async_read_until(stream, boost::asio::dynamic_buffer(text), '\n',
                                  [self = shared_from_this()](const auto& error, size_t size) {
                                    if (!self->on_line) return;
                                    if (error) return self->on_end();
                                    const std::string line = self->text.substr(0, size - 1);
                                    self->text.erase(0, size);
                                    self->on_line(line);
                                    self->read();
                                  });
  }

  // Never waits: both sides may have more to say than the socket between them holds.
  void write_next() {
    writing = true;
    boost::asio::async_write(stream, boost::asio::buffer(unsent.front()),
                             [self = shared_from_this()](const auto& error, size_t) {
                               self->unsent.pop_front();
                               self->writing = false;
                               if (!error && !self->unsent.empty()) self->write_next();
                             });
  }

  boost::asio::posix::stream_descriptor stream;
  std::string text;
  std::deque<std::string> unsent;
  bool writing = false;
  Function<void(std::string_view)> on_line;
  Function<void()> on_end;
};

LineReader::LineReader(io::Loop& loop, int descriptor, Function<void(std::string_view)> on_line,
                       Function<void()> on_end)
    : state_(std::make_shared<State>(loop, descriptor)) {
  state_->on_line = std::move(on_line);
  state_->on_end = std::move(on_end);
  state_->read();
}

LineReader::~LineReader() {
  state_->on_line = nullptr;
  boost::system::error_code ignored;
  static_cast<void>(state_->stream.close(ignored));
}

void LineReader::write(std::string_view line) {
  state_->unsent.push_back(std::string(line) + '\n');
  if (!state_->writing) state_->write_next();
}

}  // namespace kaon::bench
