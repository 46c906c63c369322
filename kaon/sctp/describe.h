// SCTP packets for people.
#pragma once

#include "kaon/base/function.h"
#include "kaon/base/outline.h"
#include "kaon/sctp/types.h"

namespace kaon::sctp {

/// Says what the user data of a DATA chunk is. `whole`: the message is not fragmented.
using DescribeData = Function<void(Ppid ppid, ByteView payload, bool whole, Outline& out)>;

/// Decodes the common header and all chunks of a packet.
void describe(ByteView packet, const DescribeData& data, Outline& out);

}  // namespace kaon::sctp
