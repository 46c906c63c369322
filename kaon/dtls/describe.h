// DTLS datagrams for people.
#pragma once

#include "kaon/base/outline.h"

namespace kaon::dtls {

/// Decodes the records of a datagram, and of those in the clear alerts and handshake messages that lie in one piece.
void describe(ByteView datagram, Outline& out);

}  // namespace kaon::dtls
