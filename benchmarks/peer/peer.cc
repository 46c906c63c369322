#include "benchmarks/peer/peer.h"

#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdio>

#include "kaon/base/text.h"
#include "kaon/crypto/certificate.h"
#include "kaon/crypto/system_random.h"
#include "kaon/peer/codec_registry.h"

namespace kaon::bench {
namespace {

constexpr int kSignalDescriptor = 3;
// Between a text and the lines of a session description.
constexpr char kLineBreak = '\x1f';

// getrusage of the process, in seconds.
double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void tell(const std::string& json) {
  std::fputs(json.c_str(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

std::string_view take_word(std::string_view& text) {
  const size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

size_t take_number(std::string_view& text) { return parse_number<size_t>(take_word(text)).value_or(0); }

}  // namespace

Peer::Peer(io::Loop& loop, const Options& options)
    : loop_(loop),
      options_(options),
      message_(options.message_size, 0x5a),
      commands_(
          loop, 0, [this](std::string_view line) { on_command(line); }, [this] { loop_.stop(); }),
      signals_(loop, kSignalDescriptor, [this](std::string_view line) { on_signal(line); }, [] {}) {
  tell(R"({"event":"ready"})");
}

Peer::~Peer() = default;

// -- commands and signalling -----------------------------------------------------------------------------------------

// "open COUNT PARALLEL", "send", "stop", "sample", "quit".
void Peer::on_command(std::string_view line) {
  const std::string_view command = take_word(line);
  if (command == "open") {
    wanted_ += take_number(line);
    parallel_ = take_number(line);
    begin_more();
  } else if (command == "send") {
    start_sending();
  } else if (command == "stop") {
    sending_ = false;
  } else if (command == "sample") {
    sample();
  } else if (command == "quit") {
    loop_.stop();
  }
}

void Peer::signal(std::string_view kind, size_t index, const std::string& text) {
  std::string line = cat(kind, " ", index, " ", text);
  std::replace(line.begin(), line.end(), '\n', kLineBreak);
  signals_.write(line);
}

// "offer N SDP", "answer N SDP", "candidate N LINE", "close N".
void Peer::on_signal(std::string_view line) {
  const std::string_view kind = take_word(line);
  const size_t index = take_number(line);
  std::string text(line);
  std::replace(text.begin(), text.end(), kLineBreak, '\n');
  Link& to = link(index);
  if (kind == "offer") {
    connect(to, index);
    if (!to.connection->set_remote_description({webrtc::SdpType::Offer, text})) return failed(index, "offer refused");
    const auto answer = to.connection->set_local_description();
    if (!answer) return failed(index, "no answer");
    signal("answer", index, answer->sdp);
  } else if (kind == "answer" && to.connection) {
    if (!to.connection->set_remote_description({webrtc::SdpType::Answer, text})) failed(index, "answer refused");
  } else if (kind == "candidate" && to.connection) {
    static_cast<void>(to.connection->add_ice_candidate({text}));
  } else if (kind == "close") {
    // It may have overtaken the end of the handshake, whose work would then be spared.
    to.closing = true;
    if (to.heard || options_.video) close(to);
  }
}

void Peer::handshake_over(Link& link) {
  link.heard = true;
  if (link.closing) close(link);
}

void Peer::close(Link& link) {
  link.channels.clear();
  link.connection.reset();
}

void Peer::sample() {
  tell(cat(R"({"event":"sample","cpu_s":)", std::to_string(cpu_seconds()), R"(,"sent_bytes":)", traffic_.sent_bytes,
           R"(,"sent_units":)", traffic_.sent_units, R"(,"received_bytes":)", traffic_.received_bytes,
           R"(,"received_units":)", traffic_.received_units, R"(,"packets":)", packets_of_video(), delays(), "}"));
}

// -- connections -----------------------------------------------------------------------------------------------------

Peer::Link& Peer::link(size_t index) {
  while (links_.size() <= index) links_.push_back(std::make_unique<Link>());
  return *links_[index];
}

void Peer::connect(Link& link, size_t index) {
  webrtc::Configuration configuration;
  if (options_.new_certificate) {
    crypto::SystemRandom random;
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(io::Loop::wall_clock());
    configuration.certificate = crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random, now);
  }
  webrtc::PeerConnectionHandlers handlers;
  handlers.on_ice_candidate = [this, index](const webrtc::IceCandidate& candidate) {
    // The end of the candidates is not signalled, as by the other peers' programs.
    if (!candidate.candidate.empty()) signal("candidate", index, candidate.candidate);
  };
  handlers.on_connection_state = [this, index](webrtc::ConnectionState state, const std::string& why) {
    if (state == webrtc::ConnectionState::Failed) failed(index, why);
    if (state == webrtc::ConnectionState::Closed) handshake_over(*links_[index]);
    if (options_.video && options_.offers && state == webrtc::ConnectionState::Connected) opened(index);
  };
  handlers.on_data_channel = [this, index](const std::shared_ptr<webrtc::DataChannel>& channel) {
    channel->set_handlers({.on_message = [this](const webrtc::Message& message) {
      traffic_.received_bytes += message.data.size();
      ++traffic_.received_units;
    }});
    handshake_over(*links_[index]);
  };
  handlers.on_track = [this](const webrtc::TrackEvent& event) {
    event.transceiver->set_handlers(
        {.on_frame = [this](const webrtc::ReceivedFrame& frame) { receive_frame(frame.data); }});
  };
  link.connection = std::make_unique<webrtc::PeerConnection>(loop_, std::move(configuration), std::move(handlers));
}

void Peer::begin_more() {
  while (under_way_ < parallel_ && links_.size() < wanted_) {
    ++under_way_;
    begin(links_.size());
  }
}

void Peer::begin(size_t index) {
  Link& created = link(index);
  created.began = io::Loop::now();
  connect(created, index);
  if (options_.video) {
    const auto direction = options_.watch ? webrtc::Direction::RecvOnly : webrtc::Direction::SendOnly;
    auto added = created.connection->add_transceiver(webrtc::MediaKind::Video, {.direction = direction});
    if (!added) return failed(index, "no transceiver");
    created.video = *added;
    // Alone, because a server takes the first codec of an offer for the whole stream, and we send H.264.
    if (!created.video->set_codec_preferences(peer::codecs_of(webrtc::Codec::H264))) return failed(index, "no codec");
  } else {
    add_channels(created, index);
  }
  const auto offer = created.connection->set_local_description();
  if (!offer) return failed(index, "no offer");
  signal("offer", index, offer->sdp);
}

void Peer::add_channels(Link& link, size_t index) {
  for (size_t i = 0; i < options_.channels; ++i) {
    webrtc::DataChannelHandlers handlers;
    handlers.on_open = [this, index] {
      if (++links_[index]->open_channels == options_.channels) opened(index);
    };
    const auto more = [this, index, i] { pour(*links_[index], *links_[index]->channels[i]); };
    handlers.on_buffered_amount_low = more;
    handlers.on_writable = more;
    auto channel = link.connection->create_data_channel("bench", {.ordered = options_.ordered}, std::move(handlers));
    if (!channel) return failed(index, "no channel");
    link.channels.push_back(*channel);
  }
}

void Peer::opened(size_t index) {
  Link& link = *links_[index];
  if (std::exchange(link.opened, true)) return;
  const double milliseconds = std::chrono::duration<double, std::milli>(io::Loop::now() - link.began).count();
  tell(cat(R"({"event":"open","ms":)", std::to_string(milliseconds), "}"));
  if (!options_.keep) {
    signal("close", index, "");
    loop_.post([this, index] { close(*links_[index]); });
  }
  loop_.post([this] {
    --under_way_;
    begin_more();
  });
}

void Peer::failed(size_t index, const std::string& why) {
  tell(cat(R"({"event":"failed","link":)", index, R"(,"why":")", why, R"("})"));
}

}  // namespace kaon::bench
