// The files of web/, inside the program.
#pragma once

#include <span>
#include <string_view>

namespace kaon::sfu::internal {

struct PageFile {
  std::string_view path;  ///< "/app.js"
  std::string_view content;
};

/// Written by the build.
std::span<const PageFile> page_files();

}  // namespace kaon::sfu::internal
