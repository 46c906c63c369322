// Who sends and who leaves: SDES, BYE, and APP. RFC 3550 §6.5 to §6.7.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "kaon/rtcp/list.h"
#include "kaon/rtcp/packet.h"

namespace kaon::rtcp {

enum class SdesType : uint8_t { End = 0, Cname = 1, Name, Email, Phone, Location, Tool, Note, Private, Mid = 15 };

struct SdesItem {
  Ssrc source;
  uint8_t type = 0;  ///< a SdesType, or one we do not know
  std::string_view text;
};

/// A received description, read item by item; all chunks are checked when it is parsed.
struct SourceDescription {
  ByteView chunks;
  uint8_t chunk_count = 0;

  static std::optional<SourceDescription> parse(const PacketView& packet);
  /// The text of the first item of this type of `source`.
  std::optional<std::string_view> find(Ssrc source, SdesType type) const;
  std::string to_string() const;

  /// while (auto item = cursor.next()) …
  class Cursor {
   public:
    explicit Cursor(const SourceDescription& sdes) : rest_(sdes.chunks), chunks_left_(sdes.chunk_count) {}
    std::optional<SdesItem> next();
    /// True if the bytes were no legal chunks.
    bool failed() const { return failed_; }

   private:
    std::optional<SdesItem> fail() { return failed_ = true, std::nullopt; }
    ByteView rest_;
    size_t chunks_left_;
    size_t chunk_size_ = 0;  // bytes of the current chunk already read, for its padding to words
    bool in_chunk_ = false;
    bool failed_ = false;
    Ssrc source_;
  };
};

/// The one description every participant sends: a chunk with a CNAME of at most 255 bytes.
struct Cname {
  Ssrc source;
  std::string_view text;
  size_t size() const { return kHeaderSize + 4 + (2 + text.size()) / 4 * 4 + 4; }
  size_t write(Bytes out) const;
};

struct SsrcItem {
  static constexpr size_t kSize = 4;
  Ssrc ssrc;
  static SsrcItem read(const uint8_t* p) { return {Ssrc(load_be32(p))}; }
  void write(Writer& writer) const { writer.u32(ssrc.value()); }
  bool operator==(const SsrcItem&) const = default;
};

struct Bye {
  List<SsrcItem> sources;   ///< at most kMaxCount
  std::string_view reason;  ///< at most 255 bytes; may be empty

  static std::optional<Bye> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + sources.bytes() + (reason.empty() ? 0 : (reason.size() + 4) / 4 * 4); }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

/// Application-defined. Data that is no multiple of four bytes is filled up with zeros.
struct App {
  uint8_t subtype = 0;
  Ssrc source;
  std::array<char, 4> name{};
  ByteView data;

  static std::optional<App> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 8 + (data.size() + 3) / 4 * 4; }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

}  // namespace kaon::rtcp
