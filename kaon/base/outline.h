// A readable decode of bytes: indented lines, and where the bytes stop being what they should be.
#pragma once

#include <optional>
#include <string>

#include "kaon/base/bytes.h"
#include "kaon/base/text.h"

namespace kaon {

/// Filled by the describe() functions of the wire formats. For people: the text may change with any version.
class Outline {
 public:
  struct Problem {
    /// Counted from the first byte of `whole`.
    size_t offset = 0;
    std::string expected;
    std::string to_string() const { return cat("byte ", offset, ": expected ", expected); }
  };

  /// Offsets of problems count from the beginning of `whole`; the first line is indented by `depth`.
  explicit Outline(ByteView whole, int depth = 0) : whole_(whole), depth_(depth) {}

  template <class... Parts>
  void line(const Parts&... parts) {
    text_.append(static_cast<size_t>(depth_) * 2, ' ');
    (append_to(text_, parts), ...);
    text_ += '\n';
  }
  /// The byte that `rest` begins with (or ends at, when it is empty) is not what was expected there. Told as a line;
  /// the first one is kept.
  void problem(ByteView rest, std::string expected) {
    Problem problem{static_cast<size_t>(rest.data() - whole_.data()), std::move(expected)};
    line("! ", problem);
    if (!problem_) problem_ = std::move(problem);
  }

  /// Lines are one level deeper as long as this lives.
  class [[nodiscard]] Deeper {
   public:
    explicit Deeper(Outline& outline) : outline_(outline) { ++outline_.depth_; }
    ~Deeper() { --outline_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Outline& outline_;
  };
  Deeper deeper() { return Deeper(*this); }

  const std::string& text() const { return text_; }
  const std::optional<Problem>& problem() const { return problem_; }

 private:
  ByteView whole_;
  int depth_;
  std::string text_;
  std::optional<Problem> problem_;
};

/// "a1b2c3", and " … 12 more" in place of what is beyond `most` bytes.
std::string short_hex(ByteView bytes, size_t most = 32);
/// The bytes between quotes, with what is not printable ASCII as `\xHH`, cut like short_hex().
std::string quoted(ByteView bytes, size_t most = 80);

}  // namespace kaon
