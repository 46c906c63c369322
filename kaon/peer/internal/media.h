// All media of a connection: streams found and made, RTCP in and out, the pacer.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "kaon/base/buffer.h"
#include "kaon/base/env.h"
#include "kaon/base/function.h"
#include "kaon/base/ring.h"
#include "kaon/congestion/pacer.h"
#include "kaon/interceptor/reference_time.h"
#include "kaon/interceptor/transport_feedback_recorder.h"
#include "kaon/interceptor/transport_sequencer.h"
#include "kaon/peer/connection_types.h"
#include "kaon/peer/internal/receive_stream.h"
#include "kaon/peer/internal/send_stream.h"
#include "kaon/rtcp/message.h"
#include "kaon/srtp/receiver.h"
#include "kaon/srtp/sender.h"
#include "kaon/trace/event.h"

namespace kaon::peer::internal {

/// Received streams of a connection. Beyond, the one that has been silent for longest is forgotten; if none has been
/// for kStreamSilence, new SSRCs are dropped and counted.
inline constexpr size_t kMaxReceiveStreams = 64;
inline constexpr Duration kStreamSilence = std::chrono::seconds(1);

/// Under which reason a packet that SRTP refused is counted; `malformed` is the one of its kind.
DropReason reason_of(srtp::UnprotectError error, DropReason malformed);

/// Events of media that wait for poll_event(); further ones are lost.
inline constexpr size_t kMaxMediaEvents = 64;

/// Media that has paused for longer has ended, or begins anew: data need not keep the path's queue short for it.
inline constexpr Duration kMediaPause = std::chrono::seconds(5);

class Media {
 public:
  /// A run of equal packets in the caller's memory.
  struct Run {
    size_t size = 0;
    size_t segment_size = 0;
    size_t packets = 0;
    uint8_t dscp = 0;
  };
  using Emit = Function<void(Event)>;

  Media(Env env, BufferPool& pool, const Config& config);

  /// Brings sections and streams to what was agreed.
  void apply(const NegotiatedSession& session, std::span<const Transceiver> transceivers, const std::string& cname,
             const Emit& emit);

  /// There are sections of audio or video.
  bool negotiated() const { return !sections_.empty(); }

  // media_receive.cc
  /// False if it was not authenticated; so too handle_rtcp().
  bool handle_rtp(ByteView packet, srtp::Receiver& srtp, Time now);
  std::optional<MediaPacket> poll_media();
  std::optional<MediaFrame> poll_frame(Time now);
  void request_keyframe(TransceiverId id, Time now);
  void set_delivery(TransceiverId id, Delivery delivery);

  // media_send.cc
  std::optional<packetizer::Codec> send_codec(TransceiverId id) const;
  Result<void, MediaError> send_frame(TransceiverId id, packetizer::Codec codec, const OutgoingFrame& frame, Time now);
  Result<void, MediaError> send_packet(TransceiverId id, packetizer::Codec codec, const rtp::Packet& packet, Time now);
  std::optional<Run> poll_transmit(Bytes out, srtp::Sender& srtp, Time now);

  // media_rtcp.cc
  bool handle_rtcp(ByteView packet, srtp::Receiver& srtp, Time now);
  /// Key frame requests of the peer and the like.
  std::optional<Event> poll_event();
  void close(Time now);

  void handle_timeout(Time now);
  Time next_timeout() const;
  /// Media has been sent within kMediaPause: what else is sent gives way to it.
  bool is_sending(Time now) const { return now < last_sent_ + kMediaPause; }
  void set_round_trip_time(Duration rtt);
  void set_srtp_overhead(size_t rtp) { srtp_overhead_ = rtp; }
  void fill(Stats& stats) const;
  const Counters<DropReason>& drops() const { return drops_; }

 private:
  struct RtxBinding {
    rtp::Ssrc rtx;
    rtp::Ssrc media;
  };

  // media.cc
  void apply_extensions(const NegotiatedSession& session);
  void apply_senders(const NegotiatedMedia& media, std::span<const Transceiver> transceivers);
  void forget_streams(TransceiverId id);
  void forget_stopped(std::span<const Transceiver> transceivers);
  void bind(rtp::Ssrc rtx, rtp::Ssrc media);

  // media_receive.cc
  void handle_plain_rtp(rtp::Packet&& packet, Time now);
  ReceiveStream* find_stream(rtp::Ssrc ssrc);
  ReceiveStream* bind_stream(const rtp::Packet& packet, Time now);
  ReceiveStream* bind_rtx(const rtp::Packet& packet);
  const ReceiveSection* section_of(const rtp::Packet& packet) const;
  const ReceiveSection* section_of(TransceiverId id) const;
  ReceiveStream* make_stream(rtp::Ssrc ssrc, const ReceiveSection& section, const rtp::Packet& packet, Time now);
  bool forget_silent_stream(Time now);
  void deliver(ReceiveStream& stream, rtp::Packet&& packet, Time now);
  Delivery delivery_of(TransceiverId id) const;

  // media_send.cc
  SendStream* find_sender(TransceiverId id);
  const SendStream* find_sender(TransceiverId id) const;
  SendStream* find_sender(rtp::Ssrc ssrc);
  size_t write_header(const rtp::Packet& packet, const SendStream& sender, Time now, Bytes out);
  std::optional<Run> transmit_packets(Bytes out, srtp::Sender& srtp, Time now);

  // media_rtcp.cc
  void trace_rtcp(trace::Direction direction, ByteView compound, Time now);
  void handle_message(const rtcp::Message& message, Time now);
  void handle_reports(const rtcp::List<rtcp::ReportBlock>& reports, Time now);
  void handle_nack(const rtcp::Nack& nack, Time now);
  void handle_keyframe_request(rtp::Ssrc media, Time now);
  std::optional<Run> transmit_rtcp(Bytes out, srtp::Sender& srtp, Time now);
  size_t build_rtcp(Bytes out, Time now);
  void add_reports(rtcp::CompoundBuilder& builder, Time now);
  size_t write_feedback(Bytes out, Time now);
  NtpTime ntp(Time now) const { return to_ntp(now.time_since_epoch() + unix_time_at_zero_); }

  Env env_;
  BufferPool& pool_;
  Delivery delivery_;
  std::vector<TransceiverId> exceptions_;  // those that come in the other form
  size_t mtu_;
  std::optional<Dscp> dscp_;
  std::chrono::nanoseconds unix_time_at_zero_;
  size_t srtp_overhead_ = 16;

  std::vector<ReceiveSection> sections_;
  std::vector<std::unique_ptr<ReceiveStream>> streams_;
  std::vector<RtxBinding> rtx_;
  ReceiveStream* last_stream_ = nullptr;
  rtp::ExtensionMap receive_extensions_;
  interceptor::TransportFeedbackRecorder feedback_;
  bool sends_feedback_ = false;
  Ring<MediaPacket> received_;

  std::vector<std::unique_ptr<SendStream>> senders_;
  rtp::ExtensionMap send_extensions_;
  congestion::Pacer pacer_;
  interceptor::TransportSequencer sequencer_;
  interceptor::ReferenceTimeResponder reference_times_;

  rtp::Ssrc local_ssrc_;  // of feedback while we send nothing
  std::string cname_;
  bool reduced_size_ = false;
  Time last_sent_ = Time::min();
  Time next_report_ = kNever;
  bool say_bye_ = false;
  Duration round_trip_ = std::chrono::milliseconds(100);
  Ring<Event> events_;
  Counters<DropReason> drops_;
};

}  // namespace kaon::peer::internal
