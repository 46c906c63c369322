// STUN messages for people.
#pragma once

#include <string_view>

#include "kaon/base/outline.h"
#include "kaon/stun/attribute.h"

namespace kaon::stun {

/// "XOR-MAPPED-ADDRESS"; empty for a type we do not know.
std::string_view name_of(Attribute type);
/// "Binding"; empty for a method we do not know.
std::string_view name_of(Method method);

/// Decodes a message with all its attributes, also one that Message::parse() refuses. Integrity is not checked: that
/// takes the password.
void describe(ByteView message, Outline& out);

}  // namespace kaon::stun
