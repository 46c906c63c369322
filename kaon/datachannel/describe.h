// Messages of data channels for people.
#pragma once

#include "kaon/base/outline.h"
#include "kaon/sctp/types.h"

namespace kaon::datachannel {

/// Says what a message, or a part of it unless `whole`, is: DCEP, text, bytes.
void describe(sctp::Ppid ppid, ByteView payload, bool whole, Outline& out);

}  // namespace kaon::datachannel
