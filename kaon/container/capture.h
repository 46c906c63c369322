// Packet captures: pcapng written and read, pcap read. https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html
// and https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-06.html
#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/container/frame.h"
#include "kaon/container/input.h"
#include "kaon/container/ip_packet.h"

namespace kaon::container {

/// Longest block or packet of a capture that is read.
inline constexpr size_t kMaxCaptureBlock = 1 << 20;
/// Most interfaces of one section of a capture that is read.
inline constexpr size_t kMaxCaptureInterfaces = 256;

/// A packet of a capture.
struct CapturedPacket {
  /// Since 1970; zero if the capture has no time for it.
  std::chrono::nanoseconds time{};
  LinkType link = LinkType::RawIp;
  /// Borrowed until the next feed().
  ByteView bytes;
  /// Of the packet's bytes, in the file.
  uint64_t offset = 0;
};

/// Writes pcapng with one interface of raw IP packets and times in nanoseconds.
class PcapngWriter {
 public:
  /// A section header and the interface. `application` is the program's name and version.
  static void begin(std::vector<uint8_t>& out, std::string_view application);
  /// One packet. `comment` is shown beside it; it may be empty.
  void packet(std::vector<uint8_t>& out, std::chrono::nanoseconds time, bool outgoing, const IpPacket& packet,
              std::string_view comment);

 private:
  std::vector<uint8_t> ip_;  // reused
};

/// Reads a pcap or pcapng file of either byte order in chunks of any size. feed(), then next() until it gives nothing;
/// finish() at the end of the file, then next() until it gives nothing. After an error next() repeats it.
class CaptureReader {
 public:
  /// Whether a file begins as a capture does.
  static bool recognizes(ByteView first_bytes);

  void feed(ByteView bytes) { input_.feed(bytes); }
  void finish() { input_.finish(); }
  std::optional<Result<CapturedPacket, ReadError>> next();

 private:
  enum class Kind : uint8_t { Unknown, Pcap, Pcapng };
  struct Interface {
    LinkType link{};
    uint64_t units_per_second = 1'000'000;
  };
  using Next = std::optional<Result<CapturedPacket, ReadError>>;

  Next next_pcap();
  Next next_pcapng();
  Result<void, ReadError> begin_pcap();
  Result<void, ReadError> begin_section(ByteView bytes);
  Result<void, ReadError> add_interface(ByteView body);
  Result<CapturedPacket, ReadError> enhanced_packet(ByteView body);
  Next fail_at(uint64_t offset, std::string message);
  uint16_t u16(const uint8_t* p) const;
  uint32_t u32(const uint8_t* p) const;

  Input input_;
  Kind kind_ = Kind::Unknown;
  bool little_endian_ = true;
  std::vector<Interface> interfaces_;
  std::optional<ReadError> error_;
};

}  // namespace kaon::container
