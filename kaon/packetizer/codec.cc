#include "kaon/packetizer/codec.h"

#include "kaon/packetizer/av1.h"
#include "kaon/packetizer/h26x.h"
#include "kaon/packetizer/vp8.h"
#include "kaon/packetizer/vp9.h"

namespace kaon::packetizer {
namespace {

struct Entry {
  Codec codec;
  std::string_view name;
  uint32_t clock_rate;
};

// In the order of the enum.
constexpr std::array<Entry, 9> kCodecs = {{{Codec::Vp8, "VP8", 90000},
                                           {Codec::Vp9, "VP9", 90000},
                                           {Codec::Av1, "AV1", 90000},
                                           {Codec::H264, "H264", 90000},
                                           {Codec::H265, "H265", 90000},
                                           {Codec::Opus, "opus", 48000},
                                           {Codec::Pcmu, "PCMU", 8000},
                                           {Codec::Pcma, "PCMA", 8000},
                                           {Codec::G722, "G722", 8000}}};

const Entry& entry(Codec codec) { return kCodecs[static_cast<size_t>(codec)]; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string_view encoding_name(Codec codec) { return entry(codec).name; }
uint32_t clock_rate(Codec codec) { return entry(codec).clock_rate; }

std::optional<Codec> codec_from_name(std::string_view name) {
  for (const Entry& known : kCodecs) {
    if (std::ranges::equal(known.name, name, {}, lower, lower)) return known.codec;
  }
  return std::nullopt;
}

bool is_video(Codec codec) { return codec <= Codec::H265; }

FrameInfo inspect_frame(Codec codec, ByteView frame) {
  switch (codec) {
    case Codec::Vp8: return inspect_vp8_frame(frame);
    case Codec::Vp9: return inspect_vp9_frame(frame);
    case Codec::Av1: return inspect_av1_frame(frame);
    case Codec::H264:
    case Codec::H265: return inspect_nal_frame(codec, frame);
    case Codec::Opus:
    case Codec::Pcmu:
    case Codec::Pcma:
    case Codec::G722: break;
  }
  return {.keyframe = true};
}

}  // namespace kaon::packetizer
