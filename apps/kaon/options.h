// What the servers among the commands read alike: files, addresses, configuration.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "kaon/io/turn_host.h"
#include "kaon/net/address.h"

namespace CLI {
class App;
}

namespace kaon::apps {

std::optional<std::string> read_file(const std::filesystem::path& path);

/// "8080", ":8080" and "1.2.3.4:8080" are all addresses to listen on.
std::optional<net::Endpoint> listen_address(std::string_view text);

/// Where a TURN server opens its relays: on `ips`, or on the machine's first addresses that reach further than itself,
/// and on loopback if there are none; each announced as the one of `announced` that has its family.
std::vector<io::RelayAddress> relays_on(std::vector<net::IpAddress> ips, const std::vector<net::IpAddress>& announced);

/// "FIRST-LAST".
std::optional<turn::PortRange> turn_ports(std::string_view text);

/// Gives the options in a TOML file to the command, but for those that the command line has. Throws CLI::ParseError
/// with file and line for an option that does not exist or has a wrong value.
void read_config(CLI::App& command, const std::string& file);

}  // namespace kaon::apps
