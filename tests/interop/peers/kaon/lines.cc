#include "lines.h"

#include <boost/json/src.hpp>
#include <iostream>
#include <string>

namespace kaon::interop {

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

void Lines::write(const json::object& line) {
  const std::string text = json::serialize(line) + "\n";
  const std::lock_guard lock(mutex_);
  std::cout << text << std::flush;
}

void Lines::event(std::string_view name, json::object details) {
  details["event"] = name;
  write(details);
}

std::optional<json::object> Lines::read() {
  for (std::string text; std::getline(std::cin, text);) {
    boost::system::error_code failed;
    json::value value = json::parse(text, failed);
    if (!failed && value.is_object()) return std::move(value.as_object());
    error("not a JSON object: " + text);
  }
  return std::nullopt;
}

}  // namespace kaon::interop
