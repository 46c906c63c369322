// The command line of a peer: --role, --case, and whatever the case knows.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace kaon::interop {

class Options {
 public:
  /// Pairs of --NAME VALUE. Ends the process with a sentence if they are none.
  static Options parse(int argc, char** argv);

  bool offerer() const { return text("role") == "offerer"; }
  std::string text(const std::string& name, const std::string& otherwise = "") const;
  /// Ends the process with a sentence if the value is no number.
  int64_t number(const std::string& name, int64_t otherwise) const;
  bool has(const std::string& name) const { return values_.contains(name); }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace kaon::interop
