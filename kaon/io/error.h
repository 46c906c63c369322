// What can go wrong when the operating system is asked for something.
#pragma once

#include <cstdint>
#include <string_view>

namespace kaon::io {

enum class IoError : uint8_t {
  InvalidArgument,
  AddressInUse,
  AddressNotAvailable,
  PermissionDenied,
  NotSupported,
  HostNotFound,
  System,  ///< anything else, for example no more descriptors
};

constexpr std::string_view to_string(IoError error) {
  switch (error) {
    case IoError::InvalidArgument: return "invalid argument";
    case IoError::AddressInUse: return "address in use";
    case IoError::AddressNotAvailable: return "address not available";
    case IoError::PermissionDenied: return "permission denied";
    case IoError::NotSupported: return "not supported";
    case IoError::HostNotFound: return "host not found";
    case IoError::System: break;
  }
  return "system error";
}

}  // namespace kaon::io
