// The Data Channel Establishment Protocol, RFC 8832 §5.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kaon/base/bytes.h"

namespace kaon::datachannel {

// RFC 8831 §8.
enum class PpidValue : uint32_t {
  Dcep = 50,
  String = 51,
  BinaryPartial = 52,  // deprecated, still understood
  Binary = 53,
  StringPartial = 54,  // deprecated, still understood
  StringEmpty = 56,
  BinaryEmpty = 57,
};

enum class DcepType : uint8_t { Ack = 2, Open = 3 };

// RFC 8832 §5.1.
enum class ChannelType : uint8_t { Reliable = 0, PartialRetransmits = 1, PartialLifetime = 2 };
inline constexpr uint8_t kUnorderedBit = 0x80;

//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |  Message Type |  Channel Type |            Priority           |
//  |                    Reliability Parameter                      |
//  |         Label Length          |       Protocol Length         |
//  \                             Label                             \.
//  \                            Protocol                           \.
struct DcepOpen {
  ChannelType type = ChannelType::Reliable;
  bool unordered = false;
  uint16_t priority = 0;
  uint32_t reliability = 0;
  std::string label;
  std::string protocol;

  /// A whole message; nothing if the type is unknown, lengths do not add up or the texts are no UTF-8.
  static std::optional<DcepOpen> parse(ByteView message);
  /// Label and protocol have at most 65535 bytes each.
  std::vector<uint8_t> write() const;
};

}  // namespace kaon::datachannel
