#include "kaon/rtp/header.h"

#include "kaon/base/reader.h"
#include "kaon/base/text.h"

namespace kaon::rtp {

std::string Header::to_string() const {
  return cat("ssrc=", ssrc.value(), " pt=", int{payload_type}, " seq=", sequence.value(), " ts=", timestamp.value(),
             marker ? " marker" : "");
}

const char* to_string(ParseError error) {
  switch (error) {
    case ParseError::TooShort: return "too short";
    case ParseError::Version: return "version";
    case ParseError::CsrcsPastEnd: return "csrcs past end";
    case ParseError::ExtensionPastEnd: return "extension past end";
    case ParseError::Padding: return "padding";
    case ParseError::Count: break;
  }
  return "?";
}

// RFC 3550 §5.1
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |                           timestamp                           |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |           synchronization source (SSRC) identifier            |
//  +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//  |            contributing source (CSRC) identifiers, 0 to 15    |
//  +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//  |      defined by profile       |  length in words              |  if X
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
Result<PacketView, ParseError> PacketView::parse_encrypted(ByteView packet) {
  if (packet.size() < kFixedHeaderSize) return fail(ParseError::TooShort);
  if (packet[0] >> 6 != 2) return fail(ParseError::Version);
  PacketView view;
  Header& header = view.header;
  header.marker = (packet[1] & 0x80) != 0;
  header.payload_type = packet[1] & 0x7f;
  header.sequence = SequenceNumber(load_be16(&packet[2]));
  header.timestamp = Timestamp(load_be32(&packet[4]));
  header.ssrc = Ssrc(load_be32(&packet[8]));

  Reader reader(packet);
  reader.skip(kFixedHeaderSize);
  const size_t csrcs = packet[0] & 0x0f;
  if (reader.remaining() < csrcs * 4) return fail(ParseError::CsrcsPastEnd);
  for (size_t i = 0; i < csrcs; ++i) header.csrcs.push_back(Ssrc(reader.u32()));
  if ((packet[0] & 0x10) != 0) {
    view.extension_profile = reader.u16();
    const size_t words = reader.u16();
    view.extension = reader.bytes(words * 4);
    if (!reader.ok()) return fail(ParseError::ExtensionPastEnd);
  }
  view.payload = reader.rest();
  return view;
}

Result<PacketView, ParseError> PacketView::parse(ByteView packet) {
  KAON_TRY(PacketView view, parse_encrypted(packet));
  if ((packet[0] & 0x20) == 0) return view;
  // The last byte counts the padding, itself included.
  const size_t padding = view.payload.empty() ? 0 : view.payload.back();
  if (padding == 0 || padding > view.payload.size()) return fail(ParseError::Padding);
  view.padding_size = static_cast<uint8_t>(padding);
  view.payload = view.payload.first(view.payload.size() - padding);
  return view;
}

}  // namespace kaon::rtp
