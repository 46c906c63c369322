#include "options.h"

#include <charconv>
#include <cstdlib>
#include <iostream>

namespace kaon::interop {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  std::cerr << "kaon peer: " << why << "\n";
  std::exit(2);
}

}  // namespace

Options Options::parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (!name.starts_with("--")) refuse("'" + name + "' is no option");
    if (i + 1 == argc) refuse(name + " wants a value");
    options.values_[name.substr(2)] = argv[i + 1];
  }
  const std::string role = options.text("role");
  if (role != "offerer" && role != "answerer") refuse("--role is offerer or answerer, not '" + role + "'");
  return options;
}

std::string Options::text(const std::string& name, const std::string& otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : found->second;
}

int64_t Options::number(const std::string& name, int64_t otherwise) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  const std::string& text = found->second;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) refuse("--" + name + " wants a number, not " + text);
  return value;
}

}  // namespace kaon::interop
