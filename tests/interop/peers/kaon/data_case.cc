// Case "data": one channel, every message comes back.
#include <algorithm>
#include <sstream>

#include "cases.h"
#include "endpoint.h"
#include "kaon/base/text.h"

namespace kaon::interop {
namespace {

using webrtc::DataChannel;
using webrtc::DataChannelHandlers;
using webrtc::Message;

constexpr size_t kBurstSize = 1000;

struct Outgoing {
  bool binary;
  std::vector<uint8_t> bytes;
};

Outgoing make_message(size_t number, size_t size, bool binary) {
  Outgoing message{binary, std::vector<uint8_t>(size)};
  for (size_t i = 0; i < size; ++i) {
    message.bytes[i] = static_cast<uint8_t>(binary ? number + i : 'a' + (number + i) % 26);
  }
  return message;
}

class DataCase final : public Case {
 public:
  explicit DataCase(const Context& context)
      : lines_(context.lines),
        echo_prefix_(context.options.text("echo-prefix")),
        endpoint_(context.loop, context.lines, 0, configuration_of(context),
                  {.on_data_channel = [this](const std::shared_ptr<DataChannel>& channel) { answer(channel); }}) {
    if (context.options.offerer()) offer(context.options);
  }
  void handle(const json::object& line) override {
    if (text_of(line, "ask") == "report") {
      report();
    } else {
      endpoint_.handle(line);
    }
  }

 private:
  void offer(const Options& options);
  void plan(const Options& options);
  void send_more();
  bool send(const Outgoing& message);
  void check(const Message& message);
  void finish();
  void answer(const std::shared_ptr<DataChannel>& channel);
  void echo(DataChannel& channel, const Message& message);
  void tell_what_was_echoed(const DataChannel& channel);
  void count(ByteView data);
  void report();

  Lines& lines_;
  std::string echo_prefix_;  // what the echo puts before texts
  std::shared_ptr<DataChannel> channel_;
  std::vector<Outgoing> messages_;
  size_t one_by_one_ = 0;  // so many of messages_, the rest at once
  size_t sent_ = 0;
  size_t received_ = 0;
  size_t bytes_ = 0;
  bool over_ = false;
  Endpoint endpoint_;  // last, because its handlers use the others
};

void DataCase::plan(const Options& options) {
  std::istringstream sizes(options.text("sizes", "1,1000"));
  for (std::string size; std::getline(sizes, size, ',');) {
    for (const bool binary : {false, true}) {
      messages_.push_back(make_message(messages_.size(), std::stoul(size), binary));
    }
  }
  one_by_one_ = messages_.size();
  for (int64_t i = options.number("burst", 0); i > 0; --i) {
    messages_.push_back(make_message(messages_.size(), kBurstSize, true));
  }
}

void DataCase::offer(const Options& options) {
  plan(options);
  webrtc::DataChannelInit init{.ordered = options.number("ordered", 1) != 0, .protocol = options.text("protocol")};
  if (options.has("max-retransmits")) {
    init.max_retransmits = static_cast<uint16_t>(options.number("max-retransmits", 0));
  }
  if (options.has("max-packet-life-time")) {
    init.max_packet_life_time = static_cast<uint16_t>(options.number("max-packet-life-time", 0));
  }
  DataChannelHandlers handlers{.on_open =
                                   [this] {
                                     lines_.event("open");
                                     send_more();
                                   },
                               .on_message = [this](const Message& message) { check(message); },
                               .on_close =
                                   [this](webrtc::ChannelError) {
                                     if (!over_)
                                       lines_.error("the channel was closed before the last message came back");
                                   }};
  auto channel = endpoint_.connection().create_data_channel(options.text("label", "echo"), init, std::move(handlers));
  if (!channel) {
    lines_.error("the channel could not be made");
    return;
  }
  channel_ = *channel;
  endpoint_.offer();
}

/// The next one, or all that are left once the first `one_by_one_` have come back.
void DataCase::send_more() {
  if (sent_ == messages_.size()) return;
  do {
    if (!send(messages_[sent_++])) return;
  } while (sent_ > one_by_one_ && sent_ < messages_.size());
}

bool DataCase::send(const Outgoing& message) {
  const ByteView bytes = message.bytes;
  const auto sent = message.binary
                        ? channel_->send(bytes)
                        : channel_->send(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  if (!sent) lines_.error(cat("a message of ", bytes.size(), " bytes could not be sent"));
  return sent.has_value();
}

void DataCase::check(const Message& message) {
  if (received_ == sent_) {
    lines_.error("a message came that was not sent");
    return;
  }
  const Outgoing& expected = messages_[received_];
  ByteView data = message.data;
  if (!message.binary && message.text().starts_with(echo_prefix_)) data = data.subspan(echo_prefix_.size());
  if (message.binary != expected.binary || !std::ranges::equal(data, expected.bytes)) {
    lines_.error(
        cat("message ", received_, " of ", expected.bytes.size(), " bytes came back as another of ", data.size()));
    return;
  }
  count(data);
  if (received_ == messages_.size()) {
    finish();
  } else if (received_ == sent_) {
    send_more();
  }
}

void DataCase::finish() {
  over_ = true;
  lines_.result({{"messages", received_}, {"bytes", bytes_}});
  channel_->close();
}

void DataCase::answer(const std::shared_ptr<DataChannel>& channel) {
  // The connection keeps it.
  channel->set_handlers(
      {.on_open = [this] { lines_.event("open"); },
       .on_message = [this, each = channel.get()](const Message& message) { echo(*each, message); },
       .on_close = [this, each = channel.get()](webrtc::ChannelError) { tell_what_was_echoed(*each); }});
}

void DataCase::echo(DataChannel& channel, const Message& message) {
  count(message.data);
  const auto sent = message.binary ? channel.send(message.data) : channel.send(message.text());
  if (!sent) lines_.error(cat("a message of ", message.data.size(), " bytes could not be echoed"));
}

void DataCase::tell_what_was_echoed(const DataChannel& channel) {
  json::object result{{"messages", received_},        {"bytes", bytes_},
                      {"label", channel.label()},     {"protocol", channel.protocol()},
                      {"ordered", channel.ordered()}, {"maxRetransmits", nullptr}};
  if (channel.max_retransmits()) result["maxRetransmits"] = *channel.max_retransmits();
  lines_.result(std::move(result));
}

void DataCase::count(ByteView data) {
  ++received_;
  bytes_ += data.size();
}

void DataCase::report() {
  const webrtc::StatsReport stats = endpoint_.connection().get_stats();
  const webrtc::Stats* transport = stats.first_of("transport");
  lines_.event("report",
               {{"tlsVersion", transport->text("tlsVersion")}, {"dtlsCipher", transport->text("dtlsCipher")}});
}

}  // namespace

std::unique_ptr<Case> make_data_case(const Context& context) { return std::make_unique<DataCase>(context); }

}  // namespace kaon::interop
