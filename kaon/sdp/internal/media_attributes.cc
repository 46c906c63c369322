// The m= line and the attributes of a section.
#include <algorithm>
#include <array>

#include "kaon/base/text.h"
#include "kaon/sdp/internal/attribute_parsers.h"
#include "kaon/sdp/internal/line_reader.h"

namespace kaon::sdp::internal {
namespace {

std::optional<uint8_t> parse_payload_type(std::string_view text) {
  const auto number = parse_number<uint8_t>(text);
  return number && *number <= 127 ? number : std::nullopt;
}

PayloadFormat* find_payload(MediaDescription& media, uint8_t payload_type) {
  const auto it = std::ranges::find(media.payloads, payload_type, &PayloadFormat::payload_type);
  return it == media.payloads.end() ? nullptr : &*it;
}

// Takes "PT " off the front. Lines about a payload type that the m= line does not list are of no use to anybody.
struct Target {
  std::optional<uint8_t> payload_type;
  PayloadFormat* payload = nullptr;
};
Target take_payload(std::string_view& rest, MediaDescription& media) {
  Target target{parse_payload_type(take_word(rest)), nullptr};
  if (target.payload_type) target.payload = find_payload(media, *target.payload_type);
  return target;
}

// RFC 8866 §6.6: "96 VP8/90000" or "111 opus/48000/2".
Verdict parse_rtpmap(std::string_view rest, MediaDescription& media) {
  const Target target = take_payload(rest, media);
  std::string_view encoding = take_word(rest);
  const std::string_view name = take_until(encoding, '/');
  const auto clock_rate = parse_number<uint32_t>(take_until(encoding, '/'));
  const auto channels = encoding.empty() ? std::optional<uint8_t>(1) : parse_number<uint8_t>(encoding);
  if (!target.payload_type || !is_token(name) || !clock_rate || *clock_rate == 0 || !channels || *channels == 0) {
    return bad("malformed a=rtpmap");
  }
  if (target.payload == nullptr) return kFine;
  if (!target.payload->name.empty()) return duplicate("a=rtpmap given twice for a payload type");
  target.payload->name = name;
  target.payload->clock_rate = *clock_rate;
  target.payload->channels = *channels;
  return kFine;
}

Verdict parse_fmtp(std::string_view rest, MediaDescription& media) {
  const Target target = take_payload(rest, media);
  if (!target.payload_type) return media.is_rtp() ? bad("malformed a=fmtp") : kFine;
  if (target.payload == nullptr) return kFine;
  if (!target.payload->parameters.empty()) return duplicate("a=fmtp given twice for a payload type");
  target.payload->parameters = rest;
  return kFine;
}

void add_feedback(PayloadFormat& payload, std::string_view value) {
  if (payload.feedback.size() < kMaxFeedback && !payload.has_feedback(value)) payload.feedback.emplace_back(value);
}

// RFC 4585 §4.2. "*" is kept among the unknown ones and spread at the end of the section, where all names are known.
Verdict parse_rtcp_fb(std::string_view rest, MediaDescription& media) {
  if (rest.starts_with("* ")) {
    media.other.push_back({"rtcp-fb", std::string(rest)});
    return kFine;
  }
  const Target target = take_payload(rest, media);
  if (!target.payload_type || rest.empty()) return bad("malformed a=rtcp-fb");
  if (target.payload != nullptr) add_feedback(*target.payload, rest);
  return kFine;
}

// RFC 8285 §8: "4/recvonly urn:… attributes".
Verdict parse_extmap(std::string_view rest, MediaDescription& media) {
  std::string_view id_text = take_word(rest);
  Extension extension;
  const auto id = parse_number<uint16_t>(take_until(id_text, '/'));
  extension.uri = take_word(rest);
  extension.attributes = rest;
  const bool valid_id = id && ((*id >= 1 && *id <= 255) || (*id >= 4096 && *id <= 4351));
  if (!valid_id || extension.uri.empty()) return bad("malformed a=extmap");
  extension.id = *id;
  if (!id_text.empty()) {
    extension.direction = parse_direction(id_text);
    if (!extension.direction) return bad("malformed direction in a=extmap");
  }
  if (std::ranges::find(media.extensions, extension.id, &Extension::id) != media.extensions.end()) {
    return duplicate("a=extmap gives an id twice");
  }
  media.extensions.push_back(std::move(extension));
  return kFine;
}

// RFC 8830 §2: "stream track", the second part optional.
Verdict parse_msid(std::string_view rest, MediaDescription& media) {
  Msid msid;
  msid.stream = take_word(rest);
  msid.track = take_word(rest);
  if (msid.stream.empty()) return bad("malformed a=msid");
  media.msids.push_back(std::move(msid));
  return kFine;
}

// RFC 5576 §4.1: "SSRC name:value".
Verdict parse_ssrc(std::string_view rest, MediaDescription& media) {
  const auto ssrc = parse_number<uint32_t>(take_word(rest));
  if (!ssrc) return bad("malformed a=ssrc");
  Attribute attribute = split_attribute(rest);
  if (!rest.empty() && !is_token(attribute.name)) return bad("malformed a=ssrc");
  media.ssrcs.push_back({*ssrc, std::move(attribute.name), std::move(attribute.value)});
  return kFine;
}

Verdict parse_ssrc_group(std::string_view rest, MediaDescription& media) {
  SsrcGroup group{std::string(take_word(rest)), {}};
  if (!is_token(group.semantics)) return bad("malformed a=ssrc-group");
  while (!rest.empty()) {
    const std::string_view word = take_word(rest);
    if (word.empty()) continue;
    const auto ssrc = parse_number<uint32_t>(word);
    if (!ssrc || group.ssrcs.size() >= 64) return bad("malformed a=ssrc-group");
    group.ssrcs.push_back(*ssrc);
  }
  media.ssrc_groups.push_back(std::move(group));
  return kFine;
}

// RFC 8851 §10; the RTP header extension carries letters and digits, "-" and "_" are allowed in descriptions.
bool is_rid(std::string_view text) {
  return !text.empty() && text.size() <= kMaxIdLength && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

Verdict parse_rid_payload_types(std::string_view list, Rid& rid) {
  while (!list.empty()) {
    const auto payload_type = parse_payload_type(take_until(list, ','));
    if (!payload_type || rid.payload_types.size() >= 128) return bad("malformed pt= in a=rid");
    rid.payload_types.push_back(*payload_type);
  }
  return kFine;
}

// "q send pt=96,97;max-width=1280".
Verdict parse_rid(std::string_view rest, MediaDescription& media) {
  Rid rid;
  rid.id = take_word(rest);
  const std::string_view direction = take_word(rest);
  if (!is_rid(rid.id) || (direction != "send" && direction != "recv")) return bad("malformed a=rid");
  rid.send = direction == "send";
  while (!rest.empty()) {
    std::string_view value = take_until(rest, ';');
    const std::string_view key = take_until(value, '=');
    if (key == "pt") {
      if (const Verdict verdict = parse_rid_payload_types(value, rid); !verdict.ok()) return verdict;
    } else if (is_token(key)) {
      rid.restrictions.push_back({std::string(key), std::string(value)});
    } else {
      return bad("malformed restriction in a=rid");
    }
  }
  if (media.find_rid(rid.id) != nullptr) return duplicate("a=rid given twice");
  if (media.rids.size() >= kMaxRids) return bad("too many a=rid lines");
  media.rids.push_back(std::move(rid));
  return kFine;
}

// One side of RFC 8853 §5.1: "q,q2;~h;f".
Verdict parse_simulcast_streams(std::string_view list, std::vector<SimulcastStream>& out) {
  if (!out.empty()) return bad("malformed a=simulcast");
  while (!list.empty()) {
    std::string_view alternatives = take_until(list, ';');
    SimulcastStream stream;
    while (!alternatives.empty()) {
      std::string_view id = take_until(alternatives, ',');
      const bool paused = id.starts_with('~');
      if (paused) id.remove_prefix(1);
      if (!is_rid(id) || stream.alternatives.size() >= kMaxRids) return bad("malformed a=simulcast");
      stream.alternatives.push_back({std::string(id), paused});
    }
    if (stream.alternatives.empty() || out.size() >= kMaxRids) return bad("malformed a=simulcast");
    out.push_back(std::move(stream));
  }
  return out.empty() ? bad("malformed a=simulcast") : kFine;
}

Verdict parse_simulcast(std::string_view rest, MediaDescription& media) {
  if (media.simulcast) return duplicate("a=simulcast given twice");
  Simulcast simulcast;
  do {
    const std::string_view direction = take_word(rest);
    if (direction != "send" && direction != "recv") return bad("malformed a=simulcast");
    const Verdict verdict =
        parse_simulcast_streams(take_word(rest), direction == "send" ? simulcast.send : simulcast.recv);
    if (!verdict.ok()) return verdict;
  } while (!rest.empty());
  media.simulcast = std::move(simulcast);
  return kFine;
}

Verdict parse_mid(std::string_view value, MediaDescription& media) {
  if (!media.mid.empty()) return duplicate("a=mid given twice");
  if (!is_mid(value)) return bad("a=mid must be a token of at most 64 characters");
  media.mid = value;
  return kFine;
}

template <class T>
Verdict parse_once(std::string_view value, std::optional<T>& out, const char* message) {
  const auto number = parse_number<T>(value);
  if (!number) return bad(message);
  if (out) return duplicate("attribute given twice");
  out = number;
  return kFine;
}

Verdict parse_sctp_port(std::string_view value, MediaDescription& media) {
  return parse_once(value, media.sctp_port, "a=sctp-port must be a number up to 65535");
}

Verdict parse_max_message_size(std::string_view value, MediaDescription& media) {
  return parse_once(value, media.max_message_size, "malformed a=max-message-size");
}

Verdict parse_sctp_init(std::string_view value, MediaDescription& media) {
  const bool base64 = !value.empty() && value.size() <= 4096 && std::ranges::all_of(value, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '/' ||
           c == '=';
  });
  if (!base64) return bad("a=sctp-init must be base64");
  if (!media.sctp_init.empty()) return duplicate("a=sctp-init given twice");
  media.sctp_init = value;
  return kFine;
}

Verdict parse_candidate(std::string_view value, MediaDescription& media) {
  media.candidates.push_back(cat("candidate:", value));
  return kFine;
}

struct ValueAttribute {
  std::string_view name;
  Verdict (*parse)(std::string_view value, MediaDescription& media);
};
constexpr auto kValueAttributes = std::to_array<ValueAttribute>({
    {"rtpmap", parse_rtpmap},
    {"fmtp", parse_fmtp},
    {"rtcp-fb", parse_rtcp_fb},
    {"extmap", parse_extmap},
    {"ssrc", parse_ssrc},
    {"candidate", parse_candidate},
    {"ssrc-group", parse_ssrc_group},
    {"msid", parse_msid},
    {"mid", parse_mid},
    {"rid", parse_rid},
    {"simulcast", parse_simulcast},
    {"sctp-port", parse_sctp_port},
    {"max-message-size", parse_max_message_size},
    {"sctp-init", parse_sctp_init},
});

struct FlagAttribute {
  std::string_view name;
  bool MediaDescription::* field;
};
constexpr auto kFlagAttributes = std::to_array<FlagAttribute>({
    {"rtcp-mux", &MediaDescription::rtcp_mux},
    {"rtcp-mux-only", &MediaDescription::rtcp_mux_only},
    {"rtcp-rsize", &MediaDescription::rtcp_rsize},
    {"bundle-only", &MediaDescription::bundle_only},
    {"extmap-allow-mixed", &MediaDescription::extmap_allow_mixed},
    {"cryptex", &MediaDescription::cryptex},
    {"end-of-candidates", &MediaDescription::end_of_candidates},
});

// RFC 3551 §6: payload types that need no a=rtpmap.
void name_static_payload(PayloadFormat& payload) {
  struct Static {
    uint8_t payload_type;
    const char* name;
  };
  constexpr Static kStatic[] = {{0, "PCMU"}, {8, "PCMA"}, {9, "G722"}, {13, "CN"}};
  for (const Static& known : kStatic) {
    if (known.payload_type == payload.payload_type && payload.name.empty()) {
      payload.name = known.name;
      payload.clock_rate = 8000;
    }
  }
}

}  // namespace

// RFC 8866 §5.14: "audio 9 UDP/TLS/RTP/SAVPF 111 63".
Verdict parse_media_line(std::string_view value, MediaDescription& out) {
  const auto refused = [](const char* message) { return Verdict{message, ParseError::Code::BadMedia}; };
  std::string_view rest = value;
  out.media = take_word(rest);
  std::string_view ports = take_word(rest);
  const auto port = parse_number<uint16_t>(take_until(ports, '/'));
  out.protocol = take_word(rest);
  if (!is_token(out.media) || !port || out.protocol.empty()) return refused("malformed m= line");
  out.port = *port;
  while (!rest.empty()) {
    const std::string_view format = take_word(rest);
    if (format.empty()) continue;
    if (!out.is_rtp()) {
      if (out.formats.size() >= 128) return refused("too many formats");
      out.formats.emplace_back(format);
      continue;
    }
    const auto payload_type = parse_payload_type(format);
    if (!payload_type) return refused("payload types must be numbers up to 127");
    if (find_payload(out, *payload_type) != nullptr) return duplicate("payload type given twice");
    out.payloads.push_back({.payload_type = *payload_type, .name = {}, .parameters = {}, .feedback = {}});
  }
  if (out.formats.empty() && out.payloads.empty()) return refused("m= line without formats");
  return kFine;
}

Verdict parse_media_attribute(Attribute attribute, MediaDescription& out) {
  Verdict verdict;
  if (parse_transport_attribute(attribute, out.transport, verdict)) return verdict;
  for (const ValueAttribute& known : kValueAttributes) {
    if (attribute.name == known.name) return known.parse(attribute.value, out);
  }
  for (const FlagAttribute& known : kFlagAttributes) {
    if (attribute.name == known.name) {
      out.*known.field = true;
      return kFine;
    }
  }
  if (const auto direction = parse_direction(attribute.name)) {
    if (out.direction && *out.direction != *direction) return duplicate("two directions in a section");
    out.direction = direction;
    return kFine;
  }
  out.other.push_back(std::move(attribute));
  return kFine;
}

void finish_media(MediaDescription& media) {
  for (PayloadFormat& payload : media.payloads) name_static_payload(payload);
  std::vector<std::string> wildcards;
  std::erase_if(media.other, [&](Attribute& attribute) {
    if (attribute.name != "rtcp-fb") return false;
    if (wildcards.size() < kMaxFeedback) wildcards.push_back(attribute.value.substr(2));
    return true;
  });
  for (PayloadFormat& payload : media.payloads) {
    if (equal_ignoring_case(payload.name, "rtx")) continue;
    for (const std::string& value : wildcards) add_feedback(payload, value);
  }
}

}  // namespace kaon::sdp::internal
