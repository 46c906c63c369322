// What TURN puts on the wire beside STUN: ChannelData, framing on byte streams, and the values of its attributes.
#pragma once

#include <cstdint>
#include <optional>

#include "kaon/base/bytes.h"
#include "kaon/base/result.h"
#include "kaon/base/strong.h"
#include "kaon/base/time.h"
#include "kaon/net/address.h"
#include "kaon/net/datagram.h"

namespace kaon::turn {

/// RFC 8656 §12: numbers that a client chooses channels from.
inline constexpr uint16_t kMinChannel = 0x4000;
inline constexpr uint16_t kMaxChannel = 0x4fff;
/// What clients of RFC 5766 §11 may choose; taken too, for there are many of them.
inline constexpr uint16_t kMaxOldChannel = 0x7fff;
constexpr bool is_channel(uint16_t number) { return number >= kMinChannel && number <= kMaxOldChannel; }

/// RFC 8656 §3.2, §9, §12: how long what a client makes lives unless it is refreshed.
inline constexpr Duration kDefaultLifetime = std::chrono::seconds(600);
inline constexpr Duration kPermissionLifetime = std::chrono::seconds(300);
inline constexpr Duration kChannelLifetime = std::chrono::seconds(600);

/// Bytes in front of the data of a ChannelData message.
inline constexpr size_t kChannelHeader = 4;

/// ChannelData, RFC 8656 §12.4:
///
///   0                   1                   2                   3
///  +-------------------------------+-------------------------------+
///  |        channel number         |         length of data        |
///  +-------------------------------+-------------------------------+
///  |  data, on TCP and TLS padded to a multiple of four bytes      |
struct ChannelData {
  uint16_t channel = 0;
  ByteView data;
};
/// True if the first byte is one of ChannelData's: 64 to 79 (RFC 9443 §3), and up to 127 from clients of RFC 5766. To
/// be asked of what a TURN client and its server exchange only.
inline bool is_channel_data(ByteView bytes) { return !bytes.empty() && bytes[0] >= 0x40 && bytes[0] <= 0x7f; }
/// One whole message; padding behind the data is allowed and left out. Nothing if malformed.
std::optional<ChannelData> parse_channel_data(ByteView bytes);
/// Writes the header for `size` bytes of data; `out` holds kChannelHeader bytes.
void write_channel_header(uint8_t* out, uint16_t channel, size_t size);

/// True for the legs that are byte streams: messages are framed and ChannelData is padded there (RFC 8656 §12.5).
constexpr bool is_stream(net::Protocol protocol) {
  return protocol == net::Protocol::Tcp || protocol == net::Protocol::Tls;
}
/// A size with its padding to a multiple of four.
constexpr size_t padded(size_t size) { return (size + 3) & ~size_t{3}; }

/// The next message of a byte stream.
struct Frame {
  size_t size = 0;   ///< of the message, without padding of ChannelData
  size_t total = 0;  ///< bytes it takes in the stream
};
/// The stream is no TURN: close it.
enum class FrameError : uint8_t { NotTurn };
/// How long the message at the front of a byte stream is: STUN or ChannelData. No value in the Result's optional: not
/// enough bytes to tell. The frame may be longer than what is there: then wait for the rest. At most kMaxFrame.
Result<std::optional<Frame>, FrameError> next_frame(ByteView stream);
/// The largest frame there can be: the header of STUN and 65,535 bytes, padded.
inline constexpr size_t kMaxFrame = 65556;

/// CONNECTION-ID, RFC 6062 §6.2.1: one TCP connection with a peer. Drawn at random, never zero.
using ConnectionId = Strong<struct ConnectionIdTag, uint32_t>;

/// REQUESTED-TRANSPORT, RFC 8656 §18.8: protocol number of IP in the first byte.
inline constexpr uint8_t kTransportTcp = 6;
inline constexpr uint8_t kTransportUdp = 17;
constexpr uint32_t requested_transport(uint8_t protocol) { return uint32_t{protocol} << 24; }

/// REQUESTED-ADDRESS-FAMILY and ADDITIONAL-ADDRESS-FAMILY, RFC 8656 §18.9, §18.11.
uint32_t address_family_value(net::Family family);
/// None for a family that does not exist.
net::Family address_family_of(uint32_t value);

/// ADDRESS-ERROR-CODE, RFC 8656 §18.12: the family that was not given, and why; the reason is left out.
struct AddressError {
  net::Family family = net::Family::None;
  uint16_t number = 0;
};
uint32_t address_error_value(const AddressError& error);
std::optional<AddressError> parse_address_error(ByteView value);

/// ICMP, RFC 8656 §18.13: why a datagram of ours did not reach the peer.
struct IcmpError {
  uint8_t type = 0;
  uint16_t code = 0;
  uint32_t data = 0;  ///< the next hop's MTU where the type says so, else zero
  bool operator==(const IcmpError&) const = default;
};
uint64_t icmp_value(const IcmpError& error);
IcmpError icmp_of(uint64_t value);

}  // namespace kaon::turn
