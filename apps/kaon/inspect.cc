#include "apps/kaon/inspect.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "apps/kaon/commands.h"
#include "apps/kaon/console.h"
#include "kaon/container/capture.h"

namespace kaon::apps {
namespace {

constexpr size_t kMaxInput = size_t{1} << 30;
constexpr size_t kChunk = 1 << 16;

Result<std::vector<uint8_t>, std::string> read_input(const std::string& name) {
  const bool standard_input = name == "-";
  std::FILE* file = standard_input ? stdin : std::fopen(name.c_str(), "rbe");
  if (file == nullptr) return fail(cat(name, " cannot be read: ", std::strerror(errno), "."));
  std::vector<uint8_t> bytes;
  size_t got = 0;
  do {
    const size_t before = bytes.size();
    bytes.resize(before + kChunk);
    got = std::fread(&bytes[before], 1, kChunk, file);
    bytes.resize(before + got);
  } while (got == kChunk && bytes.size() <= kMaxInput);
  const bool failed = std::ferror(file) != 0;
  if (!standard_input) std::fclose(file);
  if (failed) return fail(cat(name, " cannot be read."));
  if (bytes.size() > kMaxInput) return fail(cat(name, " is larger than 1 GiB."));
  return bytes;
}

int run(const std::string& name) {
  const auto input = read_input(name);
  if (!input) return fail_with(input.error());
  const Inspection inspection = inspect(*input);
  std::fwrite(inspection.text.data(), 1, inspection.text.size(), stdout);
  std::fflush(stdout);
  return inspection.problem ? fail_with(cat(name, ": ", *inspection.problem)) : 0;
}

}  // namespace

Inspection inspect(ByteView input) {
  if (input.empty()) return {{}, "byte 0: expected a packet, a capture or a session description, found nothing"};
  if (container::CaptureReader::recognizes(input)) return inspect_capture(input);
  const std::string_view text = as_text(input);
  if (text.starts_with("v=")) return inspect_description(text);
  if (auto hex = inspect_hex(text)) return std::move(*hex);
  Outline out(input);
  describe_datagram(input, out);
  return {out.text(), out.problem() ? std::optional(out.problem()->to_string()) : std::nullopt};
}

void add_inspect(CLI::App& app, int& status) {
  auto file = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("inspect",
                                         "Say what is in a file: a session description, a pcap or pcapng capture, a "
                                         "packet as hexadecimal text or as it is.");
  command->add_option("FILE", *file, "The file, or - for standard input")->required();
  command->callback([file, &status] { status = run(*file); });
}

}  // namespace kaon::apps
