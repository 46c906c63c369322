// The conformance scripts of testdata/sctp, and those of the folder that KAON_PACKETDRILL names.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "kaon/sctp/internal/packetdrill_player.h"
#include "kaon_testdata.h"

namespace kaon::sctp {
namespace {

std::map<std::string, std::string> failures_of(const std::filesystem::path& folder, size_t& count) {
  std::map<std::string, std::string> failures;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".pkt") continue;
    ++count;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    test::Player player(test::parse_script(text));
    if (const auto wrong = player.play()) failures[entry.path().stem().string()] = *wrong;
  }
  return failures;
}

// What does not hold, and why. Over DTLS there is one path without addresses.
const std::map<std::string, std::string_view> kNotHeld = {
    {"sctp-as-o-1-9-2",
     "an INIT that brings new addresses, which it must not over DTLS (RFC 8261): a restart like any other"},
    {"sctp-fh-o-5-3-5", "packets from a multicast address"},
    {"sctp-rt-i-11-3", "retransmission over a second path"},
    {"sctp-as-i-1-3-2", "our ABORT says why"},
    {"sctp-at-i-2-5", "FreeBSD's limit for a shutdown, five times the longest RTO: ours counts time-outs"},
    {"sctp-d-o-8-8", "a window that opens is used at once, as the script itself says one could"},
    {"sctp-d-v-8-9", "what is missing is sent again by its age (RFC 8985), before the time-out"},
};

// Of any other folder: says what fails, and that something does.
void play_other(const char* folder) {
  size_t count = 0;
  const auto failures = failures_of(folder, count);
  for (const auto& [name, wrong] : failures) std::cout << name << ": " << wrong << "\n";
  std::cout << count - failures.size() << " of " << count << " scripts hold\n";
  EXPECT_GT(count, 0u);
  EXPECT_TRUE(failures.empty());
}

TEST(Packetdrill, TheConformanceScriptsOfEtsiHold) {
  if (const char* folder = std::getenv("KAON_PACKETDRILL")) return play_other(folder);
  size_t count = 0;
  std::map<std::string, std::string_view> failed;
  for (const auto& [name, wrong] : failures_of(KAON_TESTDATA "/sctp/etsi", count)) {
    const auto known = kNotHeld.find(name);
    if (known == kNotHeld.end()) ADD_FAILURE() << name << ": " << wrong;
    if (known != kNotHeld.end()) failed.insert(*known);
  }
  EXPECT_EQ(count, 115u);
  EXPECT_EQ(failed, kNotHeld) << "what holds now is to be taken off the list";
}

TEST(Packetdrill, OurOwnScriptsOfInterleavingAndStreamResetHold) {
  size_t count = 0;
  for (const auto& [name, wrong] : failures_of(KAON_TESTDATA "/sctp/kaon", count))
    ADD_FAILURE() << name << ": " << wrong;
  EXPECT_EQ(count, 12u);
}

}  // namespace
}  // namespace kaon::sctp
