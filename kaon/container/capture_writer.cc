#include "kaon/container/capture.h"
#include "kaon/container/internal/little_endian.h"

namespace kaon::container {
namespace {

// Block types and options, pcapng §4.
constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kInterface = 1;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint16_t kOptEnd = 0;
constexpr uint16_t kOptComment = 1;
constexpr uint16_t kOptApplication = 4;     // shb_userappl
constexpr uint16_t kOptFlags = 2;           // epb_flags
constexpr uint16_t kOptTimeResolution = 9;  // if_tsresol
constexpr uint8_t kNanoseconds = 9;         // ten to the minus nine

void append_padded(std::vector<uint8_t>& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.resize(out.size() + (4 - bytes.size() % 4) % 4);
}

void append_option(std::vector<uint8_t>& out, uint16_t code, ByteView value) {
  append_le(out, code, 2);
  append_le(out, value.size(), 2);
  append_padded(out, value);
}

/// A block: type, length, what `body` appends, length again.
template <class Body>
void append_block(std::vector<uint8_t>& out, uint32_t type, Body body) {
  const size_t start = out.size();
  append_le(out, type, 4);
  append_le(out, 0, 4);
  body();
  const auto size = static_cast<uint32_t>(out.size() + 4 - start);
  store_le32(&out[start + 4], size);
  append_le(out, size, 4);
}

}  // namespace

void PcapngWriter::begin(std::vector<uint8_t>& out, std::string_view application) {
  append_block(out, kSectionHeader, [&] {
    append_le(out, kByteOrderMagic, 4);
    append_le(out, 1, 2);  // version 1.0
    append_le(out, 0, 2);
    append_le(out, UINT64_MAX, 8);  // length of the section: not known
    append_option(out, kOptApplication, as_bytes(application));
    append_option(out, kOptEnd, {});
  });
  append_block(out, kInterface, [&] {
    append_le(out, static_cast<uint16_t>(LinkType::RawIp), 2);
    append_le(out, 0, 2);
    append_le(out, 0, 4);  // packets are not cut
    append_option(out, kOptTimeResolution, ByteView(&kNanoseconds, 1));
    append_option(out, kOptEnd, {});
  });
}

void PcapngWriter::packet(std::vector<uint8_t>& out, std::chrono::nanoseconds time, bool outgoing,
                          const IpPacket& packet, std::string_view comment) {
  ip_.clear();
  append_ip(ip_, packet);
  append_block(out, kEnhancedPacket, [&] {
    const auto ticks = static_cast<uint64_t>(time.count());
    append_le(out, 0, 4);  // interface
    append_le(out, ticks >> 32, 4);
    append_le(out, ticks & 0xffffffff, 4);
    append_le(out, ip_.size(), 4);
    append_le(out, ip_.size(), 4);
    append_padded(out, ip_);
    const uint8_t flags[4] = {outgoing ? uint8_t{2} : uint8_t{1}};
    append_option(out, kOptFlags, flags);
    if (!comment.empty()) append_option(out, kOptComment, as_bytes(comment.substr(0, 255)));
    append_option(out, kOptEnd, {});
  });
}

}  // namespace kaon::container
