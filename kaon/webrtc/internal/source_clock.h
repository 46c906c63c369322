// Keeps the numbers of a sent stream continuous when its source changes.
#pragma once

#include "kaon/base/time.h"
#include "kaon/rtp/header.h"

namespace kaon::webrtc::internal {

class SourceClock {
 public:
  struct Numbers {
    rtp::Timestamp timestamp;
    rtp::SequenceNumber sequence;  // of packets; frames have none
  };

  /// The next numbers are those of another source.
  void replace() { replaced_ = sent_before_; }
  /// Nothing of the new source has been sent yet.
  bool replaced() const { return replaced_; }

  /// What `source` turns into if it is sent now.
  Numbers map(const Numbers& source, uint32_t clock_rate, Time now) const;
  /// It was sent, as map() said.
  void sent(const Numbers& source, uint32_t clock_rate, Time now);

 private:
  uint32_t timestamp_offset_ = 0;
  uint16_t sequence_offset_ = 0;
  Numbers last_;
  Time last_time_{};
  bool sent_before_ = false;
  bool replaced_ = false;
};

}  // namespace kaon::webrtc::internal
