#include "kaon/sctp/internal/error_cause.h"

#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/base/writer.h"

namespace kaon::sctp {
namespace {

constexpr size_t kMaxInfo = 256;

std::string_view name_of(ErrorCause cause) {
  switch (cause) {
    case ErrorCause::InvalidStreamIdentifier: return "invalid stream identifier";
    case ErrorCause::MissingMandatoryParameter: return "missing mandatory parameter";
    case ErrorCause::StaleCookie: return "stale cookie";
    case ErrorCause::OutOfResource: return "out of resource";
    case ErrorCause::UnresolvableAddress: return "unresolvable address";
    case ErrorCause::UnrecognizedChunkType: return "unrecognized chunk type";
    case ErrorCause::InvalidMandatoryParameter: return "invalid mandatory parameter";
    case ErrorCause::UnrecognizedParameters: return "unrecognized parameters";
    case ErrorCause::NoUserData: return "no user data";
    case ErrorCause::CookieWhileShuttingDown: return "cookie while shutting down";
    case ErrorCause::RestartWithNewAddresses: return "restart with new addresses";
    case ErrorCause::UserInitiatedAbort: return "user-initiated abort";
    case ErrorCause::ProtocolViolation: return "protocol violation";
  }
  return "unknown cause";
}

void append_printable(std::string& out, ByteView info) {
  for (const uint8_t byte : info.first(std::min(info.size(), kMaxInfo))) {
    out += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
  }
}

}  // namespace

std::vector<uint8_t> make_cause(ErrorCause cause, ByteView info) {
  info = info.first(std::min(info.size(), kMaxInfo));
  std::vector<uint8_t> out(kChunkHeaderSize + padded(info.size()));
  Writer writer(out);
  writer.u16(static_cast<uint16_t>(cause));
  writer.u16(static_cast<uint16_t>(kChunkHeaderSize + info.size()));
  writer.bytes(info);
  return out;
}

std::string describe_causes(ByteView causes) {
  std::string text;
  ParameterReader reader(causes);
  while (const auto cause = reader.next()) {
    if (!text.empty()) text += ", ";
    const auto code = static_cast<ErrorCause>(cause->type);
    text += name_of(code);
    const bool is_text = code == ErrorCause::UserInitiatedAbort || code == ErrorCause::ProtocolViolation;
    if (is_text && !cause->value.empty()) {
      text += ": ";
      append_printable(text, cause->value);
    }
    if (text.size() > 1024) break;
  }
  return text;
}

bool has_cause(ByteView causes, ErrorCause wanted) {
  ParameterReader reader(causes);
  while (const auto cause = reader.next()) {
    if (cause->type == static_cast<uint16_t>(wanted)) return true;
  }
  return false;
}

}  // namespace kaon::sctp
