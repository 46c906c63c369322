// RE-CONFIG and its parameters, RFC 6525 §3.1 and §4.
#pragma once

#include <optional>
#include <vector>

#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/types.h"

namespace kaon::sctp {

// RFC 6525 §4.
enum class ReConfigParameter : uint16_t {
  OutgoingSsnReset = 13,
  IncomingSsnReset = 14,
  SsnTsnReset = 15,
  Response = 16,
  AddOutgoingStreams = 17,
  AddIncomingStreams = 18,
};

// RFC 6525 §4.4.
enum class ReConfigResult : uint32_t {
  NothingToDo = 0,
  Performed = 1,
  Denied = 2,
  WrongSsn = 3,
  RequestAlreadyInProgress = 4,
  BadSequenceNumber = 5,
  InProgress = 6,
};

//  |          Re-configuration Request Sequence Number             |
//  |          Re-configuration Response Sequence Number            |
//  |                Sender's Last Assigned TSN                     |
//  |  Stream Number 1 (optional)   |    Stream Number 2 (optional) |
//  \                              ...                              \.
struct OutgoingResetRequest {
  static constexpr size_t kFixedSize = 12;
  uint32_t request_sequence = 0;
  uint32_t response_sequence = 0;
  Tsn last_assigned_tsn;
  /// Empty: all.
  std::vector<StreamId> streams;

  static std::optional<OutgoingResetRequest> parse(ByteView value);
  size_t size() const { return kFixedSize + 2 * streams.size(); }
  void write(Bytes out) const;
};

//  |          Re-configuration Request Sequence Number             |
//  |  Stream Number 1 (optional)   |    Stream Number 2 (optional) |
struct IncomingResetRequest {
  uint32_t request_sequence = 0;
  std::vector<StreamId> streams;

  static std::optional<IncomingResetRequest> parse(ByteView value);
};

//  |          Re-configuration Request Sequence Number             |
//  |      Number of new streams    |         Reserved              |
struct AddStreamsRequest {
  uint32_t request_sequence = 0;
  uint16_t streams = 0;

  static std::optional<AddStreamsRequest> parse(ByteView value);
};

//  |         Re-configuration Response Sequence Number             |
//  |                            Result                             |
//  |         Sender's and Receiver's Next TSN (optional)           |
struct ReConfigResponse {
  static constexpr size_t kSize = 8;
  uint32_t sequence = 0;
  ReConfigResult result = ReConfigResult::NothingToDo;

  static std::optional<ReConfigResponse> parse(ByteView value);
  void write(Bytes out) const;
};

}  // namespace kaon::sctp
