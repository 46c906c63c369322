// kaon receive: a file from another machine.

#include <CLI/CLI.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "apps/kaon/commands.h"
#include "apps/kaon/signals.h"
#include "apps/kaon/transfer_session.h"
#include "kaon/base/text.h"
#include "kaon/crypto/hash.h"

namespace kaon::apps {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlock = 1 << 20;  // hashed in one turn of the loop

struct ReceiveOptions {
  std::string invitation;
  std::string output;
  bool overwrite = false;
  LinkOptions link;
};

class ReceiveSession final : public TransferSession {
 public:
  ReceiveSession(const ReceiveOptions& options, Logger& log) : TransferSession(options.link, log), options_(options) {}
  Result<bool, std::string> connect(StopSignal& stop) { return link_.join(options_.invitation, stop); }
  /// After the end of the session.
  std::string path() const { return path_.string(); }

 private:
  enum class Phase : uint8_t { Waiting, Comparing, Accepted, Receiving };

  void on_message(const transfer::Message& message) override {
    const auto* offer = std::get_if<transfer::Offer>(&message);
    const auto* begin = std::get_if<transfer::Begin>(&message);
    const auto* data = std::get_if<transfer::Data>(&message);
    const auto* end = std::get_if<transfer::End>(&message);
    if (offer != nullptr && phase_ == Phase::Waiting) return take_offer(*offer);
    if (begin != nullptr && phase_ == Phase::Accepted) return take_begin(*begin);
    if (data != nullptr && phase_ == Phase::Receiving) return take_data(data->bytes);
    if (end != nullptr && phase_ == Phase::Receiving) return take_end(*end);
    give_up("The other side does not keep to the order of things.");
  }

  void take_offer(const transfer::Offer& offer) {
    const std::string name = transfer::safe_name(offer.name);
    std::error_code error;
    path_ = options_.output.empty() ? fs::path(name) : fs::path(options_.output);
    if (fs::is_directory(path_, error)) path_ /= name;
    part_ = path_.string() + ".part";
    state_.size = offer.size;
    if (fs::exists(path_, error) && !options_.overwrite) {
      return give_up(cat(path_.string(), " exists already. Give another place with --output, or --overwrite."));
    }
    const uint64_t here = fs::exists(part_, error) ? fs::file_size(part_, error) : 0;
    const fs::space_info space = fs::space(fs::absolute(path_).parent_path(), error);
    if (!error && space.available < offer.size - std::min(here, offer.size)) {
      return give_up(cat("There is no room for ", offer.size, " bytes on the disk of ", path_.string(), "."));
    }
    std::printf("%s, %llu bytes\n", path_.string().c_str(), static_cast<unsigned long long>(offer.size));
    file_.open(part_, std::ios::binary | std::ios::in | std::ios::out);
    if (!file_.is_open()) file_.open(part_, std::ios::binary | std::ios::in | std::ios::out | std::ios::trunc);
    if (!file_.is_open()) return give_up(cat(part_.string(), " cannot be written: ", std::strerror(errno), "."));
    keep_ = here <= offer.size ? here : 0;
    phase_ = Phase::Comparing;
    compare();
  }

  // Hashes what is here of an earlier try.
  void compare() {
    if (ended()) return;
    if (state_.position < keep_) {
      std::vector<char> block(static_cast<size_t>(std::min<uint64_t>(kBlock, keep_ - state_.position)));
      file_.read(block.data(), static_cast<std::streamsize>(block.size()));
      if (!file_) return give_up(cat(part_.string(), " cannot be read."));
      hash_.update(as_bytes(std::string_view(block.data(), block.size())));
      state_.position += block.size();
      return link_.loop().post([this] { compare(); });
    }
    transfer::Accept accept{keep_, {}};
    std::ranges::copy(hash_.digest().view(), accept.hash.begin());
    phase_ = Phase::Accepted;
    send(accept);
  }

  void take_begin(const transfer::Begin& begin) {
    if (begin.offset != keep_ && begin.offset != 0) return give_up("The other side begins in the wrong place.");
    if (begin.offset == 0) hash_ = crypto::Hasher(crypto::HashAlgorithm::Sha256);
    std::error_code error;
    fs::resize_file(part_, begin.offset, error);
    file_.clear();
    file_.seekp(static_cast<std::streamoff>(begin.offset));
    if (error || !file_) return give_up(cat(part_.string(), " cannot be written."));
    state_.begin = state_.position = begin.offset;
    state_.moving = true;
    phase_ = Phase::Receiving;
  }

  void take_data(ByteView bytes) {
    if (bytes.size() > state_.size - state_.position) return give_up("The other side sends more than it said.");
    file_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file_) return give_up(cat(part_.string(), " cannot be written; is the disk full? What came is kept there."));
    hash_.update(bytes);
    state_.position += bytes.size();
  }

  void take_end(const transfer::End& end) {
    file_.close();
    if (!file_) return give_up(cat(part_.string(), " cannot be written; is the disk full? What came is kept there."));
    const bool whole = state_.position == state_.size && std::ranges::equal(hash_.digest().view(), end.hash);
    if (!whole) {
      return give_up(cat("What came is not what was sent: the checksum is wrong. It is kept as ", part_.string(), "."));
    }
    std::error_code error;
    fs::rename(part_, path_, error);
    if (error) return give_up(cat(part_.string(), " cannot be renamed: ", error.message(), "."));
    send(transfer::Done{});
    finished();
  }

  const ReceiveOptions& options_;
  fs::path path_, part_;
  std::fstream file_;
  crypto::Hasher hash_{crypto::HashAlgorithm::Sha256};
  Phase phase_ = Phase::Waiting;
  uint64_t keep_ = 0;  // bytes of an earlier try
};

int receive(const ReceiveOptions& options) {
  StopSignal stop;
  ConsoleLogger log(log_level(options.link.log));
  ReceiveSession session(options, log);
  const auto connected = session.connect(stop);
  if (!connected) return fail_with(connected.error());
  if (!*connected) return fail_with("Stopped before it began.");
  return session.run(stop, "What came is kept as .part; send it again, and it goes on there.");
}

}  // namespace

void add_receive(CLI::App& app, int& status) {
  auto options = std::make_shared<ReceiveOptions>();
  CLI::App* command = app.add_subcommand("receive", "Receive a file that `kaon send` offers on another machine.");
  command->add_option("LINE", options->invitation,
                      "The line or the code that `kaon send` prints; without it, the line is asked for");
  command->add_option("-o,--output", options->output, "File or folder; the sender's name in this folder if not given")
      ->type_name("PATH");
  command->add_flag("--overwrite", options->overwrite, "Replace a file that is there");
  add_link_options(*command, options->link);
  command->callback([options, &status] { status = receive(*options); });
}

}  // namespace kaon::apps
