// What has arrived on a detached channel and was not read yet.
#pragma once

#include "kaon/base/buffer.h"
#include "kaon/base/ring.h"
#include "kaon/webrtc/channel_operations.h"

namespace kaon::webrtc::internal {

/// Bounded by the association's receive window, in which each message counts until it has been read.
struct Inbox {
  struct Entry {
    Buffer bytes;
    bool binary = false;
  };
  Ring<Entry> messages;
  size_t offset = 0;  // of the first one, what has been read
  size_t unread = 0;  // bytes
  WaiterList readers;
};

}  // namespace kaon::webrtc::internal
