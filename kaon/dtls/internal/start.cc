#include "kaon/dtls/internal/start.h"

#include "kaon/dtls/internal/handshake12.h"

namespace kaon::dtls {

namespace {

std::vector<crypto::Group> groups_to_offer(const Config& config) {
  std::vector<crypto::Group> groups = available_groups(config);
  if (!offers13(config)) std::erase_if(groups, [](crypto::Group group) { return !usable_in_12(group); });
  return groups;
}

/// Suites of the versions that are spoken.
std::vector<CipherSuite> suites_to_offer(const Config& config) {
  std::vector<CipherSuite> suites = config.cipher_suites;
  std::erase_if(suites, [&](CipherSuite suite) {
    const SuiteInfo* info = find_suite(static_cast<uint16_t>(suite));
    if (info != nullptr && uses_psk(*info) && config.psks.empty()) return true;
    return info == nullptr || !(info->version == Version::Dtls13 ? offers13(config) : offers12(config));
  });
  return suites;
}

}  // namespace

void ClientStart::start(HandshakeContext& context) {
  context.env.random.fill(context.session.keys.client_random);
  context.session.keys13.client_random = context.session.keys.client_random;
  if (offers13(context.config)) {
    std::vector<crypto::Group> groups = groups_to_offer(context.config);
    // Whoever lacks the post-quantum group has X25519, and no round trip is lost.
    const bool hybrid = !groups.empty() && groups[0] == crypto::Group::X25519MlKem768;
    const bool both = hybrid && contains(groups, crypto::Group::X25519);
    groups.resize(std::min<size_t>(groups.size(), 1));
    if (both) groups.push_back(crypto::Group::X25519);
    make_key_exchanges(context, std::move(groups));
  }
  send_client_hello(context, {}, {});
}

void ClientStart::make_key_exchanges(HandshakeContext& context, std::vector<crypto::Group> groups) {
  key_exchanges_.clear();
  for (const crypto::Group group : groups)
    key_exchanges_.push_back(crypto::KeyExchange::generate(group, context.env.random));
}

void ClientStart::send_client_hello(HandshakeContext& context, ByteView cookie, ByteView retry_cookie) {
  const Config& config = context.config;
  const auto groups = groups_to_offer(config);
  const auto suites = suites_to_offer(config);
  ClientHelloOffer offer;
  offer.min_version = config.min_version;
  offer.max_version = config.max_version;
  offer.random = context.session.keys.client_random;
  offer.cookie = cookie;
  offer.retry_cookie = retry_cookie;
  offer.cipher_suites = suites;
  offer.groups = groups;
  offer.srtp_profiles = config.srtp_profiles;
  offer.key_exchanges = key_exchanges_;
  if (config.connection_id) offer.connection_id = *config.connection_id;
  offer.return_routability = config.return_routability;
  offer.alpn = config.alpn;
  const std::vector<uint8_t> body = offer.write();
  context.flight.begin();
  // RFC 6347 §4.2.1: only the ClientHello with the cookie counts for the transcript of 1.2.
  hello12_ = context.flight.add(HandshakeType::ClientHello, kEpochClear, body);
  transcript13_.add(HandshakeType::ClientHello, body);
}

Step ClientStart::on_message(HandshakeContext& context, const HandshakeMessage& message) {
  if (message.type == HandshakeType::HelloVerifyRequest) return on_hello_verify_request(context, message);
  if (message.type == HandshakeType::ServerHello) return on_server_hello(context, message);
  return refuse("no ServerHello");
}

Step ClientStart::on_hello_verify_request(HandshakeContext& context, const HandshakeMessage& message) {
  const auto cookie = parse_hello_verify_request(message.body);
  if (!cookie) return fatal(AlertDescription::DecodeError, "malformed HelloVerifyRequest");
  // RFC 9147 §5.1: a server that speaks 1.3 does not send it.
  if (!offers12(context.config)) return fatal(AlertDescription::ProtocolVersion, "server chose another version");
  if (retry_suite_ != nullptr) return fatal(AlertDescription::UnexpectedMessage, "HelloVerifyRequest out of turn");
  if (++verify_requests_ > kMaxHelloVerifyRequests)
    return fatal(AlertDescription::IllegalParameter, "too many HelloVerifyRequests");
  transcript13_ = Transcript13();
  send_client_hello(context, *cookie, {});
  return Outcome::Answered;
}

Step ClientStart::on_server_hello(HandshakeContext& context, const HandshakeMessage& message) {
  const auto hello = ServerHello::parse(message.body);
  if (!hello) return fatal(AlertDescription::DecodeError, "malformed ServerHello");
  if (!hello->selected_version) {
    if (!offers12(context.config) || retry_suite_ != nullptr)
      return fatal(AlertDescription::ProtocolVersion, "server chose another version");
    return Outcome::Use12;
  }
  // RFC 8446 §4.2.1: the extension never selects a version before 1.3. RFC 9147 §5.1: a server that asked by a
  // HelloVerifyRequest does not speak 1.3.
  if (*hello->selected_version != static_cast<uint16_t>(Version::Dtls13) || !offers13(context.config) ||
      verify_requests_ != 0)
    return fatal(AlertDescription::IllegalParameter, "server chose a version that was not offered");
  if (!hello->asks_for_retry()) return Outcome::Use13;
  return on_hello_retry_request(context, *hello, message);
}

Step ClientStart::on_hello_retry_request(HandshakeContext& context, const ServerHello& retry,
                                         const HandshakeMessage& message) {
  if (retry_suite_ != nullptr) return fatal(AlertDescription::UnexpectedMessage, "second HelloRetryRequest");
  const SuiteInfo* suite = find_suite(retry.cipher_suite);
  if (suite == nullptr || suite->version != Version::Dtls13 || !contains(context.config.cipher_suites, suite->suite))
    return fatal(AlertDescription::IllegalParameter, "server chose what was not offered");
  if (retry.unsolicited_extension || retry.encrypt_then_mac || retry.connection_id || retry.return_routability ||
      retry.alpn)
    return fatal(AlertDescription::UnsupportedExtension, "HelloRetryRequest with an extension that was not offered");
  const auto has_share = [&](const crypto::KeyExchange& exchange) { return exchange.group() == *retry.group; };
  if (retry.group) {
    const bool offered = contains(groups_to_offer(context.config), *retry.group);
    if (!offered || std::ranges::any_of(key_exchanges_, has_share))
      return fatal(AlertDescription::IllegalParameter, "HelloRetryRequest for a group that was not offered or shared");
    make_key_exchanges(context, {*retry.group});
  } else if (retry.cookie.empty()) {
    return fatal(AlertDescription::IllegalParameter, "HelloRetryRequest that changes nothing");
  }
  retry_suite_ = suite;
  transcript13_.start(suite->hash);
  transcript13_.replace_by_hash();
  transcript13_.add(HandshakeType::ServerHello, message.body);
  send_client_hello(context, {}, retry.cookie);
  return Outcome::Answered;
}

Step ServerStart::on_message(HandshakeContext& context, const HandshakeMessage& message) {
  if (message.type != HandshakeType::ClientHello) return refuse("another message came first");
  const auto hello = ClientHello::parse(message.body);
  if (!hello) return refuse("ClientHello refused: malformed");
  const Config& config = context.config;
  if (offers13(config) && hello->offers(Version::Dtls13)) return Outcome::Use13;
  if (offers12(config) && hello->offers(Version::Dtls12)) return Outcome::Use12;
  return refuse("ClientHello refused: no common version");
}

}  // namespace kaon::dtls
