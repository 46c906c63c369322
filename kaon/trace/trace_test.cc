#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "kaon/trace/json.h"
#include "kaon/trace/text2pcap.h"
#include "kaon_testdata.h"

namespace kaon::trace {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

std::string json(const Event& event) {
  std::string out;
  append_json(out, {Time(microseconds(12345678)), "Abcd", event}, Time(milliseconds(12000)));
  return out;
}

TEST(TraceJson, HasTimeConnectionNameAndTypedFields) {
  EXPECT_EQ(json(IcePair{3, "10.0.0.1:5000", "10.0.0.2:6000", "succeeded", true, false, microseconds(1500)}),
            "{\"time\":345.678,\"connection\":\"Abcd\",\"name\":\"ice:pair\",\"data\":{\"pair\":3,\"local\":"
            "\"10.0.0.1:5000\",\"remote\":\"10.0.0.2:6000\",\"state\":\"succeeded\",\"nominated\":true,\"selected\":"
            "false,\"rtt_ms\":1.500}}\n");
  EXPECT_EQ(json(Nack{Direction::Out, 0xffffffff, 2}),
            "{\"time\":345.678,\"connection\":\"Abcd\",\"name\":\"rtcp:nack\",\"data\":{\"direction\":\"out\",\"ssrc\":"
            "4294967295,\"packets\":2}}\n");
}

TEST(TraceJson, EscapesWhatWouldEndTheStringOrTheLine) {
  EXPECT_THAT(json(ConnectionState{"failed", "a \"b\"\\\n\x7f"}),
              HasSubstr("\"detail\":\"a \\\"b\\\"\\\\\\u000a\\u007f\"}}\n"));
}

TEST(TraceJson, BeginsWithTheSchemaAndTheWallClock) {
  EXPECT_EQ(json_header("kaon 1", milliseconds(1764107000123)),
            "{\"schema\":\"kaon-trace-1\",\"program\":\"kaon 1\",\"unix_time_ms\":1764107000123.000}\n");
}

template <class... Events>
std::vector<std::string> described(std::type_identity<std::variant<Events...>>) {
  std::vector<std::string> all;
  const auto add = [&](const auto& event) {
    std::string row = "| `" + std::string(event.kName) + "` |";
    event.fields([&](std::string_view name, const auto&) { row += " `" + std::string(name) + "`"; });
    all.push_back(row + " |");
  };
  (add(Events{}), ...);
  return all;
}

TEST(TraceJson, EveryEventStandsInTheDocumentWithItsFields) {
  std::ifstream file(KAON_TESTDATA "/../docs/trace.md");
  std::stringstream page;
  page << file.rdbuf();
  for (const std::string& row : described(std::type_identity<Event>())) EXPECT_THAT(page.str(), HasSubstr(row));
}

TEST(Text2Pcap, LineHasDirectionTimeOffsetBytesAndKind) {
  const uint8_t head[] = {0x80, 0x60};
  const uint8_t body[] = {0xab};
  Packet packet{.layer = Layer::Rtp, .direction = Direction::Out, .time = Time(milliseconds(3723004)), .bytes = head};
  packet.rest = body;
  EXPECT_EQ(text2pcap_line(packet), "O 01:02:03.004000 0000 80 60 ab # RTP_PACKET");
  packet.layer = Layer::Sctp;
  packet.direction = Direction::In;
  EXPECT_EQ(text2pcap_line(packet), "I 01:02:03.004000 0000 80 60 ab # SCTP_PACKET");
}

}  // namespace
}  // namespace kaon::trace
