// Stream reset in both directions, and streams that the peer adds, RFC 6525 §5.
#pragma once

#include <optional>

#include "kaon/sctp/internal/receiver.h"
#include "kaon/sctp/internal/reconfig_chunk.h"
#include "kaon/sctp/internal/sender.h"

namespace kaon::sctp {

class StreamReset {
 public:
  /// The peer may send on `incoming` streams, and add to them up to `most_incoming`.
  StreamReset(Tsn local_initial, Tsn peer_initial, uint16_t incoming, uint16_t most_incoming)
      : next_request_(local_initial.value()),
        expected_request_(peer_initial.value()),
        incoming_streams_(incoming),
        most_incoming_(most_incoming) {}

  uint16_t incoming_streams() const { return incoming_streams_; }

  /// False if it breaks a rule; answers wait for write().
  bool handle(ByteView reconfig, Receiver& receiver, SendQueue& queue, EventQueue& events, bool& answered);
  /// The request went unanswered.
  void handle_timeout() { request_due_ = request_.has_value(); }

  /// Makes a request of the streams that have sent all they had, if none is under way.
  void prepare(SendQueue& queue, Tsn last_assigned, size_t max_packet_size);
  bool has_output() const { return response_count_ != 0 || request_due_; }
  /// Whether the RE-CONFIG timer must run.
  bool waiting() const { return request_.has_value(); }
  /// True if a request was written.
  bool write(PacketWriter& writer);

 private:
  static constexpr size_t kMaxResponses = 2;  // a chunk has at most two parameters, §3.1

  void respond(uint32_t sequence, ReConfigResult result);
  bool is_repeat(uint32_t sequence);
  void handle_outgoing_request(const OutgoingResetRequest& request, Receiver& receiver, EventQueue& events);
  ReConfigResult perform(const OutgoingResetRequest& request, Receiver& receiver, EventQueue& events);
  void handle_incoming_request(const IncomingResetRequest& request, SendQueue& queue);
  void handle_added_streams(const AddStreamsRequest& request);
  void handle_response(const ReConfigResponse& response, SendQueue& queue, EventQueue& events);

  uint32_t next_request_;
  uint32_t expected_request_;
  uint16_t incoming_streams_;
  uint16_t most_incoming_;
  ReConfigResult last_result_ = ReConfigResult::NothingToDo;
  std::optional<OutgoingResetRequest> request_;
  std::optional<OutgoingResetRequest> done_late_;  // the peer's last request, if it was "in progress" before
  std::array<ReConfigResponse, kMaxResponses> responses_;
  size_t response_count_ = 0;
  bool request_due_ = false;
};

}  // namespace kaon::sctp
