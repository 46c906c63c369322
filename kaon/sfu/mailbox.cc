// Mailboxes over HTTP: what `kaon send` and `kaon receive` with a code need of a server.

#include "kaon/base/text.h"
#include "kaon/sfu/internal/control.h"

namespace kaon::sfu::internal {
namespace {

using transfer::MailboxError;

HttpResponse refuse(MailboxError error) {
  switch (error) {
    case MailboxError::NoSuch: return HttpResponse::error(404, "There is no such mailbox, or not any more.");
    case MailboxError::Taken: return HttpResponse::error(409, "This message has been written already.");
    case MailboxError::TooLarge: return HttpResponse::error(413, "A message has at most 1024 bytes.");
    case MailboxError::NotYours: return HttpResponse::error(403, "The key is not that of the mailbox.");
    case MailboxError::Full: break;
  }
  HttpResponse response = HttpResponse::error(503, "All mailboxes are in use; try again in some minutes.");
  response.headers.emplace_back("Retry-After", "60");
  return response;
}

HttpResponse message_reply(Result<std::optional<std::string>, MailboxError> message) {
  if (!message) return refuse(message.error());
  HttpResponse response{204, {}, {}};
  if (*message) response = HttpResponse::with(200, "application/octet-stream", std::move(**message));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace

HttpResponse Control::handle_mailbox(const HttpRequest& request) {
  constexpr std::string_view kBase = "/api/mailboxes";
  std::string_view rest = std::string_view(request.path).substr(kBase.size());
  const Time now = io::Loop::now();
  if (rest.empty()) {
    if (request.method != "POST") return HttpResponse::error(405, "Only POST is possible here.");
    const auto opened = mailboxes_.open(now);
    if (!opened) return refuse(opened.error());
    HttpResponse response = HttpResponse::with(201, "application/json",
                                               cat("{\"number\":", opened->number, ",\"key\":\"", opened->key, "\"}"));
    response.headers.emplace_back("Location", cat(kBase, '/', opened->number));
    response.headers.emplace_back("Cache-Control", "no-store");
    return response;
  }
  // "/NUMBER/MESSAGE", or "/NUMBER/KEY" to close it.
  rest.remove_prefix(1);
  const size_t slash = rest.find('/');
  const auto number = parse_number<uint32_t>(rest.substr(0, slash));
  const std::string_view last = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  if (!number || request.path[kBase.size()] != '/') return refuse(MailboxError::NoSuch);
  if (request.method == "DELETE") {
    const auto closed = mailboxes_.close(*number, last);
    return closed ? HttpResponse{204, {}, {}} : refuse(closed.error());
  }
  const auto message = parse_number<size_t>(last);
  if (!message) return refuse(MailboxError::NoSuch);
  if (request.method == "GET") return message_reply(mailboxes_.get(*number, *message, now));
  if (request.method != "PUT") return HttpResponse::error(405, "Only GET, PUT and DELETE are possible here.");
  const auto put = mailboxes_.put(*number, *message, request.body, now);
  return put ? HttpResponse{204, {}, {}} : refuse(put.error());
}

}  // namespace kaon::sfu::internal
