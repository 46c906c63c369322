#include "kaon/stun/describe.h"

#include <algorithm>

#include "kaon/net/address.h"
#include "kaon/stun/message.h"

namespace kaon::stun {
namespace {

struct AttributeName {
  Attribute type;
  std::string_view name;
};
constexpr AttributeName kAttributes[] = {
    {Attribute::MappedAddress, "MAPPED-ADDRESS"},
    {Attribute::Username, "USERNAME"},
    {Attribute::MessageIntegrity, "MESSAGE-INTEGRITY"},
    {Attribute::ErrorCode, "ERROR-CODE"},
    {Attribute::UnknownAttributes, "UNKNOWN-ATTRIBUTES"},
    {Attribute::Realm, "REALM"},
    {Attribute::Nonce, "NONCE"},
    {Attribute::MessageIntegritySha256, "MESSAGE-INTEGRITY-SHA256"},
    {Attribute::PasswordAlgorithm, "PASSWORD-ALGORITHM"},
    {Attribute::Userhash, "USERHASH"},
    {Attribute::XorMappedAddress, "XOR-MAPPED-ADDRESS"},
    {Attribute::PasswordAlgorithms, "PASSWORD-ALGORITHMS"},
    {Attribute::AlternateDomain, "ALTERNATE-DOMAIN"},
    {Attribute::Software, "SOFTWARE"},
    {Attribute::AlternateServer, "ALTERNATE-SERVER"},
    {Attribute::Fingerprint, "FINGERPRINT"},
    {Attribute::ChannelNumber, "CHANNEL-NUMBER"},
    {Attribute::Lifetime, "LIFETIME"},
    {Attribute::XorPeerAddress, "XOR-PEER-ADDRESS"},
    {Attribute::Data, "DATA"},
    {Attribute::XorRelayedAddress, "XOR-RELAYED-ADDRESS"},
    {Attribute::RequestedAddressFamily, "REQUESTED-ADDRESS-FAMILY"},
    {Attribute::EvenPort, "EVEN-PORT"},
    {Attribute::RequestedTransport, "REQUESTED-TRANSPORT"},
    {Attribute::DontFragment, "DONT-FRAGMENT"},
    {Attribute::ReservationToken, "RESERVATION-TOKEN"},
    {Attribute::ConnectionId, "CONNECTION-ID"},
    {Attribute::AdditionalAddressFamily, "ADDITIONAL-ADDRESS-FAMILY"},
    {Attribute::AddressErrorCode, "ADDRESS-ERROR-CODE"},
    {Attribute::Icmp, "ICMP"},
    {Attribute::MobilityTicket, "MOBILITY-TICKET"},
    {Attribute::ChangeRequest, "CHANGE-REQUEST"},
    {Attribute::Padding, "PADDING"},
    {Attribute::ResponsePort, "RESPONSE-PORT"},
    {Attribute::ResponseOrigin, "RESPONSE-ORIGIN"},
    {Attribute::OtherAddress, "OTHER-ADDRESS"},
    {Attribute::Priority, "PRIORITY"},
    {Attribute::UseCandidate, "USE-CANDIDATE"},
    {Attribute::IceControlled, "ICE-CONTROLLED"},
    {Attribute::IceControlling, "ICE-CONTROLLING"},
    {Attribute::Nomination, "NOMINATION"},
    {Attribute::GoogNetworkInfo, "GOOG-NETWORK-INFO"},
    {Attribute::DtlsInStun, "DTLS-IN-STUN"},
    {Attribute::DtlsInStunAck, "DTLS-IN-STUN-ACK"},
};

struct MethodName {
  Method method;
  std::string_view name;
};
constexpr MethodName kMethods[] = {
    {Method::Binding, "Binding"},
    {Method::Allocate, "Allocate"},
    {Method::Refresh, "Refresh"},
    {Method::Send, "Send"},
    {Method::Data, "Data"},
    {Method::CreatePermission, "CreatePermission"},
    {Method::ChannelBind, "ChannelBind"},
    {Method::Connect, "Connect"},
    {Method::ConnectionBind, "ConnectionBind"},
    {Method::ConnectionAttempt, "ConnectionAttempt"},
};

/// RFC 8489 §14.1 and §14.2; nothing if it is no address.
std::optional<net::Endpoint> address(ByteView value, bool xored, ByteView header) {
  if (value.size() != 8 && value.size() != 20) return std::nullopt;
  uint8_t bytes[16] = {};
  const size_t size = value.size() - 4;
  std::ranges::copy(value.subspan(4), bytes);
  uint16_t port = load_be16(&value[2]);
  if (xored) {
    // The cookie, and for IPv6 the transaction id that follows it.
    for (size_t i = 0; i < size; ++i) bytes[i] ^= header[4 + i];
    port ^= kMagicCookie >> 16;
  }
  return net::Endpoint{net::IpAddress::from_bytes(ByteView(bytes, size)), port};
}

std::string value_text(Attribute type, ByteView value, ByteView header) {
  switch (type) {
    case Attribute::Username:
    case Attribute::Realm:
    case Attribute::Nonce:
    case Attribute::Software:
    case Attribute::AlternateDomain: return quoted(value);
    case Attribute::MappedAddress:
    case Attribute::AlternateServer:
    case Attribute::ResponseOrigin:
    case Attribute::OtherAddress:
      if (const auto endpoint = address(value, false, header)) return endpoint->to_string();
      break;
    case Attribute::XorMappedAddress:
    case Attribute::XorPeerAddress:
    case Attribute::XorRelayedAddress:
      if (const auto endpoint = address(value, true, header)) return endpoint->to_string();
      break;
    case Attribute::ErrorCode:
      if (value.size() >= 4) return cat((value[2] & 7) * 100 + value[3], " ", quoted(value.subspan(4)));
      break;
    case Attribute::Priority:
    case Attribute::Lifetime:
    case Attribute::Nomination:
      if (value.size() == 4) return cat(load_be32(value.data()));
      break;
    case Attribute::GoogNetworkInfo:
      if (value.size() == 4) return cat("id ", load_be16(&value[0]), ", cost ", load_be16(&value[2]));
      break;
    default: break;
  }
  return value.empty() ? std::string() : short_hex(value);
}

void describe_attributes(ByteView message, ByteView attributes, Outline& out) {
  for (ByteView rest = attributes; !rest.empty();) {
    if (rest.size() < 4) return out.problem(rest, "an attribute header of 4 bytes");
    const auto type = static_cast<Attribute>(load_be16(rest.data()));
    const size_t size = load_be16(&rest[2]);
    const size_t padded = (size + 3) & ~size_t{3};
    if (padded > rest.size() - 4)
      return out.problem(rest.subspan(2), cat("an attribute of at most ", rest.size() - 4, " bytes, found ", size));
    const std::string_view name = name_of(type);
    const std::string value = value_text(type, rest.subspan(4, size), message);
    out.line(name.empty() ? cat("attribute 0x", to_hex(rest.first(2))) : std::string(name), value.empty() ? "" : " ",
             value);
    if (type == Attribute::Fingerprint) {
      const auto parsed = Message::parse(message);
      if (!parsed && parsed.error() == ParseError::BadFingerprint)
        out.problem(rest.subspan(4), "the CRC-32 of the message before it");
    }
    rest = rest.subspan(4 + padded);
  }
}

}  // namespace

std::string_view name_of(Attribute type) {
  const auto it = std::ranges::find(kAttributes, type, &AttributeName::type);
  return it == std::end(kAttributes) ? std::string_view() : it->name;
}

std::string_view name_of(Method method) {
  const auto it = std::ranges::find(kMethods, method, &MethodName::method);
  return it == std::end(kMethods) ? std::string_view() : it->name;
}

void describe(ByteView message, Outline& out) {
  if (message.size() < kHeaderSize)
    return out.problem(message.subspan(message.size()), cat("a STUN header of ", kHeaderSize, " bytes"));
  const uint16_t type = load_be16(message.data());
  const auto method = static_cast<Method>((type & 0x000f) | ((type & 0x00e0) >> 1) | ((type & 0x3e00) >> 2));
  static constexpr std::string_view kClasses[] = {"request", "indication", "success", "error"};
  const std::string_view name = name_of(method);
  out.line("STUN ", name.empty() ? cat("method ", static_cast<int>(method)) : std::string(name), " ",
           kClasses[((type >> 4) & 1) | ((type >> 7) & 2)], ", transaction ", to_hex(message.subspan(8, 12)));
  const auto deeper = out.deeper();
  if (load_be32(&message[4]) != kMagicCookie) return out.problem(message.subspan(4), "the magic cookie 2112a442");
  const size_t length = load_be16(&message[2]);
  if (length != message.size() - kHeaderSize)
    out.problem(message.subspan(2), cat("a length of ", message.size() - kHeaderSize, ", found ", length));
  describe_attributes(message, message.subspan(kHeaderSize), out);
}

}  // namespace kaon::stun
