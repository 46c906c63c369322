// Case "textroom": a guest in a room of Janus' textroom plugin, which offers; hears what it says itself.
#include "cases.h"
#include "endpoint.h"
#include "kaon/base/text.h"

namespace kaon::interop {
namespace {

using webrtc::DataChannel;
using webrtc::Message;

class TextroomCase final : public Case {
 public:
  explicit TextroomCase(const Context& context)
      : lines_(context.lines), endpoint_(context.loop, context.lines, 0, configuration_of(context), {}) {
    auto channel = endpoint_.connection().create_data_channel(
        "JanusDataChannel", {},
        {.on_open = [this] { say({{"textroom", "join"}, {"username", "kaon"}, {"transaction", "join"}, {"room", 1}}); },
         .on_message = [this](const Message& message) { hear(message); }});
    if (channel) {
      channel_ = *channel;
    } else {
      lines_.error("the channel could not be made");
    }
  }
  void handle(const json::object& line) override { endpoint_.handle(line); }

 private:
  void say(const json::object& what) {
    if (!channel_->send(json::serialize(what))) lines_.error("nothing could be said");
  }

  void hear(const Message& message) {
    boost::system::error_code failed;
    const json::value value = json::parse(message.text(), failed);
    if (failed || !value.is_object()) {
      lines_.error(cat("no JSON object: ", message.text()));
      return;
    }
    const json::object& heard = value.as_object();
    if (text_of(heard, "textroom") == "error") {
      lines_.error(cat("the room says: ", text_of(heard, "error")));
    } else if (text_of(heard, "transaction") == "join") {
      say({{"textroom", "message"}, {"text", "hello"}, {"transaction", "message"}, {"room", 1}});
    } else if (text_of(heard, "textroom") == "message") {
      lines_.result({{"heard", text_of(heard, "text")}});
    }
  }

  Lines& lines_;
  std::shared_ptr<DataChannel> channel_;
  Endpoint endpoint_;  // last, because its handlers use the others
};

}  // namespace

std::unique_ptr<Case> make_textroom_case(const Context& context) { return std::make_unique<TextroomCase>(context); }

}  // namespace kaon::interop
