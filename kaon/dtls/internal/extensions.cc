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

void write_alpn(Builder& out, std::string_view protocol) {
  const auto extension = begin_extension(out, ExtensionType::Alpn);
  const auto list = out.begin_vector(2);
  out.vector8(as_bytes(protocol));
  out.end_vector(list);
  out.end_vector(extension);
}

}  // namespace kaon::dtls
