#include <algorithm>

#include "kaon/container/capture.h"
#include "kaon/container/internal/little_endian.h"

namespace kaon::container {
namespace {

constexpr uint32_t kPcapMicroseconds = 0xa1b2c3d4;
constexpr uint32_t kPcapNanoseconds = 0xa1b23c4d;
constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr size_t kPcapHeader = 24;
constexpr size_t kPcapRecordHeader = 16;
constexpr size_t kBlockHeader = 8;
constexpr size_t kSmallestBlock = 12;
constexpr uint32_t kInterface = 1;
constexpr uint32_t kSimplePacket = 3;
constexpr uint32_t kEnhancedPacket = 6;

bool is_pcap(uint32_t magic) { return magic == kPcapMicroseconds || magic == kPcapNanoseconds; }

std::chrono::nanoseconds to_time(uint64_t ticks, uint64_t units_per_second) {
  constexpr uint64_t kGiga = 1'000'000'000;
  const uint64_t seconds = ticks / units_per_second;
  const double fraction = static_cast<double>(ticks % units_per_second) / static_cast<double>(units_per_second);
  const uint64_t nanoseconds = kGiga % units_per_second == 0 ? ticks % units_per_second * (kGiga / units_per_second)
                                                             : static_cast<uint64_t>(fraction * 1e9);
  return std::chrono::nanoseconds(static_cast<int64_t>(seconds * kGiga + nanoseconds));
}

}  // namespace

bool CaptureReader::recognizes(ByteView bytes) {
  if (bytes.size() < 4) return false;
  return load_be32(bytes.data()) == kSectionHeader || is_pcap(load_be32(bytes.data())) ||
         is_pcap(load_le32(bytes.data()));
}

uint16_t CaptureReader::u16(const uint8_t* p) const { return little_endian_ ? load_le16(p) : load_be16(p); }
uint32_t CaptureReader::u32(const uint8_t* p) const { return little_endian_ ? load_le32(p) : load_be32(p); }

CaptureReader::Next CaptureReader::fail_at(uint64_t offset, std::string message) {
  error_ = ReadError{offset, std::move(message)};
  return fail(*error_);
}

CaptureReader::Next CaptureReader::next() {
  if (error_) return fail(*error_);
  if (kind_ == Kind::Unknown) {
    const ByteView bytes = input_.view();
    if (bytes.size() < 4) {
      if (input_.finished()) return fail_at(bytes.size(), "expected the first four bytes of a pcap or pcapng file");
      return std::nullopt;
    }
    if (!recognizes(bytes)) return fail_at(0, "expected the magic number of a pcap or pcapng file");
    if (load_be32(bytes.data()) == kSectionHeader) {
      kind_ = Kind::Pcapng;
    } else {
      if (bytes.size() < kPcapHeader) {
        if (input_.finished()) return fail_at(bytes.size(), "expected a pcap header of 24 bytes");
        return std::nullopt;
      }
      if (auto begun = begin_pcap(); !begun) return fail_at(begun.error().offset, begun.error().message);
    }
  }
  return kind_ == Kind::Pcap ? next_pcap() : next_pcapng();
}

Result<void, ReadError> CaptureReader::begin_pcap() {
  const ByteView bytes = input_.view();
  little_endian_ = is_pcap(load_le32(bytes.data()));
  const uint64_t units = u32(bytes.data()) == kPcapNanoseconds ? 1'000'000'000 : 1'000'000;
  interfaces_ = {{static_cast<LinkType>(u32(&bytes[20]) & 0xffff), units}};
  kind_ = Kind::Pcap;
  input_.consume(kPcapHeader);
  return {};
}

CaptureReader::Next CaptureReader::next_pcap() {
  const ByteView bytes = input_.view();
  const auto incomplete = [&](size_t need) -> Next {
    if (!input_.finished() || bytes.empty()) return std::nullopt;
    return fail_at(input_.offset() + bytes.size(), cat("expected ", need - bytes.size(), " more bytes of a packet"));
  };
  if (bytes.size() < kPcapRecordHeader) return incomplete(kPcapRecordHeader);
  const size_t size = u32(&bytes[8]);
  if (size > kMaxCaptureBlock)
    return fail_at(input_.offset() + 8, cat("expected a packet size up to 1 MiB, found ", size));
  if (bytes.size() < kPcapRecordHeader + size) return incomplete(kPcapRecordHeader + size);
  const uint64_t units = interfaces_.front().units_per_second;
  CapturedPacket packet;
  packet.time = to_time(u32(&bytes[0]) * units + u32(&bytes[4]), units);
  packet.link = interfaces_.front().link;
  packet.bytes = bytes.subspan(kPcapRecordHeader, size);
  packet.offset = input_.offset() + kPcapRecordHeader;
  input_.consume(kPcapRecordHeader + size);
  return packet;
}

//   0            4              8                       length - 4
//   | block type | total length | body, padded to words | total length |
CaptureReader::Next CaptureReader::next_pcapng() {
  while (true) {
    const ByteView bytes = input_.view();
    const auto incomplete = [&](size_t need) -> Next {
      if (!input_.finished() || bytes.empty()) return std::nullopt;
      return fail_at(input_.offset() + bytes.size(), cat("expected ", need - bytes.size(), " more bytes of a block"));
    };
    if (bytes.size() < kSmallestBlock) return incomplete(kSmallestBlock);
    const bool section = load_be32(bytes.data()) == kSectionHeader;
    if (section) {
      if (auto begun = begin_section(bytes); !begun) return fail_at(begun.error().offset, begun.error().message);
    }
    const size_t size = u32(&bytes[4]);
    if (size < kSmallestBlock || size > kMaxCaptureBlock || size % 4 != 0)
      return fail_at(input_.offset() + 4, cat("expected a block length of 12 to 1 MiB in words, found ", size));
    if (bytes.size() < size) return incomplete(size);
    const ByteView body = bytes.subspan(kBlockHeader, size - kSmallestBlock);
    const uint32_t type = u32(bytes.data());
    std::optional<Result<CapturedPacket, ReadError>> packet;
    if (type == kInterface) {
      if (auto added = add_interface(body); !added) return fail_at(added.error().offset, added.error().message);
    } else if (type == kEnhancedPacket) {
      packet = enhanced_packet(body);
    } else if (type == kSimplePacket && !interfaces_.empty() && body.size() >= 4) {
      const size_t length = std::min<size_t>(u32(body.data()), body.size() - 4);
      packet =
          CapturedPacket{{}, interfaces_.front().link, body.subspan(4, length), input_.offset() + kBlockHeader + 4};
    }
    if (packet && !*packet) return fail_at(packet->error().offset, packet->error().message);
    input_.consume(size);
    if (packet) return packet;
  }
}

Result<void, ReadError> CaptureReader::begin_section(ByteView bytes) {
  if (load_le32(&bytes[8]) == kByteOrderMagic) {
    little_endian_ = true;
  } else if (load_be32(&bytes[8]) == kByteOrderMagic) {
    little_endian_ = false;
  } else {
    return fail(ReadError{input_.offset() + 8, "expected the byte-order magic of a section"});
  }
  interfaces_.clear();
  return {};
}

Result<void, ReadError> CaptureReader::add_interface(ByteView body) {
  const uint64_t at = input_.offset() + kBlockHeader;
  if (body.size() < 8) return fail(ReadError{at + body.size(), "expected an interface description of 8 bytes"});
  if (interfaces_.size() == kMaxCaptureInterfaces) return fail(ReadError{at, "more than 256 interfaces"});
  Interface interface{static_cast<LinkType>(u16(body.data()))};
  for (ByteView options = body.subspan(8); options.size() >= 4;) {
    const uint16_t code = u16(options.data());
    const size_t size = u16(&options[2]);
    const size_t padded = (size + 3) & ~size_t{3};
    if (code == 0 || 4 + padded > options.size()) break;
    if (code == 9 && size == 1) {  // if_tsresol
      const int exponent = options[4] & 0x7f;
      const bool binary = (options[4] & 0x80) != 0;
      if (exponent > (binary ? 32 : 12)) return fail(ReadError{at, "a time resolution finer than any clock"});
      interface.units_per_second = 1;
      for (int i = 0; i < exponent; ++i) interface.units_per_second *= binary ? 2 : 10;
    }
    options = options.subspan(4 + padded);
  }
  interfaces_.push_back(interface);
  return {};
}

Result<CapturedPacket, ReadError> CaptureReader::enhanced_packet(ByteView body) {
  const uint64_t at = input_.offset() + kBlockHeader;
  constexpr size_t kFixed = 20;
  if (body.size() < kFixed) return fail(ReadError{at + body.size(), "expected a packet block of 20 bytes"});
  const size_t interface = u32(&body[0]);
  if (interface >= interfaces_.size()) return fail(ReadError{at, cat("there is no interface ", interface)});
  const size_t size = u32(&body[12]);
  if (size > body.size() - kFixed)
    return fail(
        ReadError{at + 12, cat("expected at most ", body.size() - kFixed, " bytes in this block, found ", size)});
  CapturedPacket packet;
  const uint64_t ticks = (uint64_t{u32(&body[4])} << 32) | u32(&body[8]);
  packet.time = to_time(ticks, interfaces_[interface].units_per_second);
  packet.link = interfaces_[interface].link;
  packet.bytes = body.subspan(kFixed, size);
  packet.offset = at + kFixed;
  return packet;
}

}  // namespace kaon::container
