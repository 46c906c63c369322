#include "apps/kaon/transfer_link.h"

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "apps/kaon/gathering.h"
#include "apps/kaon/mailbox_client.h"
#include "kaon/base/text.h"
#include "kaon/sfu/server.h"
#include "kaon/transfer/mailboxes.h"
#include "kaon/transfer/rendezvous.h"

namespace kaon::apps {
namespace {

using transfer::Invitation;
using Kind = Invitation::Kind;

constexpr int kPollMilliseconds = 20;
/// The mailbox stays for so long after the last wrong code, whose giver still has to learn that it was wrong.
constexpr int kLastWord = 1000;  // ms
constexpr auto kConnectLimit = std::chrono::seconds(60);
/// As long as a person may take to carry a line to the other machine and one back.
constexpr auto kPersonLimit = std::chrono::minutes(15);

/// A line of standard input, without its end. Nothing at the end of input, or if `stop` came first.
std::optional<std::string> read_line(StopSignal& stop) {
  constexpr size_t kLongest = 4096;
  std::string line;
  while (line.size() < kLongest) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (stop.wait(0)) return std::nullopt;
    if (poll(&input, 1, kPollMilliseconds) != 1) continue;
    char c = 0;
    if (read(STDIN_FILENO, &c, 1) != 1) return line.empty() ? std::nullopt : std::optional(line);
    if (c == '\n') return line;
    line += c;
  }
  return line;
}

size_t message_of(int attempt, size_t index) {
  return static_cast<size_t>(attempt) * transfer::Mailboxes::kMessagesPerTry + index;
}

std::string sentence(transfer::InvitationError error) {
  if (error == transfer::InvitationError::NotOne) return "This is no line of the other machine: it begins with kaon-.";
  return "A part of the line is missing or was changed on the way. Copy it again, the whole of it.";
}

}  // namespace

void add_link_options(CLI::App& command, LinkOptions& options) {
  command
      .add_option("--via", options.via,
                  "URL of a `kaon serve` where both sides meet with a short code; without it, two lines are pasted")
      ->type_name("URL");
  command.add_option("--token", options.token, "Bearer token of that server")->type_name("SECRET");
  command.add_flag("--insecure", options.insecure, "Accept any certificate of that server");
  command
      .add_option("--ice-server", options.ice_servers,
                  "stun:HOST:PORT or turn:HOST:PORT,USER,CREDENTIAL, for machines behind NATs; may be repeated")
      ->type_name("SERVER");
  command.add_option("--log", options.log, "How much to log")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
}

TransferLink::TransferLink(const LinkOptions& options, std::string label, Handlers handlers, std::FILE* out,
                           Logger& log)
    : options_(options), label_(std::move(label)), handlers_(std::move(handlers)), out_(out), log_(log) {
  loop_.start();
}

TransferLink::~TransferLink() { close(); }

void TransferLink::close() {
  loop_.invoke([this] {
    channel_.reset();
    connection_.reset();
  });
}

// -- the connection --------------------------------------------------------------------------------------------------

void TransferLink::end(End end) {
  const std::lock_guard lock(mutex_);
  if (!ended_) ended_ = std::move(end);
}

std::optional<TransferLink::End> TransferLink::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void TransferLink::on_state(webrtc::ConnectionState state, const std::string& detail) {
  if (state == webrtc::ConnectionState::Failed) {
    end({false, cat("The connection failed: ", detail,
                    ". If the machines are behind different NATs, give both sides an --ice-server.")});
  }
  if (state == webrtc::ConnectionState::Closed) end({true, "The other side closed the connection."});
}

void TransferLink::take_channel(std::shared_ptr<webrtc::DataChannel> channel) {
  if (channel->label() != label_) {
    return end({false, cat("The other side runs another command: its channel is '", channel->label(), "'.")});
  }
  channel_ = std::move(channel);
  channel_->set_handlers({.on_open =
                              [this] {
                                {
                                  const std::lock_guard lock(mutex_);
                                  open_ = true;
                                }
                                handlers_.on_open();
                              },
                          .on_message = [this](const webrtc::Message& message) { handlers_.on_message(message.data); },
                          .on_writable = [this] { handlers_.on_writable(); },
                          .on_close = [this](auto) { end({true, "The other side closed the connection."}); }});
}

Result<void, std::string> TransferLink::start(StopSignal&) {
  webrtc::Configuration configuration{.ice_patience = kPersonLimit, .log = &log_};
  for (const std::string& text : options_.ice_servers) {
    const auto server = sfu::IceServer::parse(text);
    if (!server) return fail(std::string("--ice-server takes stun:HOST:PORT or turn:HOST:PORT,USER,CREDENTIAL."));
    configuration.ice_servers.push_back({{server->url}, server->username, server->credential});
  }
  // A certificate of its own, so that nobody can tell two transfers of one person.
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  configuration.certificate = crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random_, now);
  loop_.invoke([&] {
    connection_ = std::make_unique<webrtc::PeerConnection>(
        loop_, std::move(configuration),
        webrtc::PeerConnectionHandlers{
            .on_connection_state = [this](auto state, const std::string& detail) { on_state(state, detail); },
            .on_ice_candidate_error =
                [this](const webrtc::IceCandidateError& error) {
                  std::fprintf(out_, "%s: %s\n", error.url.c_str(), error.error_text.c_str());
                },
            .on_data_channel = [this](const auto& channel) { take_channel(channel); }});
  });
  return {};
}

// Of the offer or the answer that is due, once all candidates are known.
Result<std::string, std::string> TransferLink::local_invitation(Kind kind, StopSignal& stop) {
  Result<void, std::string> made;
  loop_.invoke([&] {
    if (kind == Kind::Offer) {
      auto channel = connection_->create_data_channel(label_);
      if (!channel) return void(made = fail(std::string("No channel can be made.")));
      take_channel(std::move(*channel));
    }
    const auto set = connection_->set_local_description();
    if (!set) made = fail(cat("No description: ", peer::to_string(set.error()), "."));
  });
  if (!made) return fail(made.error());
  const auto description = sdp::SessionDescription::parse(gathered_description(loop_, *connection_, stop));
  if (!description) return fail(std::string("The connection could not be started."));
  return Invitation::of(kind, *description).to_text();
}

Result<void, std::string> TransferLink::use(std::string_view text, Kind kind) {
  const auto invitation = Invitation::parse(text);
  if (!invitation) return fail(sentence(invitation.error()));
  if (invitation->kind != kind) {
    return fail(std::string(kind == Kind::Offer
                                ? "This is the line of the other side's answer; wanted is the first one."
                                : "This is the first line itself; wanted is the one that the other side "
                                  "prints for it."));
  }
  Result<void, std::string> used;
  loop_.invoke([&] {
    const auto type = kind == Kind::Offer ? webrtc::SdpType::Offer : webrtc::SdpType::Answer;
    const auto set = connection_->set_remote_description({type, invitation->to_description().write()});
    if (!set) used = fail(cat("The line cannot be used: ", webrtc::to_string(set.error()), "."));
  });
  return used;
}

Result<std::string, std::string> TransferLink::answer(std::string_view offer, StopSignal& stop) {
  if (auto used = use(offer, Kind::Offer); !used) return fail(used.error());
  return local_invitation(Kind::Answer, stop);
}

Result<bool, std::string> TransferLink::await_open(StopSignal& stop) {
  const auto limit = std::chrono::steady_clock::now() + (options_.via.empty() ? kPersonLimit : kConnectLimit);
  while (std::chrono::steady_clock::now() < limit) {
    if (stop.wait(kPollMilliseconds)) return false;
    const auto end = ended();
    {
      // First: what is small may have been said, done and closed since the last look; the session knows how it went.
      const std::lock_guard lock(mutex_);
      if (open_) return true;
    }
    if (end) return fail(end->sentence);
  }
  return fail(std::string(
      "No connection came about. If the machines are behind different NATs, give both sides an --ice-server."));
}

// -- finding each other ----------------------------------------------------------------------------------------------

Result<bool, std::string> TransferLink::invite(std::string_view command, StopSignal& stop) {
  if (auto started = start(stop); !started) return fail(started.error());
  return options_.via.empty() ? invite_by_line(command, stop) : invite_by_code(command, stop);
}

Result<bool, std::string> TransferLink::invite_by_line(std::string_view command, StopSignal& stop) {
  KAON_TRY(const std::string offer, local_invitation(Kind::Offer, stop));
  std::fprintf(out_, "On the other machine:\n\n  %s %s\n\nPaste here the line that it prints:\n",
               std::string(command).c_str(), offer.c_str());
  while (true) {
    std::fflush(out_);
    const auto line = read_line(stop);
    if (!line && stop.wait(0)) return false;
    if (!line) return fail(std::string("No line came: the input is at its end."));
    if (line->empty()) continue;
    const auto used = use(*line, Kind::Answer);
    if (used) return await_open(stop);
    std::fprintf(out_, "%s\n", used.error().c_str());
  }
}

Result<bool, std::string> TransferLink::invite_by_code(std::string_view command, StopSignal& stop) {
  KAON_TRY(const std::string offer, local_invitation(Kind::Offer, stop));
  MailboxClient mailbox(options_.via, options_.token, options_.insecure);
  KAON_TRY(const uint32_t number, mailbox.open());
  const transfer::Code code = transfer::Code::make(number, random_);
  std::fprintf(out_, "On the other machine:\n\n  %s %s --via %s\n\n", std::string(command).c_str(),
               code.to_string().c_str(), options_.via.c_str());
  std::fflush(out_);
  for (int attempt = 0; attempt < transfer::kMaxTries; ++attempt) {
    transfer::RendezvousHost host(code, random_);
    KAON_TRY(const bool written, mailbox.put(message_of(attempt, 0), host.opening()));
    if (!written) return fail(std::string("Somebody else writes into this mailbox; try again."));
    KAON_TRY(const auto claim, mailbox.await(message_of(attempt, 1), stop));
    if (!claim) return false;
    const auto sealed = host.accept(as_bytes(*claim), offer);
    // An empty message says that the words were wrong.
    KAON_TRY(const bool told, mailbox.put(message_of(attempt, 2), sealed ? ByteView(*sealed) : ByteView()));
    if (!sealed || !told) {
      std::fprintf(out_, "Somebody gave a wrong code (%d of %d).\n", attempt + 1, transfer::kMaxTries);
      std::fflush(out_);
      continue;
    }
    KAON_TRY(const auto reply, mailbox.await(message_of(attempt, 3), stop));
    if (!reply) return false;
    const auto line = host.open(as_bytes(*reply));
    if (!line) return fail(std::string("The answer is not from who gave the code: the server cannot be trusted."));
    if (auto used = use(*line, Kind::Answer); !used) return fail(used.error());
    return await_open(stop);
  }
  stop.wait(kLastWord);
  return fail(std::string("The code was given wrongly three times, so it is void. Start again for a new one."));
}

Result<bool, std::string> TransferLink::join(std::string invitation, StopSignal& stop) {
  if (auto started = start(stop); !started) return fail(started.error());
  if (!options_.via.empty()) return join_by_code(invitation, stop);
  if (transfer::Code::parse(invitation)) {
    return fail(std::string("A code needs the server where it was made: --via URL."));
  }
  if (invitation.empty()) {
    std::fprintf(out_, "Paste here the line of the other machine:\n");
    std::fflush(out_);
    const auto line = read_line(stop);
    if (!line) return stop.wait(0) ? Result<bool, std::string>(false) : fail(std::string("No line came."));
    invitation = *line;
  }
  KAON_TRY(const std::string line, answer(invitation, stop));
  std::fprintf(out_, "Give this line to the other machine:\n\n%s\n\n", line.c_str());
  std::fflush(out_);
  return await_open(stop);
}

Result<bool, std::string> TransferLink::join_by_code(const std::string& text, StopSignal& stop) {
  const auto code = transfer::Code::parse(text);
  if (!code) return fail(cat("'", text, "' is no code; one looks like 7-copper-violin."));
  MailboxClient mailbox(options_.via, options_.token, options_.insecure);
  mailbox.use(code->mailbox);
  for (int attempt = 0; attempt < transfer::kMaxTries; ++attempt) {
    KAON_TRY(const auto opening, mailbox.await(message_of(attempt, 0), stop));
    if (!opening) return false;
    KAON_TRY(const auto taken, mailbox.get(message_of(attempt, 1)));
    if (taken) continue;
    transfer::RendezvousGuest guest(*code, random_);
    const auto claim = guest.claim(as_bytes(*opening));
    if (!claim) return fail(std::string("The mailbox holds something else; try again with a new code."));
    KAON_TRY(const bool first, mailbox.put(message_of(attempt, 1), *claim));
    if (!first) continue;
    KAON_TRY(const auto sealed, mailbox.await(message_of(attempt, 2), stop));
    if (!sealed) return false;
    const auto offer = guest.open(as_bytes(*sealed));
    if (!offer) return fail(std::string("The code is wrong. Check the words; there are three tries."));
    KAON_TRY(const std::string line, answer(*offer, stop));
    KAON_TRY(const bool written, mailbox.put(message_of(attempt, 3), guest.seal(line)));
    if (!written) return fail(std::string("Somebody else writes into this mailbox; try again."));
    return await_open(stop);
  }
  return fail(std::string("The code was given wrongly three times, so it is void. Ask for a new one."));
}

}  // namespace kaon::apps
