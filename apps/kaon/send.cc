// kaon send: a file to another machine.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>

#include "apps/kaon/commands.h"
#include "apps/kaon/signals.h"
#include "apps/kaon/transfer_session.h"
#include "kaon/base/text.h"
#include "kaon/crypto/hash.h"

namespace kaon::apps {
namespace {

constexpr size_t kChunk = 60'000;
// Read in one turn of the loop, which has the connection to look after too.
constexpr size_t kChunksPerTurn = 32;

struct SendOptions {
  std::string path;
  LinkOptions link;
};

class SendSession final : public TransferSession {
 public:
  SendSession(const std::string& path, uint64_t size, std::ifstream file, const LinkOptions& options, Logger& log)
      : TransferSession(options, log), path_(path), size_(size), file_(std::move(file)) {
    state_.size = size;
  }
  Result<bool, std::string> connect(StopSignal& stop) { return link_.invite("kaon receive", stop); }

 private:
  enum class Phase : uint8_t { Offered, Comparing, Sending, Sent };

  void on_open() override { send(transfer::Offer{std::filesystem::path(path_).filename().string(), size_}); }
  void on_message(const transfer::Message& message) override {
    if (const auto* accept = std::get_if<transfer::Accept>(&message); accept != nullptr && phase_ == Phase::Offered) {
      accepted_ = *accept;
      phase_ = Phase::Comparing;
      return go_on();
    }
    if (std::holds_alternative<transfer::Done>(message) && phase_ == Phase::Sent) return finished();
    give_up("The other side does not keep to the order of things.");
  }
  void on_writable() override { go_on(); }

  void go_on() {
    for (size_t i = 0; i < kChunksPerTurn; ++i) {
      if (ended()) return;
      if (phase_ == Phase::Comparing && position_ >= std::min(accepted_.offset, size_)) begin();
      if (phase_ == Phase::Sending && position_ == size_) return end();
      if (phase_ != Phase::Comparing && phase_ != Phase::Sending) return;
      if (!step()) return;
    }
    link_.loop().post([this] { go_on(); });
  }

  // What the receiver has is the beginning of this file, or it is not and all of it is sent.
  void begin() {
    const bool same = accepted_.offset <= size_ && hash_.digest().view().size() == accepted_.hash.size() &&
                      std::ranges::equal(hash_.digest().view(), accepted_.hash);
    if (!same) {
      hash_ = crypto::Hasher(crypto::HashAlgorithm::Sha256);
      file_.clear();
      file_.seekg(0);
      position_ = 0;
    }
    send(transfer::Begin{position_});
    state_.begin = state_.position = position_;
    state_.moving = true;
    phase_ = Phase::Sending;
  }

  // The next chunk, to be hashed or sent. False if there is no room for it.
  bool step() {
    const uint64_t until = phase_ == Phase::Comparing ? accepted_.offset : size_;
    if (unsent_.empty()) {
      unsent_.resize(static_cast<size_t>(std::min<uint64_t>(kChunk, until - position_)));
      file_.read(reinterpret_cast<char*>(unsent_.data()), static_cast<std::streamsize>(unsent_.size()));
      if (static_cast<size_t>(file_.gcount()) != unsent_.size()) {
        give_up(cat(path_, " became shorter or cannot be read any more."));
        return false;
      }
    }
    if (phase_ == Phase::Sending && !send(transfer::Data{unsent_})) return false;
    hash_.update(unsent_);
    position_ += unsent_.size();
    if (phase_ == Phase::Sending) state_.position = position_;
    unsent_.clear();
    return true;
  }

  void end() {
    transfer::End end;
    std::ranges::copy(hash_.digest().view(), end.hash.begin());
    if (send(end)) phase_ = Phase::Sent;
  }

  std::string path_;
  uint64_t size_;
  std::ifstream file_;
  crypto::Hasher hash_{crypto::HashAlgorithm::Sha256};
  transfer::Accept accepted_;
  Phase phase_ = Phase::Offered;
  uint64_t position_ = 0;
  std::vector<uint8_t> unsent_;  // read, and not taken by the channel yet
};

int send(const SendOptions& options) {
  StopSignal stop;
  std::error_code error;
  if (std::filesystem::is_directory(options.path, error)) {
    return fail_with(cat(options.path, " is a folder. Pack it first, for example with tar."));
  }
  std::ifstream file(options.path, std::ios::binary);
  const uint64_t size = std::filesystem::file_size(options.path, error);
  if (!file || error)
    return fail_with(cat(options.path, " cannot be read: ", error ? error.message() : "no access", "."));
  ConsoleLogger log(log_level(options.link.log));
  SendSession session(options.path, size, std::move(file), options.link, log);
  const auto connected = session.connect(stop);
  if (!connected) return fail_with(connected.error());
  if (!*connected) return fail_with("Stopped before anybody came.");
  return session.run(stop, "Send it again, and it goes on where it was.");
}

}  // namespace

void add_send(CLI::App& app, int& status) {
  auto options = std::make_shared<SendOptions>();
  CLI::App* command =
      app.add_subcommand("send", "Send a file to another machine, straight and encrypted; see `kaon receive`.");
  command->add_option("FILE", options->path, "The file")->required();
  add_link_options(*command, options->link);
  command->callback([options, &status] { status = send(*options); });
}

}  // namespace kaon::apps
