// Lines of descriptions out of values.
#pragma once

#include <string>

#include "kaon/base/text.h"
#include "kaon/sdp/session_description.h"

namespace kaon::sdp::internal {

/// Appends all parts and CRLF.
template <class... Parts>
void put_line(std::string& out, const Parts&... parts) {
  (append_to(out, parts), ...);
  out += "\r\n";
}

void put_attribute(std::string& out, const Attribute& attribute);
void put_group(std::string& out, const Group& group);
void put_transport(std::string& out, const TransportAttributes& transport);
void put_media(std::string& out, const MediaDescription& media);

}  // namespace kaon::sdp::internal
