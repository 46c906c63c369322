#include "kaon/datachannel/internal/dcep.h"

#include "kaon/base/reader.h"
#include "kaon/base/writer.h"
#include "kaon/datachannel/internal/utf8.h"

namespace kaon::datachannel {

constexpr size_t kFixedSize = 12;

std::optional<DcepOpen> DcepOpen::parse(ByteView message) {
  Reader reader(message);
  if (reader.u8() != static_cast<uint8_t>(DcepType::Open)) return std::nullopt;
  DcepOpen open;
  const uint8_t type = reader.u8();
  open.unordered = (type & kUnorderedBit) != 0;
  open.type = static_cast<ChannelType>(type & ~kUnorderedBit);
  open.priority = reader.u16();
  open.reliability = reader.u32();
  const size_t label_size = reader.u16();
  const size_t protocol_size = reader.u16();
  open.label = as_text(reader.bytes(label_size));
  open.protocol = as_text(reader.bytes(protocol_size));
  const bool known = open.type <= ChannelType::PartialLifetime;
  if (!reader.ok() || !reader.at_end() || !known || !is_utf8(open.label) || !is_utf8(open.protocol))
    return std::nullopt;
  return open;
}

std::vector<uint8_t> DcepOpen::write() const {
  std::vector<uint8_t> out(kFixedSize + label.size() + protocol.size());
  Writer writer(out);
  writer.u8(static_cast<uint8_t>(DcepType::Open));
  writer.u8(static_cast<uint8_t>(static_cast<uint8_t>(type) | (unordered ? kUnorderedBit : 0)));
  writer.u16(priority);
  writer.u32(reliability);
  writer.u16(static_cast<uint16_t>(label.size()));
  writer.u16(static_cast<uint16_t>(protocol.size()));
  writer.bytes(as_bytes(label));
  writer.bytes(as_bytes(protocol));
  return out;
}

}  // namespace kaon::datachannel
