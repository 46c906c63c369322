#include "kaon/mdns/message.h"

#include <algorithm>
#include <map>

#include "kaon/base/reader.h"
#include "kaon/base/text.h"
#include "kaon/base/writer.h"
#include "kaon/mdns/name.h"

namespace kaon::mdns {
namespace {

//  0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15
// +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
// |                      ID                       |
// |QR|   Opcode  |AA|TC|RD|RA| Z|AD|CD|   RCODE   |
// |                    QDCOUNT                    |
// |                    ANCOUNT                    |
// |                    NSCOUNT                    |
// |                    ARCOUNT                    |
// +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+     RFC 1035 §4.1.1
constexpr size_t kHeader = 12;
constexpr uint16_t kResponse = 0x8000;
constexpr uint16_t kAuthoritative = 0x0400;
constexpr uint16_t kOpcodeAndRcode = 0x780f;

constexpr uint16_t kIn = 1;
constexpr uint16_t kAnyClass = 255;
// QU of questions, cache-flush of records.
constexpr uint16_t kTopBit = 0x8000;

constexpr uint8_t kPointer = 0xc0;
constexpr size_t kFarthest = 0x3fff;
constexpr size_t kMaxLabel = 63;

bool is_host_character(uint8_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// The labels from `at` on, in lower case; where the name's own bytes end goes to `end`. A pointer leads further back
// than anything read before, so that this comes to an end (RFC 1035 §4.1.4).
bool read_name(ByteView message, size_t at, std::string& name, size_t& end) {
  size_t limit = at;
  bool jumped = false;
  bool host = true;
  size_t length = 0;
  while (at < message.size()) {
    const uint8_t first = message[at];
    if (first == 0) {
      if (!jumped) end = at + 1;
      if (!host) name.clear();
      return true;
    }
    if ((first & kPointer) == kPointer) {
      if (at + 2 > message.size()) return false;
      const size_t to = load_be16(&message[at]) & kFarthest;
      if (!jumped) end = at + 2;
      if (to >= limit) return false;
      jumped = true;
      at = limit = to;
      continue;
    }
    length += 1 + first;
    if (first > kMaxLabel || at + 1 + first > message.size() || length >= Message::kMaxName) return false;
    if (!name.empty()) name += '.';
    for (const uint8_t c : message.subspan(at + 1, first)) {
      host = host && is_host_character(c);
      name += static_cast<char>(c);
    }
    at += 1 + first;
  }
  return false;
}

class Parser {
 public:
  explicit Parser(ByteView message) : message_(message), reader_(message) { reader_.skip(kHeader); }

  bool questions(size_t count, std::vector<Question>& out);
  bool records(size_t count, std::vector<Record>& out);

 private:
  bool name(std::string& out) {
    size_t end = 0;
    if (!read_name(message_, reader_.position(), out, end)) return false;
    reader_.skip(end - reader_.position());
    out = lower_case(out);
    return true;
  }

  ByteView message_;
  Reader reader_;
};

bool Parser::questions(size_t count, std::vector<Question>& out) {
  for (size_t i = 0; i < count; ++i) {
    Question question;
    if (!name(question.name)) return false;
    question.type = static_cast<Type>(reader_.u16());
    const uint16_t of_class = reader_.u16();
    if (!reader_.ok()) return false;
    question.unicast_response = (of_class & kTopBit) != 0;
    const uint16_t plain = of_class & ~kTopBit;
    if (plain == kIn || plain == kAnyClass) out.push_back(std::move(question));
  }
  return true;
}

bool Parser::records(size_t count, std::vector<Record>& out) {
  for (size_t i = 0; i < count; ++i) {
    Record record;
    if (!name(record.name)) return false;
    record.type = static_cast<Type>(reader_.u16());
    const uint16_t of_class = reader_.u16();
    record.ttl = reader_.u32();
    const ByteView data = reader_.vector16();
    if (!reader_.ok()) return false;
    record.cache_flush = (of_class & kTopBit) != 0;
    const bool fits = (record.type == Type::A && data.size() == 4) || (record.type == Type::Aaaa && data.size() == 16);
    if (fits) record.address = net::IpAddress::from_bytes(data);
    if ((of_class & ~kTopBit) == kIn) out.push_back(std::move(record));
  }
  return true;
}

class Composer {
 public:
  explicit Composer(Bytes out) : writer_(out) {}

  void header(const Message& message) {
    writer_.u16(message.id);
    writer_.u16(message.response ? kResponse | kAuthoritative : 0);
    writer_.u16(static_cast<uint16_t>(message.questions.size()));
    writer_.u16(static_cast<uint16_t>(message.answers.size()));
    writer_.u16(static_cast<uint16_t>(message.authorities.size()));
    writer_.u16(static_cast<uint16_t>(message.additionals.size()));
  }
  void question(const Question& question) {
    name(question.name);
    writer_.u16(static_cast<uint16_t>(question.type));
    writer_.u16(question.unicast_response ? kIn | kTopBit : kIn);
  }
  void record(const Record& record) {
    name(record.name);
    writer_.u16(static_cast<uint16_t>(record.type));
    writer_.u16(record.cache_flush ? kIn | kTopBit : kIn);
    writer_.u32(record.ttl);
    const Bytes length = writer_.reserve(2);
    const size_t before = writer_.size();
    if (record.type == Type::Nsec) {
      types(record);
    } else {
      writer_.bytes(record.address.bytes());
    }
    store_be16(length.data(), static_cast<uint16_t>(writer_.size() - before));
  }
  size_t size() const { return writer_.size(); }

 private:
  // A whole name that was written before becomes a pointer; parts of names are not looked for.
  void name(const std::string& text) {
    const auto [known, is_new] = written_.try_emplace(text, writer_.size());
    if (!is_new && known->second <= kFarthest) {
      return writer_.u16(static_cast<uint16_t>(kPointer << 8 | known->second));
    }
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view label = rest.substr(0, rest.find('.'));
      writer_.u8(static_cast<uint8_t>(label.size()));
      writer_.bytes(as_bytes(label));
      rest.remove_prefix(std::min(rest.size(), label.size() + 1));
    }
    writer_.u8(0);
  }
  // RFC 4034 §4.1 as RFC 6762 §6.1 restricts it: the name itself, then the first block of the map of types.
  void types(const Record& record) {
    name(record.name);
    const auto type = static_cast<uint16_t>(record.only_type);
    const auto octets = static_cast<uint8_t>(type / 8 + 1);
    writer_.u8(0);
    writer_.u8(octets);
    const Bytes map = writer_.reserve(octets);
    std::ranges::fill(map, uint8_t{0});
    map.back() = static_cast<uint8_t>(0x80 >> (type % 8));
  }

  Writer writer_;
  std::map<std::string, size_t> written_;
};

std::string_view to_text(Type type) {
  switch (type) {
    case Type::A: return "A";
    case Type::Aaaa: return "AAAA";
    case Type::Nsec: return "NSEC";
    case Type::Any: return "any";
  }
  return "other";
}

}  // namespace

Result<Message, ParseError> Message::parse(ByteView bytes) {
  if (bytes.size() < kHeader || bytes.size() > kMaxSize) return fail(ParseError::TooShort);
  Reader header(bytes);
  Message message;
  message.id = header.u16();
  const uint16_t flags = header.u16();
  message.response = (flags & kResponse) != 0;
  if ((flags & kOpcodeAndRcode) != 0) return fail(ParseError::NotAQuery);
  const size_t questions = header.u16();
  const size_t answers = header.u16();
  const size_t authorities = header.u16();
  const size_t additionals = header.u16();
  if (questions + answers + authorities + additionals > kMaxEntries) return fail(ParseError::TooMany);
  Parser parser(bytes);
  if (!parser.questions(questions, message.questions) || !parser.records(answers, message.answers) ||
      !parser.records(authorities, message.authorities) || !parser.records(additionals, message.additionals)) {
    return fail(ParseError::BadName);
  }
  return message;
}

size_t Message::size() const {
  constexpr size_t kFixed = 10 + 16;  // type, class, TTL, length; the longest address
  constexpr size_t kTypes = 2 + 32;   // of NSEC
  size_t total = kHeader;
  for (const Question& question : questions) total += question.name.size() + 2 + 4;
  for (const auto* section : {&answers, &authorities, &additionals}) {
    for (const Record& record : *section) {
      const bool nsec = record.type == Type::Nsec;
      total += record.name.size() + 2 + kFixed + (nsec ? record.name.size() + 2 + kTypes : 0);
    }
  }
  return total;
}

size_t Message::write(Bytes out) const {
  Composer composer(out);
  composer.header(*this);
  for (const Question& question : questions) composer.question(question);
  for (const auto* section : {&answers, &authorities, &additionals}) {
    for (const Record& record : *section) composer.record(record);
  }
  return composer.size();
}

std::string Message::to_string() const {
  std::string out = response ? "mDNS response" : "mDNS query";
  for (const Question& q : questions) append_to(out, cat(" ", q.name, " ", to_text(q.type), "?"));
  for (const auto* section : {&answers, &authorities, &additionals}) {
    for (const Record& r : *section)
      append_to(out, cat(" ", r.name, " ", to_text(r.type), " ", r.address, " ttl ", r.ttl));
  }
  return out;
}

}  // namespace kaon::mdns
