#include "kaon/sctp/internal/stream_reset.h"

#include <algorithm>

namespace kaon::sctp {

bool StreamReset::handle(ByteView reconfig, Receiver& receiver, SendQueue& queue, EventQueue& events, bool& answered) {
  ParameterReader parameters(reconfig);
  size_t count = 0;
  while (const auto parameter = parameters.next()) {
    if (++count > kMaxResponses) return false;
    switch (static_cast<ReConfigParameter>(parameter->type)) {
      case ReConfigParameter::OutgoingSsnReset: {
        const auto request = OutgoingResetRequest::parse(parameter->value);
        if (!request) return false;
        handle_outgoing_request(*request, receiver, events);
        break;
      }
      case ReConfigParameter::IncomingSsnReset: {
        const auto request = IncomingResetRequest::parse(parameter->value);
        if (!request) return false;
        handle_incoming_request(*request, queue);
        break;
      }
      case ReConfigParameter::AddOutgoingStreams: {
        const auto request = AddStreamsRequest::parse(parameter->value);
        if (!request) return false;
        handle_added_streams(*request);
        break;
      }
      case ReConfigParameter::SsnTsnReset:
      case ReConfigParameter::AddIncomingStreams: {
        if (parameter->value.size() < 4) return false;
        const uint32_t sequence = load_be32(parameter->value.data());
        if (!is_repeat(sequence)) {
          last_result_ = ReConfigResult::Denied;
          respond(sequence, last_result_);
        }
        break;
      }
      case ReConfigParameter::Response: {
        const auto response = ReConfigResponse::parse(parameter->value);
        if (!response) return false;
        handle_response(*response, queue, events);
        answered = true;
        break;
      }
      default: return false;
    }
  }
  return !parameters.malformed();
}

void StreamReset::respond(uint32_t sequence, ReConfigResult result) {
  for (size_t i = 0; i < response_count_; ++i) {
    if (responses_[i].sequence == sequence) return void(responses_[i].result = result);
  }
  if (response_count_ < kMaxResponses) responses_[response_count_++] = {sequence, result};
}

// §5.2.1: the last request again gets its answer again, all others but the next one are out of sequence. Answers true
// if the request is dealt with thereby; otherwise it is the next one.
bool StreamReset::is_repeat(uint32_t sequence) {
  if (sequence == expected_request_) {
    ++expected_request_;
    return false;
  }
  respond(sequence, sequence == expected_request_ - 1 ? last_result_ : ReConfigResult::BadSequenceNumber);
  return true;
}

void StreamReset::handle_outgoing_request(const OutgoingResetRequest& request, Receiver& receiver, EventQueue& events) {
  // Some ask again with the same number after "in progress", some with a new one: both find the work done once it can
  // be.
  const bool again = request.request_sequence == expected_request_ - 1 && last_result_ == ReConfigResult::InProgress;
  if (!again && is_repeat(request.request_sequence)) return;
  // Who has heard of "in progress" only asks under a new number for what has been done under the old one meanwhile.
  if (!again && done_late_ && done_late_->last_assigned_tsn == request.last_assigned_tsn &&
      done_late_->streams == request.streams) {
    last_result_ = ReConfigResult::Performed;
  } else {
    last_result_ = perform(request, receiver, events);
  }
  done_late_.reset();
  if (again && last_result_ == ReConfigResult::Performed) done_late_ = request;
  respond(request.request_sequence, last_result_);
}

// §5.2.2. E2: while data sent before the reset is missing, the reset is in progress.
ReConfigResult StreamReset::perform(const OutgoingResetRequest& request, Receiver& receiver, EventQueue& events) {
  if (request.last_assigned_tsn.newer_than(receiver.cumulative()) || receiver.reassembly().owes_cleaning() ||
      !events.has_room()) {
    return ReConfigResult::InProgress;
  }
  if (request.streams.empty()) {
    receiver.reassembly().reset_all_streams(events);
  } else {
    for (const StreamId stream : request.streams) receiver.reassembly().reset_stream(stream, events);
  }
  events.push(IncomingStreamsReset{request.streams});
  return ReConfigResult::Performed;
}

// §5.2.3: the peer asks for a reset of ours. The request that follows tells it so by its response sequence number; that
// we took note is said at once.
void StreamReset::handle_incoming_request(const IncomingResetRequest& request, SendQueue& queue) {
  if (is_repeat(request.request_sequence)) return;
  for (const StreamId stream : request.streams) queue.begin_reset(stream);
  last_result_ = request.streams.empty() ? ReConfigResult::Denied : ReConfigResult::Performed;
  respond(request.request_sequence, last_result_);
}

// §5.2.5: as many as our INIT offered, in all.
void StreamReset::handle_added_streams(const AddStreamsRequest& request) {
  if (is_repeat(request.request_sequence)) return;
  const bool fits = request.streams <= most_incoming_ - incoming_streams_;
  if (fits) incoming_streams_ += request.streams;
  last_result_ = fits ? ReConfigResult::Performed : ReConfigResult::Denied;
  respond(request.request_sequence, last_result_);
}

void StreamReset::handle_response(const ReConfigResponse& response, SendQueue& queue, EventQueue& events) {
  if (!request_ || response.sequence != request_->request_sequence) return;
  if (response.result == ReConfigResult::InProgress) {
    // Asked again when the timer fires, under a new number: not everybody looks twice at an old one.
    request_->request_sequence = next_request_++;
    return;
  }
  const bool performed = response.result == ReConfigResult::Performed || response.result == ReConfigResult::NothingToDo;
  std::vector<StreamId> streams = std::move(request_->streams);
  request_.reset();
  request_due_ = false;
  for (const StreamId stream : streams) queue.end_reset(stream, performed);
  if (performed) {
    events.push(OutgoingStreamsReset{std::move(streams)});
  } else {
    events.push(OutgoingResetFailed{std::move(streams)});
  }
}

void StreamReset::prepare(SendQueue& queue, Tsn last_assigned, size_t max_packet_size) {
  if (request_) return;
  constexpr size_t kFixed = kCommonHeaderSize + 2 * kChunkHeaderSize + OutgoingResetRequest::kFixedSize;
  OutgoingResetRequest request;
  request.streams = queue.take_drained((max_packet_size - kFixed) / 2 - 8);
  if (request.streams.empty()) return;
  request.request_sequence = next_request_++;
  request.response_sequence = expected_request_ - 1;
  request.last_assigned_tsn = last_assigned;
  request_ = std::move(request);
  request_due_ = true;
}

bool StreamReset::write(PacketWriter& writer) {
  for (; response_count_ != 0; --response_count_) {
    constexpr size_t kSize = kChunkHeaderSize + ReConfigResponse::kSize;
    if (writer.space() < kSize) return false;
    const Bytes out = writer.add(ChunkType::ReConfig, 0, kSize);
    store_be16(&out[0], static_cast<uint16_t>(ReConfigParameter::Response));
    store_be16(&out[2], kSize);
    responses_[response_count_ - 1].write(out.subspan(kChunkHeaderSize));
  }
  if (!request_due_ || writer.space() < kChunkHeaderSize + request_->size()) return false;
  const Bytes out = writer.add(ChunkType::ReConfig, 0, kChunkHeaderSize + request_->size());
  store_be16(&out[0], static_cast<uint16_t>(ReConfigParameter::OutgoingSsnReset));
  store_be16(&out[2], static_cast<uint16_t>(kChunkHeaderSize + request_->size()));
  request_->write(out.subspan(kChunkHeaderSize));
  request_due_ = false;
  return true;
}

}  // namespace kaon::sctp
