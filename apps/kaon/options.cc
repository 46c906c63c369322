#include "apps/kaon/options.h"

#include <CLI/CLI.hpp>
#include <fstream>
#include <sstream>

#include "kaon/base/text.h"
#include "kaon/io/interfaces.h"

namespace kaon::apps {
namespace {

// "FILE:LINE", with the line that sets the option; the file alone if it cannot be told.
std::string place_of(const std::string& file, std::string_view option) {
  std::istringstream lines(read_file(file).value_or(""));
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string_view text = std::string_view(line).substr(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!text.starts_with(option)) continue;
    const size_t behind = text.find_first_not_of(" \t", option.size());
    if (behind != std::string_view::npos && text[behind] == '=') return cat(file, ":", number);
  }
  return file;
}

}  // namespace

std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

std::optional<net::Endpoint> listen_address(std::string_view text) {
  if (const auto port = parse_number<uint16_t>(text.starts_with(':') ? text.substr(1) : text)) {
    return net::Endpoint{net::IpAddress::any(net::Family::V4), *port};
  }
  return net::Endpoint::parse(text);
}

// CLI11 itself reads such files only for the outermost command.
std::vector<io::RelayAddress> relays_on(std::vector<net::IpAddress> ips, const std::vector<net::IpAddress>& announced) {
  const auto interfaces = io::interfaces();
  for (const bool loopback : {false, true}) {
    if (!ips.empty() || !interfaces) break;
    for (const io::Interface& interface : *interfaces) {
      const bool taken = std::ranges::any_of(ips, [&](auto& ip) { return ip.family() == interface.ip.family(); });
      if (!taken && interface.loopback == loopback && !interface.ip.is_link_local()) ips.push_back(interface.ip);
    }
  }
  std::vector<io::RelayAddress> relays;
  for (const net::IpAddress& ip : ips) {
    io::RelayAddress& relay = relays.emplace_back(io::RelayAddress{ip});
    for (const net::IpAddress& other : announced) {
      if (other.family() == ip.family()) relay.announce = other;
    }
  }
  return relays;
}

std::optional<turn::PortRange> turn_ports(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = parse_number<uint16_t>(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? std::nullopt : parse_number<uint16_t>(text.substr(dash + 1));
  if (!first || !last || *first == 0 || *first > *last) return std::nullopt;
  return turn::PortRange{*first, *last};
}

void read_config(CLI::App& command, const std::string& file) {
  for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_file(file)) {
    CLI::Option* option = command.get_option_no_throw("--" + item.name);
    if (option == nullptr || !item.parents.empty() || item.name == "config")
      throw CLI::ConfigError(cat(place_of(file, item.name), ": there is no option '", item.fullname(), "'"));
    if (option->count() != 0) continue;
    try {
      option->add_result(item.inputs);
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      throw CLI::ConfigError(cat(place_of(file, item.name), ": ", error.what()));
    }
  }
}

}  // namespace kaon::apps
