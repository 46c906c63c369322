// What two programs say to each other on the channel of a file.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kaon/base/bytes.h"

namespace kaon::transfer {

/// The label of the channel of `kaon send`, and that of `kaon pipe`, whose messages are Data and End alone.
inline constexpr const char* kFileChannel = "kaon-file";
inline constexpr const char* kPipeChannel = "kaon-pipe";

using Sha256 = std::array<uint8_t, 32>;

/// Sender, first: a file of this size.
struct Offer {
  static constexpr size_t kMaxName = 255;
  std::string name;  ///< as the sender's last path component; see safe_name()
  uint64_t size = 0;
  bool operator==(const Offer&) const = default;
};
/// Receiver: send from `offset` on; what is before is here, and hashes to this.
struct Accept {
  uint64_t offset = 0;
  Sha256 hash{};  ///< of nothing: of the empty text
  bool operator==(const Accept&) const = default;
};
/// Sender: from where it begins. 0 if what the receiver has is of another file.
struct Begin {
  uint64_t offset = 0;
  bool operator==(const Begin&) const = default;
};
/// The bytes that follow; borrowed.
struct Data {
  ByteView bytes;
};
/// Sender: that was all, and the whole hashes to this.
struct End {
  Sha256 hash{};
  bool operator==(const End&) const = default;
};
/// Receiver: whole and stored.
struct Done {
  bool operator==(const Done&) const = default;
};
/// Either: it ends here, with a sentence for a person.
struct Abort {
  static constexpr size_t kMaxReason = 400;
  std::string reason;
  bool operator==(const Abort&) const = default;
};

using Message = std::variant<Offer, Accept, Begin, Data, End, Done, Abort>;

/// One byte of type, then the fields, big-endian.
std::vector<uint8_t> to_bytes(const Message& message);
/// Nothing if it is no message; names and reasons are cut to printable UTF-8.
std::optional<Message> parse(ByteView bytes);

/// A name under which the file may be stored in the present folder, whatever the peer says: without folders, control
/// characters, leading dots and what other systems refuse.
std::string safe_name(std::string_view name);

}  // namespace kaon::transfer
