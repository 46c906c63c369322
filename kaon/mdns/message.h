// Multicast DNS messages as far as addresses of host names go.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/result.h"
#include "kaon/net/address.h"

namespace kaon::mdns {

/// RFC 1035 §3.2.2, RFC 3596, RFC 4034, and QTYPE "*".
enum class Type : uint16_t { A = 1, Aaaa = 28, Nsec = 47, Any = 255 };

/// The type of the record that holds such an address.
inline Type type_of(const net::IpAddress& address) { return address.is_v4() ? Type::A : Type::Aaaa; }

struct Question {
  /// In lower case, without a dot at its end. Empty if it is no host name: a label with other bytes than letters,
  /// digits, '-' and '_'.
  std::string name;
  Type type = Type::A;
  /// The QU bit, RFC 6762 §5.4.
  bool unicast_response = false;
  bool operator==(const Question&) const = default;
};

struct Record {
  /// As Question::name.
  std::string name;
  Type type = Type::A;
  /// RFC 6762 §10.2.
  bool cache_flush = false;
  /// In seconds; zero says goodbye (§10.1).
  uint32_t ttl = 0;
  /// Of A and AAAA; none if the data does not fit the type, and of other types.
  net::IpAddress address;
  /// Of NSEC as we write it: the only type that the name has (§6.1). What others write is not looked at.
  Type only_type = Type::A;
  bool operator==(const Record&) const = default;
};

enum class ParseError : uint8_t { TooShort, NotAQuery, TooMany, BadName };

/// Of records and questions, class IN only; others are left out.
struct Message {
  /// Largest message that is read: an Ethernet packet, or what a reader of legacy queries gets (RFC 6762 §17).
  static constexpr size_t kMaxSize = 9000;
  /// Questions and records of one message.
  static constexpr size_t kMaxEntries = 256;
  static constexpr size_t kMaxName = 255;

  uint16_t id = 0;
  bool response = false;
  std::vector<Question> questions;
  std::vector<Record> answers;
  std::vector<Record> authorities;
  std::vector<Record> additionals;

  /// RFC 1035 §4.1, with compressed names. Opcodes other than QUERY and errors are refused (RFC 6762 §18.3, §18.11).
  static Result<Message, ParseError> parse(ByteView bytes);
  /// Bytes that write() takes at most.
  size_t size() const;
  /// Names that occur again are compressed. `out` must hold size(). Returns how much was written.
  size_t write(Bytes out) const;
  /// For logs.
  std::string to_string() const;
  bool operator==(const Message&) const = default;
};

}  // namespace kaon::mdns
