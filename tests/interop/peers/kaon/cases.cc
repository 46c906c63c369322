#include "cases.h"

namespace kaon::interop {
namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Case> (*make)(const Context& context);
};

constexpr Entry kCases[] = {
    {"call", make_call_case},
    {"data", make_data_case},
    {"media", make_media_case},
    {"textroom", make_textroom_case},
};

}  // namespace

std::unique_ptr<Case> make_case(const std::string& name, const Context& context) {
  for (const Entry& entry : kCases) {
    if (name == entry.name) return entry.make(context);
  }
  return nullptr;
}

std::string case_names() {
  std::string names;
  for (const Entry& entry : kCases) names += std::string(names.empty() ? "" : " ") + entry.name;
  return names;
}

}  // namespace kaon::interop
