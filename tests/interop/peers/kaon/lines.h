// JSON objects as lines on standard input and output: how peers are spoken to.
#pragma once

#include <boost/json.hpp>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace kaon::interop {

namespace json = boost::json;

/// The member of that name; empty if there is none, or it is no text.
std::string text_of(const json::object& object, std::string_view name);

/// Any thread.
class Lines {
 public:
  void write(const json::object& line);
  void event(std::string_view name, json::object details = {});
  void result(json::object result) { write({{"result", std::move(result)}}); }
  void error(std::string_view sentence) { write({{"error", sentence}}); }

  /// The next line of the input, waited for; nothing at its end. A line that is no object is told as an error and left
  /// out.
  std::optional<json::object> read();

 private:
  std::mutex mutex_;
};

}  // namespace kaon::interop
