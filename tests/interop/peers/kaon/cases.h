// The cases that this peer knows. One more is a file with its factory, and a line in cases.cc.
#pragma once

#include <memory>
#include <string>

#include "kaon/io/loop.h"
#include "kaon/trace/sink.h"
#include "lines.h"
#include "options.h"

namespace kaon::interop {

/// What a case is made from.
struct Context {
  io::Loop& loop;
  Lines& lines;
  const Options& options;
  trace::Sink* trace = nullptr;  ///< Of --capture.
};

/// Made, called and destroyed on the loop.
class Case {
 public:
  virtual ~Case() = default;
  /// A line of the input that is not "stop".
  virtual void handle(const json::object& line) = 0;
};

std::unique_ptr<Case> make_call_case(const Context& context);
std::unique_ptr<Case> make_data_case(const Context& context);
std::unique_ptr<Case> make_media_case(const Context& context);
std::unique_ptr<Case> make_textroom_case(const Context& context);

/// Null if there is no case of that name.
std::unique_ptr<Case> make_case(const std::string& name, const Context& context);
/// For people.
std::string case_names();

}  // namespace kaon::interop
