#include "kaon/rtcp/source.h"

#include <algorithm>

#include "kaon/base/reader.h"
#include "kaon/base/text.h"

namespace kaon::rtcp {

// RFC 3550 §6.5: per chunk a SSRC, then items of type, length and text, ended by one to four bytes of zero that fill a
// word.
std::optional<SdesItem> SourceDescription::Cursor::next() {
  while (!failed_) {
    if (!in_chunk_) {
      if (chunks_left_ == 0) return std::nullopt;
      if (rest_.size() < 4) return fail();
      source_ = Ssrc(load_be32(rest_.data()));
      rest_ = rest_.subspan(4);
      --chunks_left_;
      chunk_size_ = 0;
      in_chunk_ = true;
    }
    if (rest_.empty()) return fail();
    if (rest_[0] == static_cast<uint8_t>(SdesType::End)) {
      const size_t padding = 4 - chunk_size_ % 4;
      if (rest_.size() < padding) return fail();
      rest_ = rest_.subspan(padding);
      in_chunk_ = false;
      continue;
    }
    if (rest_.size() < 2 || rest_.size() - 2 < rest_[1]) return fail();
    const SdesItem item{.source = source_, .type = rest_[0], .text = as_text(rest_.subspan(2, rest_[1]))};
    chunk_size_ += 2 + item.text.size();
    rest_ = rest_.subspan(2 + item.text.size());
    return item;
  }
  return std::nullopt;
}

std::optional<SourceDescription> SourceDescription::parse(const PacketView& packet) {
  if (!packet.is(PacketType::SourceDescription)) return std::nullopt;
  const SourceDescription sdes{.chunks = packet.body, .chunk_count = packet.count};
  Cursor cursor(sdes);
  while (cursor.next()) {
  }
  if (cursor.failed()) return std::nullopt;
  return sdes;
}

std::optional<std::string_view> SourceDescription::find(Ssrc source, SdesType type) const {
  Cursor cursor(*this);
  while (const auto item = cursor.next()) {
    if (item->source == source && item->type == static_cast<uint8_t>(type)) return item->text;
  }
  return std::nullopt;
}

std::string SourceDescription::to_string() const {
  std::string out = cat("SDES chunks=", int{chunk_count});
  Cursor cursor(*this);
  while (const auto item = cursor.next()) {
    append_to(out, cat(" ", item->source.value(), "/", int{item->type}, "=", item->text));
  }
  return out;
}

size_t Cname::write(Bytes out) const {
  KAON_ASSERT(text.size() <= 255);
  Writer writer(out);
  write_header(writer, PacketType::SourceDescription, 1, size());
  writer.u32(source.value());
  writer.u8(static_cast<uint8_t>(SdesType::Cname));
  writer.u8(static_cast<uint8_t>(text.size()));
  writer.bytes(as_bytes(text));
  writer.zeros(size() - writer.size());
  return writer.size();
}

// RFC 3550 §6.6
std::optional<Bye> Bye::parse(const PacketView& packet) {
  if (!packet.is(PacketType::Bye)) return std::nullopt;
  Reader reader(packet.body);
  Bye bye;
  bye.sources = List<SsrcItem>::from_wire(reader.bytes(packet.count * SsrcItem::kSize));
  if (!reader.at_end()) bye.reason = as_text(reader.vector8());
  if (!reader.ok()) return std::nullopt;
  return bye;
}

size_t Bye::write(Bytes out) const {
  KAON_ASSERT(reason.size() <= 255);
  Writer writer(out);
  write_header(writer, PacketType::Bye, sources.size(), size());
  sources.write(writer);
  if (reason.empty()) return writer.size();
  writer.u8(static_cast<uint8_t>(reason.size()));
  writer.bytes(as_bytes(reason));
  writer.zeros(size() - writer.size());
  return writer.size();
}

std::string Bye::to_string() const {
  std::string out = "BYE";
  for (const SsrcItem& item : sources) append_to(out, cat(" ", item.ssrc.value()));
  if (!reason.empty()) append_to(out, cat(" \"", reason, "\""));
  return out;
}

// RFC 3550 §6.7
std::optional<App> App::parse(const PacketView& packet) {
  if (!packet.is(PacketType::App)) return std::nullopt;
  Reader reader(packet.body);
  App app;
  app.subtype = packet.count;
  app.source = Ssrc(reader.u32());
  const ByteView name = reader.bytes(4);
  std::ranges::copy(name, app.name.begin());
  if (!reader.ok()) return std::nullopt;
  app.data = reader.rest();
  return app;
}

size_t App::write(Bytes out) const {
  Writer writer(out);
  write_header(writer, PacketType::App, subtype, size());
  writer.u32(source.value());
  writer.bytes(as_bytes(std::string_view(name.data(), name.size())));
  writer.bytes(data);
  writer.zeros(size() - writer.size());
  return writer.size();
}

std::string App::to_string() const {
  return cat("APP ", std::string_view(name.data(), name.size()), "/", int{subtype}, " ssrc=", source.value(),
             " data=", data.size());
}

}  // namespace kaon::rtcp
