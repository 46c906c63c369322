// Base64 (RFC 4648 §4), with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/bytes.h"

namespace kaon {

std::string to_base64(ByteView bytes);

/// Nothing unless the text is whole groups of the alphabet, padded at the end only, and its unused bits are zero: so
/// that every value has one text.
std::optional<std::vector<uint8_t>> from_base64(std::string_view text);

}  // namespace kaon
