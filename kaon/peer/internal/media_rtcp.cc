// RTCP: what the peer reports and asks for, and what we do.

#include <algorithm>
#include <array>

#include "kaon/peer/internal/media.h"
#include "kaon/trace/sink.h"

namespace kaon::peer::internal {
namespace {

// RFC 3550 §6.2 asks for five seconds; browsers report once a second and expect the same.
constexpr Duration kReportInterval = std::chrono::seconds(1);
constexpr size_t kMaxRtcp = 1150;
// Reports of a few streams go before it in the same packet.
constexpr size_t kMaxFeedback = 700;
constexpr size_t kNackBatch = 128;

}  // namespace

// -- in --------------------------------------------------------------------------------------------------------------

bool Media::handle_rtcp(ByteView packet, srtp::Receiver& srtp, Time now) {
  if (packet.size() > 2048) return drops_.add(DropReason::MalformedRtcp), false;
  std::array<uint8_t, 2048> plain;
  const auto size = srtp.unprotect_rtcp(packet, plain);
  if (!size) return drops_.add(reason_of(size.error(), DropReason::MalformedRtcp)), false;
  trace_rtcp(trace::Direction::In, Bytes(plain).first(*size), now);
  const auto compound = rtcp::Compound::parse(Bytes(plain).first(*size));
  if (!compound) return drops_.add(DropReason::MalformedRtcp), true;
  for (const rtcp::PacketView& view : *compound) {
    if (const auto message = rtcp::parse_message(view)) {
      handle_message(*message, now);
    } else {
      drops_.add(DropReason::MalformedRtcp);
    }
  }
  return true;
}

void Media::trace_rtcp(trace::Direction direction, ByteView compound, Time now) {
  if (env_.trace != nullptr)
    env_.trace->packet({.layer = trace::Layer::Rtcp, .direction = direction, .time = now, .bytes = compound});
}

void Media::handle_message(const rtcp::Message& message, Time now) {
  if (const auto* report = std::get_if<rtcp::SenderReport>(&message)) {
    if (ReceiveStream* stream = find_stream(report->sender)) stream->statistics().on_sender_report(*report, now);
    handle_reports(report->reports, now);
  } else if (const auto* receiver = std::get_if<rtcp::ReceiverReport>(&message)) {
    handle_reports(receiver->reports, now);
  } else if (const auto* nack = std::get_if<rtcp::Nack>(&message)) {
    handle_nack(*nack, now);
  } else if (const auto* pli = std::get_if<rtcp::PictureLossIndication>(&message)) {
    handle_keyframe_request(pli->head.media, now);
  } else if (const auto* fir = std::get_if<rtcp::FullIntraRequest>(&message)) {
    for (const rtcp::FullIntraItem& item : fir->items) handle_keyframe_request(item.media, now);
  } else if (const auto* feedback = std::get_if<rtcp::TransportFeedback>(&message)) {
    sequencer_.on_feedback(*feedback, now);
  } else if (const auto* extended = std::get_if<rtcp::ExtendedReport>(&message)) {
    rtcp::ExtendedReport::Cursor cursor(*extended);
    while (const auto block = cursor.next()) {
      if (const auto* time = std::get_if<rtcp::ReceiverReferenceTime>(&*block))
        reference_times_.on_reference_time(extended->sender, *time, now);
    }
  }
}

void Media::handle_reports(const rtcp::List<rtcp::ReportBlock>& reports, Time now) {
  for (const rtcp::ReportBlock& block : reports) {
    SendStream* sender = find_sender(block.source);
    if (sender != nullptr && sender->ssrc() == block.source) sender->on_report(block, ntp(now));
  }
}

void Media::handle_nack(const rtcp::Nack& nack, Time now) {
  SendStream* sender = find_sender(nack.head.media);
  if (sender == nullptr) return;
  sender->on_nack(nack, now, [this](rtp::Packet packet) {
    const DataSize size = DataSize::bytes(static_cast<int64_t>(packet.wire_size() + srtp_overhead_));
    pacer_.push(congestion::Priority::Retransmission, std::move(packet), size);
  });
}

void Media::handle_keyframe_request(rtp::Ssrc media, Time now) {
  SendStream* sender = find_sender(media);
  if (sender == nullptr || !sender->on_keyframe_request(now) || events_.size() == kMaxMediaEvents) return;
  events_.push_back(KeyframeRequested{sender->transceiver()});
}

std::optional<Event> Media::poll_event() {
  if (events_.empty()) return std::nullopt;
  return events_.pop_front();
}

// -- out -------------------------------------------------------------------------------------------------------------

std::optional<Media::Run> Media::transmit_rtcp(Bytes out, srtp::Sender& srtp, Time now) {
  std::array<uint8_t, kMaxRtcp> plain;
  const size_t size = build_rtcp(plain, now);
  if (size == 0) return std::nullopt;
  trace_rtcp(trace::Direction::Out, Bytes(plain).first(size), now);
  const auto written = srtp.protect_rtcp(Bytes(plain).first(size), out);
  if (!written) return std::nullopt;
  return Run{*written, 0, 1};
}

// A compound of what is due; zero if nothing is.
size_t Media::build_rtcp(Bytes out, Time now) {
  rtcp::CompoundBuilder builder(out);
  const bool report = now >= next_report_;
  std::array<uint8_t, kMaxFeedback> feedback;
  const size_t feedback_size = write_feedback(feedback, now);
  if (report || (feedback_size > 0 && !reduced_size_) || say_bye_) add_reports(builder, now);
  if (report) next_report_ = now + kReportInterval;
  size_t size = builder.size();
  std::copy_n(feedback.begin(), feedback_size, out.begin() + static_cast<ptrdiff_t>(size));
  size += feedback_size;
  if (std::exchange(say_bye_, false)) {
    rtcp::CompoundBuilder end(out.subspan(size));
    std::vector<rtcp::SsrcItem> sources;
    for (const auto& sender : senders_) sources.push_back({sender->ssrc()});
    sources.resize(std::min(sources.size(), rtcp::kMaxCount));
    end.add(rtcp::Bye{.sources = sources, .reason = {}});
    size += end.size();
  }
  return size;
}

// Sender reports of what we send, else a receiver report; report blocks go with the first; then the CNAME and answers
// to reference times.
void Media::add_reports(rtcp::CompoundBuilder& builder, Time now) {
  std::array<rtcp::ReportBlock, rtcp::kMaxCount> blocks;
  size_t count = 0;
  for (const auto& stream : streams_) {
    if (count == blocks.size() || !stream->take_active()) continue;
    if (const auto block = stream->statistics().make_report(now)) blocks[count++] = *block;
  }
  const rtcp::List<rtcp::ReportBlock> reports(std::span<const rtcp::ReportBlock>(blocks).first(count));
  rtp::Ssrc first = local_ssrc_;
  bool reported = false;
  for (const auto& sender : senders_) {
    auto report = sender->make_report(now, ntp(now));
    if (!report) continue;
    if (!reported) {
      report->reports = reports;
      first = sender->ssrc();
    }
    reported = builder.add(*report) || reported;
  }
  if (!reported) builder.add(rtcp::ReceiverReport{.sender = first, .reports = reports});
  builder.add(rtcp::Cname{first, cname_});
  if (const auto items = reference_times_.take_items(now); !items.empty()) {
    const rtcp::XrBlock block = rtcp::Dlrr{.items = items};
    builder.add(rtcp::ExtendedReport{.sender = first, .blocks = {}, .outgoing = std::span(&block, 1)});
  }
}

size_t Media::write_feedback(Bytes out, Time now) {
  rtcp::CompoundBuilder builder(out);
  const rtp::Ssrc own = senders_.empty() ? local_ssrc_ : senders_.front()->ssrc();
  for (const auto& stream : streams_) {
    const rtcp::FeedbackHead head{own, stream->ssrc()};
    std::array<rtp::SequenceNumber, kNackBatch> lost;
    const size_t missing = stream->format().nack ? stream->nacks().poll(now, lost) : 0;
    if (missing > 0) {
      std::array<rtcp::NackItem, kNackBatch> items;
      const size_t packed = rtcp::pack_nack_items(std::span(lost).first(missing), items);
      if (builder.add(rtcp::Nack{head, std::span<const rtcp::NackItem>(items).first(packed)}))
        ++stream->statistics().stats().nack_count;
    }
    if (stream->keyframes().poll(now)) {
      ++stream->statistics().stats().pli_count;
      if (stream->format().pli) {
        builder.add(rtcp::PictureLossIndication{head});
      } else if (stream->format().fir) {
        const rtcp::FullIntraItem item{stream->ssrc(), stream->next_fir_sequence()};
        builder.add(rtcp::FullIntraRequest{{own, {}}, std::span(&item, 1)});
      }
    }
  }
  if (!sends_feedback_) return builder.size();
  return builder.size() + feedback_.poll(now, own, out.subspan(builder.size()));
}

}  // namespace kaon::peer::internal
