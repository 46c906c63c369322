#include "apps/kaon/mailbox_client.h"

#include "apps/kaon/signals.h"
#include "kaon/base/text.h"

namespace kaon::apps {
namespace {

constexpr int kPollMilliseconds = 300;
constexpr std::string_view kBase = "/api/mailboxes";

// The value of "NAME":… in a small JSON object of ours, without quotes.
std::string field(std::string_view json, std::string_view name) {
  const std::string key = cat('"', name, "\":");
  const size_t at = json.find(key);
  if (at == std::string_view::npos) return {};
  json.remove_prefix(at + key.size());
  if (json.starts_with('"')) json.remove_prefix(1);
  return std::string(json.substr(0, json.find_first_of("\",}")));
}

std::string refusal(const HttpReply& reply) {
  if (reply.status == 401 || reply.status == 403) return "The server wants its access token: give it with --token.";
  if (reply.status == 404) return "There is nobody with this code, or no more: codes last 15 minutes and three tries.";
  return cat("The server refuses: ", reply.body.substr(0, reply.body.find_first_of("\r\n")));
}

}  // namespace

MailboxClient::~MailboxClient() {
  if (!key_.empty()) static_cast<void>(request("DELETE", cat(kBase, '/', number_, '/', key_)));
}

std::string MailboxClient::path_of(size_t message) const { return cat(kBase, '/', number_, '/', message); }

Result<HttpReply, std::string> MailboxClient::request(std::string_view method, const std::string& path,
                                                      std::string body) {
  auto url = Url::parse(server_);
  if (!url) return fail(cat("'", server_, "' is no http or https URL."));
  url->target = path;
  std::vector<std::pair<std::string, std::string>> headers;
  if (!token_.empty()) headers.emplace_back("Authorization", "Bearer " + token_);
  return http_request(*url, method, headers, body, insecure_);
}

Result<uint32_t, std::string> MailboxClient::open() {
  KAON_TRY(const HttpReply reply, request("POST", std::string(kBase)));
  if (reply.status == 404 || reply.status == 405) return fail(cat(server_, " is no `kaon serve` that has mailboxes."));
  if (reply.status != 201) return fail(refusal(reply));
  const auto number = parse_number<uint32_t>(field(reply.body, "number"));
  key_ = field(reply.body, "key");
  if (!number || key_.empty()) return fail(cat(server_, " is no `kaon serve` that has mailboxes."));
  number_ = *number;
  return number_;
}

Result<bool, std::string> MailboxClient::put(size_t message, ByteView bytes) {
  KAON_TRY(const HttpReply reply, request("PUT", path_of(message), std::string(as_text(bytes))));
  if (reply.status == 409) return false;
  if (reply.status != 204) return fail(refusal(reply));
  return true;
}

Result<std::optional<std::string>, std::string> MailboxClient::get(size_t message) {
  KAON_TRY(HttpReply reply, request("GET", path_of(message)));
  if (reply.status == 204) return std::nullopt;
  if (reply.status != 200) return fail(refusal(reply));
  return std::move(reply.body);
}

Result<std::optional<std::string>, std::string> MailboxClient::await(size_t message, StopSignal& stop) {
  while (true) {
    KAON_TRY(auto bytes, get(message));
    if (bytes || stop.wait(kPollMilliseconds)) return bytes;
  }
}

}  // namespace kaon::apps
