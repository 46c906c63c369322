#include "benchmarks/peer/lines.h"

#include <boost/asio.hpp>
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

  boost::asio::posix::stream_descriptor stream;
  std::string text;
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
  state_->stream.close(ignored);
}

void LineReader::write(std::string_view line) {
  std::string text(line);
  text += '\n';
  boost::system::error_code ignored;
  boost::asio::write(state_->stream, boost::asio::buffer(text), ignored);
}

}  // namespace kaon::bench
