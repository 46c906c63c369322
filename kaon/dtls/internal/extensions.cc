#include "kaon/dtls/internal/extensions.h"

namespace kaon::dtls {

bool read_chosen_profile(Reader& reader, SrtpProfileId& profile) {
  const U16List profiles = read_list(reader, reader.vector16());
  const ByteView mki = reader.vector8();
  if (!reader.ok() || profiles.size() != 1 || !mki.empty()) return false;
  profile = profiles[0];
  return true;
}

void write_cookie(Builder& out, ByteView cookie) {
  const auto extension = begin_extension(out, ExtensionType::Cookie);
  out.vector16(cookie);
  out.end_vector(extension);
}

void write_connection_id(Builder& out, ByteView id) {
  const auto extension = begin_extension(out, ExtensionType::ConnectionId);
  out.vector8(id);
  out.end_vector(extension);
}

bool read_chosen_protocol(ByteView content, std::optional<std::string_view>& name) {
  Reader reader(content);
  Reader list(reader.vector16());
  name = as_text(list.vector8());
  return reader.ok() && reader.at_end() && list.ok() && list.at_end() && !name->empty();
}

}  // namespace kaon::dtls
