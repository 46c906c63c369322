#include "kaon/transfer/message.h"

#include <algorithm>

#include "kaon/base/reader.h"
#include "kaon/base/writer.h"

namespace kaon::transfer {
namespace {

// The index in Message, counted from one.
enum class Type : uint8_t { Offer = 1, Accept, Begin, Data, End, Done, Abort };

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string printable(ByteView bytes, size_t most) {
  std::string text(as_text(bytes.first(std::min(bytes.size(), most))));
  if (bytes.size() > most) {  // a character that was cut in two goes as a whole
    while (!text.empty() && (text.back() & 0xc0) == 0x80) text.pop_back();
    if (!text.empty() && (text.back() & 0xc0) == 0xc0) text.pop_back();
  }
  std::ranges::replace_if(text, is_control, '?');
  return text;
}

void write(Writer& writer, const Offer& offer) {
  writer.u64(offer.size);
  writer.bytes(as_bytes(offer.name).first(std::min(offer.name.size(), Offer::kMaxName)));
}
void write(Writer& writer, const Accept& accept) {
  writer.u64(accept.offset);
  writer.bytes(accept.hash);
}
void write(Writer& writer, const Begin& begin) { writer.u64(begin.offset); }
void write(Writer& writer, const Data& data) { writer.bytes(data.bytes); }
void write(Writer& writer, const End& end) { writer.bytes(end.hash); }
void write(Writer&, const Done&) {}
void write(Writer& writer, const Abort& abort) {
  writer.bytes(as_bytes(abort.reason).first(std::min(abort.reason.size(), Abort::kMaxReason)));
}

Sha256 read_hash(Reader& reader) {
  Sha256 hash{};
  std::ranges::copy(reader.bytes(hash.size()), hash.begin());
  return hash;
}

std::optional<Message> read(Type type, Reader& reader) {
  switch (type) {
    case Type::Offer: {
      const uint64_t size = reader.u64();
      return Offer{printable(reader.rest(), Offer::kMaxName), size};
    }
    case Type::Accept: {
      const uint64_t offset = reader.u64();
      return Accept{offset, read_hash(reader)};
    }
    case Type::Begin: return Begin{reader.u64()};
    case Type::Data: return Data{reader.rest()};
    case Type::End: return End{read_hash(reader)};
    case Type::Done: return Done{};
    case Type::Abort: return Abort{printable(reader.rest(), Abort::kMaxReason)};
  }
  return std::nullopt;
}

}  // namespace

std::vector<uint8_t> to_bytes(const Message& message) {
  constexpr size_t kMostOfOthers = 512;  // above Abort, the longest of the messages that are not Data
  const auto* data = std::get_if<Data>(&message);
  std::vector<uint8_t> bytes(data != nullptr ? 1 + data->bytes.size() : kMostOfOthers);
  Writer writer(bytes);
  writer.u8(static_cast<uint8_t>(message.index() + 1));
  std::visit([&](const auto& m) { write(writer, m); }, message);
  bytes.resize(writer.size());
  return bytes;
}

std::optional<Message> parse(ByteView bytes) {
  Reader reader(bytes);
  auto message = read(static_cast<Type>(reader.u8()), reader);
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return message;
}

std::string safe_name(std::string_view name) {
  constexpr std::string_view kRefused = "\\/:*?\"<>|";  // by one system or another
  if (const size_t slash = name.find_last_of("/\\"); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  std::string safe(name.substr(0, Offer::kMaxName));
  std::ranges::replace_if(
      safe, [&](char c) { return is_control(c) || kRefused.find(c) != std::string_view::npos; }, '_');
  // Neither hidden nor one of the folders "." and "..".
  safe.erase(0, std::min(safe.find_first_not_of(". "), safe.size()));
  while (!safe.empty() && (safe.back() == '.' || safe.back() == ' ')) safe.pop_back();
  return safe.empty() ? "file" : safe;
}

}  // namespace kaon::transfer
