#include "kaon/peer/internal/media.h"

#include <algorithm>

#include "kaon/base/text.h"

namespace kaon::peer::internal {
namespace {

std::optional<packetizer::Codec> media_codec(const NegotiatedCodec& codec) {
  return packetizer::codec_from_name(codec.name);
}

ReceiveSection receive_section(const NegotiatedMedia& media) {
  ReceiveSection section;
  section.mid = media.mid;
  section.transceiver = media.transceiver;
  section.kind = media.kind;
  section.receives = !media.rejected && sdp::receives(media.direction);
  section.streams = media.remote_streams;
  section.rids = media.receive_rids;
  for (const NegotiatedCodec& codec : media.codecs) {
    if (const auto known = media_codec(codec)) {
      section.codecs.push_back(
          {*known, codec.receive_payload_type, codec.receive_rtx_payload_type, codec.nack, codec.pli, codec.fir});
    }
  }
  return section;
}

std::vector<SendCodec> send_codecs(const NegotiatedMedia& media) {
  std::vector<SendCodec> codecs;
  if (media.rejected || !sdp::sends(media.direction)) return codecs;
  for (const NegotiatedCodec& codec : media.codecs) {
    const auto known = media_codec(codec);
    if (!known) continue;
    const auto mode = sdp::parameter(codec.send_parameters, "packetization-mode");
    codecs.push_back({*known, codec.send_payload_type, codec.send_rtx_payload_type, codec.nack, mode == "1" ? 1 : 0});
  }
  return codecs;
}

}  // namespace

Media::Media(Env env, BufferPool& pool, const Config& config)
    : env_(env),
      pool_(pool),
      delivery_(config.delivery),
      mtu_(config.mtu),
      dscp_(config.dscp),
      unix_time_at_zero_(config.unix_time_at_zero),
      local_ssrc_(static_cast<uint32_t>(env.random.below(0xffffffff) + 1)) {}

// Ids mean the same in all bundled sections (RFC 9143 §9), so one map serves the transport.
void Media::apply_extensions(const NegotiatedSession& session) {
  receive_extensions_ = {};
  send_extensions_ = {};
  receive_extensions_.allow_mixed = send_extensions_.allow_mixed = session.extmap_allow_mixed;
  sends_feedback_ = false;
  for (const NegotiatedMedia& media : session.media) {
    if (media.rejected) continue;
    reduced_size_ = reduced_size_ || media.reduced_size_rtcp;
    for (const NegotiatedCodec& codec : media.codecs) sends_feedback_ = sends_feedback_ || codec.transport_cc;
    for (const NegotiatedExtension& extension : media.extensions) {
      // Known already from another section: the ids are equal then.
      if (sdp::receives(extension.direction)) static_cast<void>(receive_extensions_.add(extension.id, extension.kind));
      if (sdp::sends(extension.direction)) static_cast<void>(send_extensions_.add(extension.id, extension.kind));
    }
  }
}

void Media::apply(const NegotiatedSession& session, std::span<const Transceiver> transceivers, const std::string& cname,
                  const Emit& emit) {
  cname_ = cname;
  apply_extensions(session);
  std::vector<ReceiveSection> before = std::move(sections_);
  sections_.clear();
  for (const NegotiatedMedia& media : session.media) {
    ReceiveSection section = receive_section(media);
    const auto old =
        std::find_if(before.begin(), before.end(), [&](const auto& s) { return s.transceiver == section.transceiver; });
    const bool received = old != before.end() && old->receives;
    if (section.receives && !received) emit(TrackAdded{section.transceiver, section.kind, media.remote_msids});
    if (!section.receives && received) {
      emit(TrackRemoved{section.transceiver});
      forget_streams(section.transceiver);
    }
    for (const RemoteStream& stream : section.streams) {
      if (stream.rtx_ssrc) bind(rtp::Ssrc(*stream.rtx_ssrc), rtp::Ssrc(stream.ssrc));
    }
    sections_.push_back(std::move(section));
    apply_senders(media, transceivers);
  }
  forget_stopped(transceivers);
}

// Sections come and go for as long as a connection lives; what they left behind must not add up.
void Media::forget_stopped(std::span<const Transceiver> transceivers) {
  const auto gone = [&](TransceiverId id) {
    return std::none_of(transceivers.begin(), transceivers.end(), [&](const Transceiver& t) { return t.id == id; });
  };
  std::erase_if(senders_, [&](const auto& sender) { return gone(sender->transceiver()); });
  std::erase_if(exceptions_, gone);
  std::erase_if(rtx_, [&](const RtxBinding& binding) {
    const auto signalled = [&](const RemoteStream& stream) { return stream.rtx_ssrc == binding.rtx.value(); };
    return find_stream(binding.media) == nullptr &&
           std::none_of(sections_.begin(), sections_.end(), [&](const ReceiveSection& section) {
             return std::any_of(section.streams.begin(), section.streams.end(), signalled);
           });
  });
}

void Media::apply_senders(const NegotiatedMedia& media, std::span<const Transceiver> transceivers) {
  const auto transceiver =
      std::find_if(transceivers.begin(), transceivers.end(), [&](const auto& t) { return t.id == media.transceiver; });
  if (transceiver == transceivers.end() || transceiver->encodings.empty()) return;
  // Simulcast is received and forwarded; what we send ourselves is one encoding.
  const SendEncoding& encoding = transceiver->encodings.front();
  SendStream* sender = find_sender(media.transceiver);
  if (sender == nullptr) {
    if (!sdp::sends(media.direction) || media.rejected) return;
    senders_.push_back(std::make_unique<SendStream>(media.transceiver, encoding, media.kind, env_.random));
    sender = senders_.back().get();
  }
  sender->negotiate(media.mid, send_codecs(media));
}

void Media::forget_streams(TransceiverId id) {
  last_stream_ = nullptr;
  std::erase_if(streams_, [&](const auto& stream) { return stream->transceiver() == id; });
}

void Media::handle_timeout(Time now) {
  for (const auto& stream : streams_) stream->handle_timeout(now);
}

Time Media::next_timeout() const {
  Time next = std::min(next_report_, pacer_.next_timeout());
  if (sends_feedback_) next = std::min(next, feedback_.next_timeout());
  for (const auto& stream : streams_) next = std::min(next, stream->next_timeout());
  return next;
}

void Media::set_round_trip_time(Duration rtt) {
  if (rtt <= Duration::zero()) return;
  round_trip_ = rtt;
  for (const auto& stream : streams_) stream->set_round_trip(rtt);
  for (const auto& sender : senders_) sender->set_round_trip(rtt);
}

void Media::close(Time) { say_bye_ = !senders_.empty(); }

void Media::fill(Stats& stats) const {
  for (const auto& stream : streams_) stats.inbound.push_back(stream->stats());
  for (const auto& sender : senders_) stats.outbound.push_back(sender->stats());
}

}  // namespace kaon::peer::internal
