// Chunks as packetdrill writes them, in wire form: to be sent, or to be compared with what came. For tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/internal/packetdrill_script.h"

namespace kaon::sctp::test {

/// What the script's numbers stand for in this run.
struct Numbers {
  uint32_t script_tag = 0, live_tag = 0;  // the engine's
  uint32_t script_tsn = 0, live_tsn = 0;  // its first
  std::vector<uint8_t> cookie;            // from its last INIT ACK
  uint32_t tsn(uint32_t script) const { return script - script_tsn + live_tsn; }
};

/// Bytes, some of which may be any; `open`: more may follow.
struct Pattern {
  std::vector<uint8_t> bytes;
  std::vector<bool> any;
  bool open = false;

  void put(std::optional<uint64_t> value, size_t size) {
    for (size_t i = size; i-- > 0;) {
      bytes.push_back(static_cast<uint8_t>(value.value_or(0) >> (8 * i)));
      any.push_back(!value);
    }
  }
  void put(const Pattern& other) {
    bytes.insert(bytes.end(), other.bytes.begin(), other.bytes.end());
    any.insert(any.end(), other.any.begin(), other.any.end());
    open |= other.open;
  }
  bool fits(ByteView actual) const {
    if (actual.size() < bytes.size() || (actual.size() > bytes.size() && !open)) return false;
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (!any[i] && bytes[i] != actual[i]) return false;
    }
    return true;
  }
};

class ChunkCoder {
 public:
  ChunkCoder(const Numbers& numbers, bool sent_by_engine) : numbers_(numbers), out_(sent_by_engine) {}

  /// A whole chunk without padding; of INIT, INIT ACK, ABORT, ERROR and RE-CONFIG without what is in its list.
  Pattern chunk(const Term& term) const {
    Pattern value = fixed_part(term);
    if (!list_of(term)) {
      for (const Term& item : term.items) {
        if (item.bracket && item.key.empty()) value.put(parameter(item));
      }
    }
    return framed(term, type_of(term), 1, std::move(value));
  }
  /// Whether parameters or causes follow the fixed part.
  static bool list_of(const Term& term) {
    return term.atom == "INIT" || term.atom == "INIT_ACK" || term.atom == "ABORT" || term.atom == "ERROR" ||
           term.atom == "RECONFIG";
  }
  static std::vector<const Term*> list_items(const Term& term) {
    std::vector<const Term*> all;
    for (const Term& item : term.items) {
      if (item.bracket && item.key.empty()) all.push_back(&item);
    }
    return all;
  }

  /// A parameter or an error cause.
  Pattern parameter(const Term& term) const {
    static const std::map<std::string, uint16_t> types = {{"HEARTBEAT_INFORMATION", 1},
                                                          {"IPV4_ADDRESS", 5},
                                                          {"IPV6_ADDRESS", 6},
                                                          {"STATE_COOKIE", 7},
                                                          {"UNRECOGNIZED_PARAMETER", 8},
                                                          {"COOKIE_PRESERVATIVE", 9},
                                                          {"HOSTNAME_ADDRESS", 11},
                                                          {"SUPPORTED_ADDRESS_TYPES", 12},
                                                          {"OUTGOING_SSN_RESET", 13},
                                                          {"INCOMING_SSN_RESET", 14},
                                                          {"SSN_TSN_RESET", 15},
                                                          {"RECONFIG_RESPONSE", 16},
                                                          {"ADD_OUTGOING_STREAMS", 17},
                                                          {"ADD_INCOMING_STREAMS", 18},
                                                          {"SUPPORTED_EXTENSIONS", 0x8008},
                                                          {"FORWARD_TSN_SUPPORTED", 0xc000},
                                                          {"INVALID_STREAM_IDENTIFIER", 1},
                                                          {"MISSING_MANDATORY_PARAMETER", 2},
                                                          {"STALE_COOKIE_ERROR", 3},
                                                          {"UNRESOLVABLE_ADDRESS", 5},
                                                          {"UNRECOGNIZED_CHUNK_TYPE", 6},
                                                          {"INVALID_MANDATORY_PARAMETER", 7},
                                                          {"UNRECOGNIZED_PARAMETERS", 8},
                                                          {"NO_USER_DATA", 9},
                                                          {"PROTOCOL_VIOLATION", 13}};
    const auto known = types.find(term.atom);
    const auto type = known != types.end() ? std::optional<uint64_t>(known->second) : term.number("type");
    Pattern value;
    if (term.atom == "IPV4_ADDRESS") {
      value.put(0x01010101, 4);
    } else if (term.atom == "IPV6_ADDRESS") {
      value.put(0xfe80000000000000, 8), value.put(1, 8);
    } else if (term.atom == "SUPPORTED_ADDRESS_TYPES") {
      for (const Term& item : term.find("types")->items) value.put(item.atom == "IPv4" ? 5 : 6, 2);
    } else if (term.atom == "COOKIE_PRESERVATIVE") {
      value.put(term.number("incr"), 4);
    } else if (term.atom == "SUPPORTED_EXTENSIONS") {
      for (const Term& item : term.find("types")->items) value.put(type_of(Term{{}, item.atom, false, {}}), 1);
    } else if (term.find("req_sn") != nullptr || term.find("resp_sn") != nullptr) {
      put_reconfiguration(value, term);
    } else if (term.atom == "HOSTNAME_ADDRESS") {
      for (const char c : term.find("addr")->atom) value.put(static_cast<uint8_t>(c), 1);
      value.put(0, 1);
    } else {
      value = cause_value(term);
    }
    return framed(term, type, 2, std::move(value));
  }

 private:
  // A number that counts from the engine's first TSN, or one of the script's own.
  std::optional<uint64_t> tsn_of(const Term& term, std::string_view name, bool engines) const {
    const auto tsn = term.number(name);
    return tsn && engines ? std::optional<uint64_t>(numbers_.tsn(static_cast<uint32_t>(*tsn))) : tsn;
  }

  // RFC 6525 §4. Whoever asks counts on from its own first TSN.
  void put_reconfiguration(Pattern& value, const Term& term) const {
    const auto put = [&](const char* name, bool engines) {
      if (term.find(name) != nullptr) value.put(tsn_of(term, name, engines), 4);
    };
    put("req_sn", out_);
    put("resp_sn", !out_);
    put("last_tsn", out_);
    put("result", false);
    if (term.find("number_of_new_streams") != nullptr)
      value.put(term.number("number_of_new_streams"), 2), value.put(0, 2);
    if (const Term* streams = term.find("sids")) {
      for (const Term& item : streams->items) value.put(std::strtoull(item.atom.c_str(), nullptr, 0), 2);
    }
  }

  Pattern cause_value(const Term& term) const {
    Pattern value;
    if (term.atom == "INVALID_STREAM_IDENTIFIER") {
      value.put(term.number("sid"), 2), value.put(0, 2);
    } else if (term.atom == "MISSING_MANDATORY_PARAMETER") {
      const auto& types = term.find("types")->items;
      value.put(types.size(), 4);
      for (const Term& item : types) value.put(std::strtoull(item.atom.c_str(), nullptr, 0), 2);
    } else if (term.atom == "STALE_COOKIE_ERROR") {
      value.put(term.number("staleness"), 4);
    } else if (term.atom == "NO_USER_DATA") {
      value.put(term.number("tsn"), 4);
    } else if (const Term* inner = term.find("chk")) {
      value = chunk(Term{{}, inner->atom, true, inner->items});
    } else if (const Term* address = term.find("param")) {
      value = parameter(Term{{}, address->atom, true, address->items});
    } else if (const Term* params = term.find("params")) {
      for (const Term& item : params->items) value.put(parameter(item));
    } else if (term.find("info") != nullptr || term.atom == "INVALID_MANDATORY_PARAMETER") {
      value.open = true;
    } else {
      put_val(value, term, 4);
    }
    return value;
  }

  // "len=5, val=[1]", either of them open. `before`: what `len` counts beyond the value.
  static void put_val(Pattern& value, const Term& term, size_t before) {
    const auto length = term.number("len");
    const Term* bytes = term.find("val");
    if (bytes != nullptr && bytes->bracket) {
      for (const Term& item : bytes->items) value.put(std::strtoull(item.atom.c_str(), nullptr, 0), 1);
    } else if (length) {
      for (size_t i = before; i < *length; ++i) value.put(std::nullopt, 1);
    } else if (bytes != nullptr) {
      value.open = true;
    }
  }

  Pattern fixed_part(const Term& term) const {
    Pattern value;
    if (term.atom == "INIT" || term.atom == "INIT_ACK") {
      // The engine's own tag and TSN are what the script's stand for from now on.
      value.put(out_ ? std::nullopt : term.number("tag"), 4);
      value.put(term.number("a_rwnd"), 4);
      value.put(term.number("os"), 2);
      value.put(term.number("is"), 2);
      value.put(out_ ? std::nullopt : term.number("tsn"), 4);
    } else if (term.atom == "DATA") {
      value.put(tsn_of(term, "tsn", out_), 4);
      value.put(term.number("sid"), 2);
      value.put(term.number("ssn"), 2);
      value.put(term.number("ppid"), 4);
      for (size_t i = 16; i < term.number("len").value_or(16); ++i) value.put(std::nullopt, 1);
    } else if (term.atom == "I_DATA") {
      value.put(tsn_of(term, "tsn", out_), 4);
      value.put(term.number("sid"), 2), value.put(0, 2);
      value.put(term.number("mid"), 4);
      value.put(term.number(term.find("ppid") != nullptr ? "ppid" : "fsn"), 4);
      for (size_t i = 20; i < term.number("len").value_or(20); ++i) value.put(std::nullopt, 1);
    } else if (term.atom == "FORWARD_TSN" || term.atom == "I_FORWARD_TSN") {
      value.put(tsn_of(term, "cum_tsn", out_), 4);
      // {sid, ssn} or {sid, flags, mid}
      for (const Term& id : term.find("ids")->items) {
        for (size_t i = 0; i < id.items.size(); ++i) {
          value.put(std::strtoull(id.items[i].atom.c_str(), nullptr, 0), i == 2 ? 4 : 2);
        }
      }
    } else if (term.atom == "SACK" || term.atom == "SHUTDOWN") {
      put_acknowledgement(value, term);
    } else if (term.atom == "COOKIE_ECHO" && !out_ && !term.find("val")->bracket) {
      for (const uint8_t byte : numbers_.cookie) value.put(byte, 1);
    } else if (term.atom == "COOKIE_ECHO" || term.atom == "CHUNK") {
      put_val(value, term, 4);
    }
    return value;
  }

  void put_acknowledgement(Pattern& value, const Term& term) const {
    value.put(tsn_of(term, "cum_tsn", !out_), 4);
    if (term.atom == "SHUTDOWN") return;
    value.put(term.number("a_rwnd"), 4);
    const auto& gaps = term.find("gaps")->items;
    const auto& duplicates = term.find("dups")->items;
    value.put(gaps.size(), 2);
    value.put(duplicates.size(), 2);
    for (const Term& gap : gaps) {
      char* end = nullptr;
      value.put(std::strtoull(gap.atom.c_str(), &end, 0), 2);
      value.put(std::strtoull(end + 1, nullptr, 0), 2);
    }
    for (const Term& duplicate : duplicates) value.put(std::strtoull(duplicate.atom.c_str(), nullptr, 0), 4);
  }

  static std::optional<uint64_t> type_of(const Term& term) {
    static const std::map<std::string, uint8_t> types = {
        {"DATA", 0},          {"INIT", 1},           {"INIT_ACK", 2},           {"SACK", 3},         {"HEARTBEAT", 4},
        {"HEARTBEAT_ACK", 5}, {"ABORT", 6},          {"SHUTDOWN", 7},           {"SHUTDOWN_ACK", 8}, {"ERROR", 9},
        {"COOKIE_ECHO", 10},  {"COOKIE_ACK", 11},    {"SHUTDOWN_COMPLETE", 14}, {"I_DATA", 64},      {"RECONFIG", 130},
        {"FORWARD_TSN", 192}, {"I_FORWARD_TSN", 194}};
    std::string name = term.atom;
    if (const Term* type = term.find("type"); name == "CHUNK" && type != nullptr) name = type->atom;
    const auto known = types.find(name);
    return known != types.end() ? std::optional<uint64_t>(known->second) : term.number("type");
  }

  std::optional<uint64_t> flags_of(const Term& term) const {
    const Term* flags = term.find("flgs");
    if (flags == nullptr) return 0;
    if (flags->any()) return std::nullopt;
    uint64_t bits = 0;
    for (const char c : flags->atom) {
      bits |= c == 'E' || c == 'T' ? 1U : c == 'B' ? 2U : c == 'U' ? 4U : c == 'I' ? 8U : 0U;
    }
    return flags->atom[0] >= '0' && flags->atom[0] <= '9' ? term.number("flgs") : bits;
  }

  // Header and value. A length that is given is written even if it lies.
  Pattern framed(const Term& term, std::optional<uint64_t> type, size_t type_size, Pattern value) const {
    Pattern whole;
    whole.put(type, type_size);
    if (type_size == 1) whole.put(flags_of(term), 1);
    auto length = term.number("len");
    if (!length) length = 4 + value.bytes.size();
    if (out_ && (value.open || term.open() || list_of(term))) length.reset();
    whole.put(length, 2);
    whole.put(value);
    return whole;
  }

  const Numbers& numbers_;
  bool out_;
};

}  // namespace kaon::sctp::test
