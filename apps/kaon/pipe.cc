// kaon pipe: standard input here is standard output there, both ways.

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cerrno>

#include "apps/kaon/commands.h"
#include "apps/kaon/signals.h"
#include "apps/kaon/transfer_link.h"
#include "kaon/base/text.h"
#include "kaon/transfer/message.h"

namespace kaon::apps {
namespace {

constexpr size_t kChunk = 60'000;
constexpr int kPollMilliseconds = 20;
constexpr auto kGoodbye = std::chrono::seconds(5);

struct PipeOptions {
  std::string invitation;
  LinkOptions link;
};

class Pipe {
 public:
  Pipe(const PipeOptions& options, Logger& log)
      : inviting_(options.invitation.empty()),
        link_(options.link, transfer::kPipeChannel,
              {.on_open = [] {},
               .on_message = [this](ByteView bytes) { take(bytes); },
               .on_writable = [this] { full_ = false; }},
              stderr, log) {}

  int run(const std::string& invitation, StopSignal& stop) {
    const auto connected = inviting_ ? link_.invite("kaon pipe", stop) : link_.join(invitation, stop);
    if (!connected) return fail_with(connected.error());
    if (!*connected) return fail_with("Stopped before anybody came.");
    std::fprintf(stderr, "Connected.\n");
    while (!(sent_all_ && got_all_)) {
      if (broken_) return fail_with("Standard output takes no more.");
      if (const auto end = link_.ended()) return fail_with(end->sentence);
      if (stop.wait(sent_all_ || full_ ? kPollMilliseconds : 0)) return fail_with("Stopped.");
      if (!sent_all_ && !full_) read_input();
    }
    return goodbye(stop);
  }

 private:
  void take(ByteView bytes) {
    const auto message = transfer::parse(bytes);
    if (!message || got_all_) return;
    if (std::holds_alternative<transfer::End>(*message)) got_all_ = true;
    const auto* data = std::get_if<transfer::Data>(&*message);
    if (data == nullptr) return;
    // Blocks the loop when nobody reads our output, and with it, by the receive window, the other side.
    for (ByteView rest = data->bytes; !rest.empty();) {
      const ssize_t written = write(STDOUT_FILENO, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return broken_.store(true);
      rest = rest.subspan(static_cast<size_t>(written));
    }
  }

  void read_input() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, kPollMilliseconds) != 1) return;
    if (unsent_.empty()) {
      unsent_.resize(kChunk);
      const ssize_t got = read(STDIN_FILENO, unsent_.data(), unsent_.size());
      unsent_.resize(got > 0 ? static_cast<size_t>(got) : 0);
    }
    const bool end = unsent_.empty();
    bool taken = false;
    link_.loop().invoke([&] {
      full_ = true;
      const transfer::Message message =
          end ? transfer::Message(transfer::End{}) : transfer::Message(transfer::Data{unsent_});
      taken = link_.channel().send(ByteView(transfer::to_bytes(message))).has_value();
      if (taken) full_ = false;
    });
    if (!taken) return;
    unsent_.clear();
    sent_all_ = sent_all_ || end;
  }

  // Both have heard everything when both have closed.
  int goodbye(StopSignal& stop) {
    const auto limit = std::chrono::steady_clock::now() + kGoodbye;
    while (!link_.ended() && std::chrono::steady_clock::now() < limit && !stop.wait(kPollMilliseconds)) {
      link_.loop().invoke([this] {
        if (link_.channel().buffered_amount() == 0) link_.channel().close();
      });
    }
    link_.close();
    return 0;
  }

  const bool inviting_;
  bool sent_all_ = false;
  std::vector<uint8_t> unsent_;
  std::atomic<bool> got_all_ = false, broken_ = false, full_ = false;
  TransferLink link_;
};

int pipe(const PipeOptions& options) {
  StopSignal stop;
  ConsoleLogger log(log_level(options.link.log));
  return Pipe(options, log).run(options.invitation, stop);
}

}  // namespace

void add_pipe(CLI::App& app, int& status) {
  auto options = std::make_shared<PipeOptions>();
  CLI::App* command = app.add_subcommand(
      "pipe", "Connect standard input and output with those of `kaon pipe` on another machine, both ways.");
  command->add_option("LINE", options->invitation,
                      "The line or the code that the first one prints; none on the first one");
  add_link_options(*command, options->link);
  command->callback([options, &status] { status = pipe(*options); });
}

}  // namespace kaon::apps
