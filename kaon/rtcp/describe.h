// RTCP for people.
#pragma once

#include "kaon/base/outline.h"

namespace kaon::rtcp {

/// Decodes a compound packet in the clear.
void describe(ByteView compound, Outline& out);

}  // namespace kaon::rtcp
