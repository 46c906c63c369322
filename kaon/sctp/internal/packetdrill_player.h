// Plays a packetdrill script to one association in virtual time. For tests.
#pragma once

#include <deque>
#include <set>
#include <string>

#include "kaon/base/crc.h"
#include "kaon/base/text.h"
#include "kaon/sctp/association.h"
#include "kaon/sctp/internal/packetdrill_packet.h"

namespace kaon::sctp::test {

/// Stands for the sockets of the script: number 3 connects or listens, number 4 is what accept() gives. Both are the
/// same association, which is made when it is first used, with what setsockopt() has asked for.
class Player {
 public:
  explicit Player(Script script) : script_(std::move(script)) {
    // As RFC 9260 §16 recommends, and nothing that it does not have.
    config_.rto_initial = config_.rto_min = std::chrono::seconds(1);
    config_.rto_max = config_.backoff_max = std::chrono::seconds(60);
    config_.delayed_sack = std::chrono::milliseconds(200);
    config_.max_retransmissions = 10;
    config_.max_init_retransmissions = 8;
    config_.max_packet_size = config_.max_probed_packet_size = 1480;  // Ethernet less the header of IPv4
    config_.congestion_control = make_new_reno;
    config_.tail_loss_probe = false;
    config_.peer_sack_delay = {};
  }

  /// Nothing if all went as written; otherwise the line, and what was different.
  std::optional<std::string> play() {
    for (const Step& step : script_.steps) {
      const Time due = step.after ? last_ + *step.after : now_;
      std::optional<std::string> wrong;
      if (step.kind == Step::Kind::Out) {
        wrong = expect(step, due);
      } else {
        // What arrives in the very moment in which a timer fires has arrived before.
        advance(step.kind == Step::Kind::In ? due - Duration(1) : due);
        last_ = now_ = std::max(now_, due);
        wrong = step.kind == Step::Kind::In ? inject(step) : call(step.text);
      }
      if (wrong) return cat("line ", step.line, ": ", *wrong);
    }
    if (!sent_.empty()) return cat("after the last line: a packet too many, ", hex(sent_.front().bytes));
    return std::nullopt;
  }

 private:
  struct Sent {
    Time at;
    std::vector<uint8_t> bytes;
  };

  Association& engine() {
    if (!engine_) engine_.emplace(config_, Env{random_, log_});
    return *engine_;
  }
  void drain() {
    if (!engine_) return;
    std::vector<uint8_t> out(kMaxPacketSize);
    for (bool active = true; active;) {
      active = false;
      while (const auto event = engine_->poll_event()) note(*event), active = true;
      while (const auto t = engine_->poll_transmit(out)) {
        sent_.push_back({now_, {out.begin(), out.begin() + static_cast<ptrdiff_t>(t->size)}});
        active = true;
      }
    }
  }
  void note(const Event& event) {
    if (const auto* up = std::get_if<Connected>(&event)) connected_ = *up;
    if (const auto* message = std::get_if<Message>(&event)) messages_.push_back(message->payload.size());
    if (const auto* closed = std::get_if<Closed>(&event)) closed_ = *closed;
  }
  // Until `end`, or until a packet waits.
  void advance(Time end, bool until_sent = false) {
    for (drain(); engine_ && !(until_sent && !sent_.empty()) && engine_->next_timeout() <= end; drain()) {
      now_ = std::max(now_, engine_->next_timeout());
      engine_->handle_timeout(now_);
    }
  }

  // --- Packets ---

  std::optional<std::string> inject(const Step& step) {
    ChunkCoder coder(numbers_, false);
    std::vector<uint8_t> packet(kCommonHeaderSize);
    for (const Term& chunk : step.chunks) append(packet, coder, chunk);
    if (step.text.find("224.0.0.0") != std::string::npos)
      return "from a multicast address: there are no addresses here";
    const Term& first = step.chunks.front();
    const std::string flags = first.find("flgs") != nullptr ? first.find("flgs")->atom : "";
    uint32_t tag = numbers_.live_tag;
    if (first.atom == "INIT") tag = 0;
    if (flags == "T") tag = peer_tag_;
    if (step.options.rfind("tag=", 0) == 0) {
      tag = static_cast<uint32_t>(std::strtoul(step.options.c_str() + 4, nullptr, 0));
      if (tag != 0) tag += numbers_.live_tag - numbers_.script_tag;
    }
    if (first.atom == "INIT" || first.atom == "INIT_ACK") {
      peer_tag_ = static_cast<uint32_t>(first.number("tag").value_or(0));
      peer_tags_.insert(peer_tag_);
    }
    store_be16(&packet[0], 5000);
    store_be16(&packet[2], 5000);
    store_be32(&packet[4], tag);
    store_le32(&packet[8], crc32c(packet));
    if (step.options == "bad_crc32c") packet[8] ^= 1;
    last_tag_in_ = tag;
    engine().handle_packet(packet, now_);
    drain();
    return std::nullopt;
  }
  void append(std::vector<uint8_t>& packet, const ChunkCoder& coder, const Term& chunk) {
    const auto add = [&](const Pattern& part) {
      packet.insert(packet.end(), part.bytes.begin(), part.bytes.end());
      packet.resize(padded(packet.size()));
    };
    if (chunk.bracket && chunk.atom.empty()) {  // bytes as they are
      for (const Term& item : chunk.items) {
        packet.push_back(static_cast<uint8_t>(std::strtoul(item.atom.c_str(), nullptr, 0)));
      }
      return;
    }
    const size_t start = packet.size();
    add(coder.chunk(chunk));
    if (!ChunkCoder::list_of(chunk)) return;
    size_t length = packet.size() - start;
    for (const Term* item : ChunkCoder::list_items(chunk)) {
      const Pattern part = coder.parameter(*item);
      length = packet.size() - start + part.bytes.size();
      add(part);
    }
    store_be16(&packet[start + 2], static_cast<uint16_t>(length));
  }

  std::optional<std::string> expect(const Step& step, Time due) {
    advance(step.after ? due + script_.tolerance : now_ + std::chrono::minutes(10), true);
    if (sent_.empty()) return "nothing was sent";
    const Sent packet = std::move(sent_.front());
    sent_.pop_front();
    const Duration late = packet.at - due;
    if (step.after && (late > script_.tolerance || -late > script_.tolerance)) {
      return cat("sent ", std::chrono::duration_cast<std::chrono::milliseconds>(late).count(), " ms late");
    }
    last_ = step.after ? due : packet.at;
    return compare(step, packet.bytes);
  }
  std::optional<std::string> compare(const Step& step, const std::vector<uint8_t>& packet) {
    const uint32_t tag = load_be32(&packet[4]);
    ChunkReader reader(ByteView(packet).subspan(kCommonHeaderSize));
    for (const Term& wanted : step.chunks) {
      const auto chunk = reader.next();
      if (!chunk) return cat(wanted.atom, " is missing");
      const bool reflected = wanted.find("flgs") != nullptr && wanted.find("flgs")->atom == "T";
      const bool init = wanted.atom == "INIT";
      if (init ? tag != 0 : reflected ? tag != last_tag_in_ : !peer_tags_.contains(tag)) return "wrong tag";
      if (wanted.atom == "INIT" || wanted.atom == "INIT_ACK") learn(wanted, *chunk);
      if (auto wrong = compare(wanted, *chunk)) return wrong;
    }
    if (const auto more = reader.next()) return cat("a chunk too many, of type ", static_cast<int>(more->type));
    return std::nullopt;
  }
  std::optional<std::string> compare(const Term& wanted, const Chunk& chunk) {
    Pattern pattern = ChunkCoder(numbers_, true).chunk(wanted);
    // The I bit (RFC 7053) is newer than the scripts.
    std::vector<uint8_t> bytes(chunk.whole.begin(), chunk.whole.end());
    if (chunk.type == ChunkType::Data || chunk.type == ChunkType::IData) bytes[1] &= 7;
    const bool list = ChunkCoder::list_of(wanted);
    const bool open = list || wanted.open();
    pattern.open |= open;
    if (!pattern.fits(bytes)) {
      return cat("not ", wanted.atom, " as written but type ", static_cast<int>(chunk.type), ": ", hex(chunk.whole));
    }
    if (!list) return std::nullopt;
    ParameterReader actual(chunk.whole.subspan(pattern.bytes.size()));
    const auto next = [&] {  // extensions that not every implementation announces are passed over
      auto parameter = actual.next();
      while (parameter && chunk.type <= ChunkType::InitAck &&
             (parameter->type == 0x8000 || parameter->type == 0x8001 || parameter->type == 0x8008 ||
              parameter->type == 0xc000)) {
        parameter = actual.next();
      }
      return parameter;
    };
    for (const Term* item : ChunkCoder::list_items(wanted)) {
      const auto parameter = next();
      if (!parameter) return cat(item->atom, " is missing");
      if (!ChunkCoder(numbers_, true).parameter(*item).fits(parameter->whole)) {
        return cat("not ", item->atom, " as written: ", hex(parameter->whole));
      }
    }
    if (wanted.open()) return std::nullopt;
    if (const auto more = next()) return cat("a parameter or cause too many: ", hex(more->whole));
    return std::nullopt;
  }
  void learn(const Term& wanted, const Chunk& chunk) {
    if (chunk.type != ChunkType::Init && chunk.type != ChunkType::InitAck) return;
    // With "tag=..." the script goes on with the numbers it had.
    if (chunk.value.size() < 16 || !wanted.number("tag")) return;
    numbers_.live_tag = load_be32(chunk.value.data());
    numbers_.live_tsn = load_be32(&chunk.value[12]);
    numbers_.script_tag = static_cast<uint32_t>(*wanted.number("tag"));
    if (const auto tsn = wanted.number("tsn")) numbers_.script_tsn = static_cast<uint32_t>(*tsn);
    ParameterReader parameters(chunk.value.subspan(16));
    while (const auto parameter = parameters.next()) {
      if (parameter->type == 7) numbers_.cookie.assign(parameter->value.begin(), parameter->value.end());
    }
  }
  static std::string hex(ByteView bytes) {
    std::string text;
    for (const uint8_t byte : bytes.first(std::min<size_t>(bytes.size(), 48))) {
      constexpr char kDigits[] = "0123456789abcdef";
      text += kDigits[byte >> 4], text += kDigits[byte & 15];
    }
    return text;
  }

  // --- Socket calls ---

  static uint64_t number_after(const std::string& text, std::string_view name, uint64_t otherwise) {
    const size_t at = text.find(name);
    return at == std::string::npos ? otherwise : std::strtoull(text.c_str() + at + name.size(), nullptr, 0);
  }
  // Of the last argument: "write(3, ..., 1000) = 1000".
  static size_t size_argument(const std::string& text) {
    const size_t end = text.find(')');
    return std::strtoull(text.c_str() + text.rfind(',', end) + 1, nullptr, 0);
  }
  std::optional<std::string> call(const std::string& text) {
    const std::string name = text.substr(0, text.find('('));
    const size_t equals = text.rfind(") = ");
    const long long result = equals == std::string::npos ? 0 : std::strtoll(text.c_str() + equals + 4, nullptr, 0);
    std::optional<std::string> wrong;
    if (name == "setsockopt" && text.find("SCTP_RESET_STREAMS") != std::string::npos) {
      const StreamId stream(static_cast<uint16_t>(number_after(text, "srs_stream_list=[", 0)));
      if (!engine().reset_streams(std::array{stream}, now_)) wrong = "not reset";
    } else if (name == "setsockopt") {
      set_option(text);
    } else if (name == "getsockopt") {
      wrong = get_option(text);
    } else if (name == "listen") {
      engine();
    } else if (name == "connect" || name == "sctp_connectx") {
      engine().connect(now_);
    } else if (name == "accept") {
      if (connected_.has_value() != (result >= 0)) wrong = "accept(): there is one, or there is none";
      accepted_ = result >= 0;
    } else if (name == "write" || name == "sctp_sendmsg") {
      wrong = write(text, result);
    } else if (name == "read" || name == "sctp_recvmsg") {
      wrong = read(size_argument(text), result);
    } else if (name == "shutdown" || name == "close") {
      // What was accepted has number 4; closing the socket that listens does nothing to it.
      if (!(accepted_ && text.find("(3") != std::string::npos) && engine_) engine_->shutdown(now_);
    } else if (name != "socket" && name != "bind" && name != "fcntl") {
      wrong = cat("unknown call ", name);
    }
    drain();
    return wrong;
  }
  std::optional<std::string> write(const std::string& text, long long result) {
    // sctp_sendmsg(socket, message, size, address, its size, ppid, flags, stream, lifetime in ms, context)
    std::vector<std::string> arguments;
    std::istringstream list(text.substr(0, text.find(") = ")));
    for (std::string one; std::getline(list, one, ',');) arguments.push_back(one);
    arguments.resize(std::max<size_t>(arguments.size(), 10));
    const auto number = [&](size_t at) { return std::strtoull(arguments[at].c_str(), nullptr, 0); };
    SendOptions options;
    options.unordered = arguments[6].find("SCTP_UNORDERED") != std::string::npos;
    if (number(8) != 0) options.lifetime = std::chrono::milliseconds(number(8));
    const std::vector<uint8_t> message(number(2), 'x');
    const StreamId stream(static_cast<uint16_t>(number(7)));
    const bool sent = engine().send(stream, Ppid(0), message, options, now_).has_value();
    return sent == (result >= 0) ? std::nullopt : std::optional<std::string>(sent ? "sent" : "not sent");
  }
  std::optional<std::string> read(size_t size, long long result) {
    advance(now_);
    if (!messages_.empty()) {
      const auto got = static_cast<long long>(std::min(size, messages_.front()));
      messages_.pop_front();
      return got == result ? std::nullopt : std::optional<std::string>(cat("read ", got));
    }
    const bool over = closed_ || (engine_ && engine_->state() > State::Established);
    if (over && result == 0) return std::nullopt;
    if (!over && result < 0) return std::nullopt;
    return closed_ ? "nothing to read: closed" : "nothing to read";
  }
  void set_option(const std::string& text) {
    const auto ms = [&](std::string_view name, Duration& value) {
      const uint64_t given = number_after(text, name, 0);
      if (given != 0) value = std::chrono::milliseconds(given);
    };
    ms("srto_initial=", config_.rto_initial);
    ms("srto_min=", config_.rto_min);
    ms("srto_max=", config_.rto_max);
    ms("sinit_max_init_timeo=", config_.backoff_max);
    if (text.find("RTOINFO") != std::string::npos) config_.backoff_max = config_.rto_max;
    const auto count = [&](std::string_view name, auto& value) {
      const uint64_t given = number_after(text, name, 0);
      if (given != 0) value = static_cast<uint16_t>(given);
    };
    count("sinit_num_ostreams=", config_.outgoing_streams);
    count("sinit_max_instreams=", config_.incoming_streams);
    count("sinit_max_attempts=", config_.max_init_retransmissions);
  }
  std::optional<std::string> get_option(const std::string& text) {
    const auto closed_by = [&](CloseReason reason) { return closed_ && closed_->reason == reason; };
    const auto fits = [&](std::string_view error, bool is) { return text.find(error) == std::string::npos || is; };
    const bool failed = closed_ && closed_->reason != CloseReason::Shutdown;
    if (!fits("[0]", !failed)) return cat("closed: ", to_string(closed_->reason), " ", closed_->detail);
    if (!fits("[ETIMEDOUT]", closed_by(CloseReason::TooManyTimeouts))) return "no time-out";
    if (!fits("[ECONNRESET]", closed_by(CloseReason::AbortedByPeer))) return "no reset";
    if (!fits("[ECONNREFUSED]", closed_by(CloseReason::AbortedByPeer) && !connected_)) return "not refused";
    if (!fits("SCTP_ESTABLISHED", engine_ && engine_->state() == State::Established)) return "not established";
    const uint64_t streams = number_after(text, "sstat_outstrms=", 0);
    if (streams != 0 && (!connected_ || connected_->outgoing_streams != streams)) return "other number of streams";
    return std::nullopt;
  }

  Script script_;
  Config config_;
  SeededRandom random_{1};
  NullLogger log_;
  std::optional<Association> engine_;
  Time now_ = Time(std::chrono::seconds(1000));
  Time last_ = now_;
  Numbers numbers_;
  uint32_t peer_tag_ = 0;
  std::set<uint32_t> peer_tags_;
  uint32_t last_tag_in_ = 0;
  std::deque<Sent> sent_;
  std::deque<size_t> messages_;
  std::optional<Connected> connected_;
  std::optional<Closed> closed_;
  bool accepted_ = false;
};

}  // namespace kaon::sctp::test
