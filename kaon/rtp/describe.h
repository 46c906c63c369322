// RTP packets for people.
#pragma once

#include "kaon/base/outline.h"

namespace kaon::rtp {

/// Decodes header and extension elements. Ids of extensions are negotiated, so their values are shown as bytes. Works
/// for SRTP too, whose header is in the clear.
void describe(ByteView packet, Outline& out);

}  // namespace kaon::rtp
