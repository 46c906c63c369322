// Captures: one line per packet with its decode below, and counts at the end.

#include <cstdio>
#include <map>

#include "apps/kaon/inspect.h"
#include "kaon/container/capture.h"
#include "kaon/datachannel/describe.h"
#include "kaon/sctp/describe.h"

namespace kaon::apps {
namespace {

std::string seconds(std::chrono::nanoseconds time) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6f", std::chrono::duration<double>(time).count());
  return text;
}

class CaptureText {
 public:
  void add(const container::CapturedPacket& captured) {
    if (number_++ == 0) start_ = captured.time;
    const auto packet = container::parse_ip(captured.link, captured.bytes);
    if (!packet) return add_foreign(captured, packet.error());
    std::string_view kind = datagram_kind(packet->payload);
    if (packet->protocol == container::IpProtocol::Sctp) kind = "sctp";
    if (packet->protocol == container::IpProtocol::Tcp) kind = "tcp";
    ++counts_[kind];
    text_ += cat("#", number_, " ", seconds(captured.time - start_), " ", text_of(*packet, packet->source), " > ",
                 text_of(*packet, packet->destination), " ", kind, " ", packet->payload.size(), " bytes\n");
    if (kind == "tcp") return;
    Outline outline(packet->payload, 1);
    if (kind == "sctp") {
      sctp::describe(packet->payload, &datachannel::describe, outline);
    } else {
      describe_datagram(packet->payload, outline);
    }
    text_ += outline.text();
  }

  Inspection finish(std::optional<std::string> problem) {
    std::string summary = cat(number_, number_ == 1 ? " packet" : " packets");
    for (const auto& [kind, count] : counts_) summary += cat(", ", count, " ", kind);
    return {text_ + summary + '\n', std::move(problem)};
  }

 private:
  static std::string text_of(const container::IpPacket& packet, const net::Endpoint& endpoint) {
    return packet.protocol == container::IpProtocol::Udp ? endpoint.to_string() : endpoint.ip.to_string();
  }

  void add_foreign(const container::CapturedPacket& captured, const container::ReadError& why) {
    ++counts_["foreign"];
    text_ +=
        cat("#", number_, " ", seconds(captured.time - start_), " ", captured.bytes.size(), " bytes\n  ! ", why, "\n");
  }

  uint64_t number_ = 0;
  std::chrono::nanoseconds start_{};
  std::map<std::string_view, uint64_t> counts_;
  std::string text_;
};

}  // namespace

Inspection inspect_capture(ByteView file) {
  container::CaptureReader reader;
  reader.feed(file);
  reader.finish();
  CaptureText text;
  while (const auto packet = reader.next()) {
    if (!*packet) return text.finish(packet->error().to_string());
    text.add(**packet);
  }
  return text.finish(std::nullopt);
}

}  // namespace kaon::apps
