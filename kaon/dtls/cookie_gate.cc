#include "kaon/dtls/cookie_gate.h"

#include <algorithm>
#include <array>

#include "kaon/base/writer.h"
#include "kaon/dtls/internal/builder.h"
#include "kaon/dtls/internal/handshake.h"
#include "kaon/dtls/internal/messages13.h"
#include "kaon/dtls/internal/partial_hellos.h"
#include "kaon/dtls/internal/start.h"

namespace kaon::dtls {

namespace {

constexpr size_t kKeySize = 32;
constexpr size_t kTagSize = 16;
using Tag = std::array<uint8_t, kTagSize>;

// The first byte of a cookie: which key made it, and whether the HelloRetryRequest asked for a share.
constexpr uint8_t kKeyBit = 1;
constexpr uint8_t kAskedForShare = 2;

/// A whole ClientHello and where it stood.
struct Hello {
  ByteView body;
  uint16_t message_sequence;
  uint64_t record_sequence;
  ClientHello content;
};

/// What a client must not change between its hellos (RFC 6347 §4.2.1, RFC 8446 §4.1.2): all before and behind the
/// cookie of 1.2 up to the extensions.
std::array<ByteView, 2> fixed_parts(ByteView body) {
  Reader reader(body);
  reader.skip(2 + kRandomSize);
  reader.vector8();  // session id
  const size_t cookie = reader.position();
  reader.vector8();
  const size_t behind = reader.position();
  reader.vector16();  // suites
  reader.vector8();   // compression methods
  return {body.first(cookie), body.subspan(behind, reader.position() - behind)};
}

/// Content of the cookie of 1.3, before the tag.
struct Cookie13 {
  uint8_t flags = 0;
  CipherSuite suite{};
  crypto::Group group{};
  ByteView first_hello;

  static std::optional<Cookie13> parse(ByteView content) {
    Reader reader(content);
    Cookie13 cookie;
    cookie.flags = reader.u8();
    cookie.suite = static_cast<CipherSuite>(reader.u16());
    cookie.group = static_cast<crypto::Group>(reader.u16());
    cookie.first_hello = reader.rest();
    if (!reader.ok()) return std::nullopt;
    return cookie;
  }
  std::vector<uint8_t> write() const {
    Builder out;
    out.u8(flags);
    out.u16(static_cast<uint16_t>(suite));
    out.u16(static_cast<uint16_t>(group));
    out.bytes(first_hello);
    return out.take();
  }
};

std::vector<uint8_t> write_retry(const Cookie13& cookie, ByteView bytes) {
  ServerHello13 retry{.cipher_suite = cookie.suite, .group = {}, .share = {}, .cookie = bytes};
  if ((cookie.flags & kAskedForShare) != 0) retry.group = cookie.group;
  return retry.write();
}

/// A record in the clear with the number of the one that it answers, as nothing is remembered that could count.
size_t write_record(ContentType type, uint16_t version, uint64_t sequence, ByteView payload, Bytes out) {
  Writer writer(out);
  writer.u8(static_cast<uint8_t>(type));
  writer.u16(version);
  writer.u16(0);
  writer.u48(sequence);
  writer.u16(static_cast<uint16_t>(payload.size()));
  writer.bytes(payload);
  return writer.size();
}

size_t write_message(HandshakeType type, uint16_t version, const Hello& answered, ByteView body, Bytes out) {
  Flight numbering;
  numbering.number_from(answered.message_sequence);
  return write_record(ContentType::Handshake, version, answered.record_sequence, numbering.add(type, 0, body), out);
}

}  // namespace

class CookieGate::Impl {
 public:
  Impl(Env env, Config config, Duration key_lifetime)
      : env_(env), config_(std::move(config)), key_lifetime_(key_lifetime), keys_{make_key(), make_key()} {}

  Verdict handle_packet(Bytes packet, const net::Endpoint& remote, Time now, Bytes out);

  Stats stats;
  Counters<DropReason> dropped;
  PartialHellos partials;

 private:
  crypto::Hmac make_key();
  void rotate_keys(Time now);
  std::optional<HandshakeMessage> take_hello(const Fragment& fragment, const net::Endpoint& remote);
  Verdict judge(const Hello& hello, const net::Endpoint& remote, Bytes out);
  Verdict judge12(const Hello& hello, const net::Endpoint& remote, Bytes out);
  Verdict ask13(const Hello& hello, const net::Endpoint& remote, Bytes out);
  Verdict check13(const Hello& hello, const net::Endpoint& remote, Bytes out);
  Verdict ask(const Hello& hello, HandshakeType type, uint16_t version, ByteView body, Bytes out);
  Verdict drop(DropReason reason);
  std::vector<uint8_t> seal(std::vector<uint8_t> content, const Hello& hello, const net::Endpoint& remote);
  std::optional<ByteView> open(ByteView cookie, const Hello& hello, const net::Endpoint& remote);
  Tag tag(ByteView content, const Hello& hello, const net::Endpoint& remote);

  Env env_;
  Config config_;
  Duration key_lifetime_;
  std::array<crypto::Hmac, 2> keys_;  // the one in use, and the one before it
  uint8_t current_ = 0;
  std::optional<Time> next_rotation_;
};

crypto::Hmac CookieGate::Impl::make_key() {
  std::array<uint8_t, kKeySize> bytes;
  env_.random.fill(bytes);
  crypto::Hmac key(crypto::HashAlgorithm::Sha256, bytes);
  wipe(bytes);
  return key;
}

void CookieGate::Impl::rotate_keys(Time now) {
  if (!next_rotation_) next_rotation_ = now + key_lifetime_;
  if (now < *next_rotation_) return;
  // After a long silence the one before is too old as well.
  if (now - *next_rotation_ >= key_lifetime_) keys_[current_] = make_key();
  current_ ^= kKeyBit;
  keys_[current_] = make_key();
  next_rotation_ = now + key_lifetime_;
}

CookieGate::Verdict CookieGate::Impl::handle_packet(Bytes packet, const net::Endpoint& remote, Time now, Bytes out) {
  KAON_ASSERT(out.size() >= kMaxAnswer);
  rotate_keys(now);
  while (!packet.empty()) {
    const auto record = next_record(packet);
    if (!record) {
      dropped.add(record.error());
      continue;
    }
    const bool clear = !record->unified && record->epoch == 0;
    if (!clear || record->type != ContentType::Handshake) {
      dropped.add(clear ? DropReason::Unauthenticated : DropReason::WrongEpoch);
      continue;
    }
    Reader reader(record->fragment);
    while (!reader.at_end()) {
      const auto fragment = Fragment::parse(reader, 0);
      if (!fragment) {
        dropped.add(DropReason::BadFragment);
        break;
      }
      const auto message = take_hello(*fragment, remote);
      if (!message) continue;
      const ByteView body = message->body.empty() ? fragment->bytes : ByteView(message->body);
      const auto content = ClientHello::parse(body);
      if (!content) return drop(DropReason::HelloRefused);
      return judge({body, fragment->sequence, record->sequence, *content}, remote, out);
    }
  }
  return {};
}

// A hello that stands in one fragment is not copied: its message has no body.
std::optional<HandshakeMessage> CookieGate::Impl::take_hello(const Fragment& fragment, const net::Endpoint& remote) {
  if (fragment.type != HandshakeType::ClientHello || fragment.sequence > kMaxHelloSequence) {
    dropped.add(DropReason::BadFragment);
    return std::nullopt;
  }
  if (fragment.length > kMaxHello) {
    dropped.add(DropReason::MessageTooLarge);
    return std::nullopt;
  }
  if (fragment.bytes.size() == fragment.length) return HandshakeMessage{};
  return partials.add(fragment, remote, dropped);
}

CookieGate::Verdict CookieGate::Impl::judge(const Hello& hello, const net::Endpoint& remote, Bytes out) {
  if (offers13(config_) && hello.content.offers(Version::Dtls13))
    return hello.content.cookie.empty() ? ask13(hello, remote, out) : check13(hello, remote, out);
  if (offers12(config_) && hello.content.offers(Version::Dtls12)) return judge12(hello, remote, out);
  return drop(DropReason::HelloRefused);
}

CookieGate::Verdict CookieGate::Impl::judge12(const Hello& hello, const net::Endpoint& remote, Bytes out) {
  if (choose_suite(config_, Version::Dtls12, hello.content) == nullptr) return drop(DropReason::HelloRefused);
  // RFC 6347 §4.2.1: a wrong cookie is as good as none.
  if (open(hello.content.legacy_cookie, hello, remote)) {
    ++stats.admitted;
    return {
        .hello = AdmittedHello{
            Version::Dtls12, hello.message_sequence, hello.record_sequence, {hello.body.begin(), hello.body.end()}}};
  }
  // RFC 6347 §4.2.1: the version of this message is 1.0, whichever is going to be negotiated.
  Builder body;
  body.u16(kVersionDtls10);
  body.vector8(seal({current_}, hello, remote));
  return ask(hello, HandshakeType::HelloVerifyRequest, kVersionDtls10, body.take(), out);
}

CookieGate::Verdict CookieGate::Impl::ask13(const Hello& hello, const net::Endpoint& remote, Bytes out) {
  const SuiteInfo* suite = choose_suite(config_, Version::Dtls13, hello.content);
  if (suite == nullptr || !hello.content.supported_groups || !hello.content.key_shares || hello.message_sequence != 0)
    return drop(DropReason::HelloRefused);
  const auto groups = available_groups(config_);
  auto group = choose_shared_group(groups, hello.content);
  const bool has_share = group.has_value();
  if (!has_share) group = choose_offered_group(groups, hello.content);
  if (!group) return drop(DropReason::HelloRefused);
  Transcript13 transcript;
  transcript.start(suite->hash);
  transcript.add(HandshakeType::ClientHello, hello.body);
  const crypto::Digest first_hello = transcript.hash();
  ++stats.hashes;
  const auto flags = static_cast<uint8_t>(current_ | (has_share ? 0 : kAskedForShare));
  const Cookie13 cookie{flags, suite->suite, *group, first_hello.view()};
  const std::vector<uint8_t> body = write_retry(cookie, seal(cookie.write(), hello, remote));
  return ask(hello, HandshakeType::ServerHello, kVersionDtls12, body, out);
}

CookieGate::Verdict CookieGate::Impl::check13(const Hello& hello, const net::Endpoint& remote, Bytes out) {
  const auto content = open(hello.content.cookie, hello, remote);
  const auto cookie = content ? Cookie13::parse(*content) : std::nullopt;
  if (!cookie) {
    // RFC 9147 §5.1: so that the client begins anew.
    ++stats.refused;
    constexpr std::array<uint8_t, 2> kAlert = {2, static_cast<uint8_t>(AlertDescription::IllegalParameter)};
    return {.answer = write_record(ContentType::Alert, kVersionDtls12, hello.record_sequence, kAlert, out)};
  }
  ++stats.admitted;
  AdmittedHello admitted{
      Version::Dtls13, hello.message_sequence, hello.record_sequence, {hello.body.begin(), hello.body.end()}};
  admitted.retry = write_retry(*cookie, hello.content.cookie);
  admitted.suite = cookie->suite;
  admitted.group = cookie->group;
  admitted.first_hello.size = cookie->first_hello.size();
  std::ranges::copy(cookie->first_hello, admitted.first_hello.data.begin());
  return {.hello = std::move(admitted)};
}

CookieGate::Verdict CookieGate::Impl::ask(const Hello& hello, HandshakeType type, uint16_t version, ByteView body,
                                          Bytes out) {
  if (body.size() > hello.body.size()) return drop(DropReason::HelloRefused);
  ++stats.asked;
  return {.answer = write_message(type, version, hello, body, out)};
}

CookieGate::Verdict CookieGate::Impl::drop(DropReason reason) {
  dropped.add(reason);
  return {};
}

std::vector<uint8_t> CookieGate::Impl::seal(std::vector<uint8_t> content, const Hello& hello,
                                            const net::Endpoint& remote) {
  const Tag made = tag(content, hello, remote);
  content.insert(content.end(), made.begin(), made.end());
  return content;
}

std::optional<ByteView> CookieGate::Impl::open(ByteView cookie, const Hello& hello, const net::Endpoint& remote) {
  if (cookie.size() <= kTagSize) return std::nullopt;
  const ByteView content = cookie.first(cookie.size() - kTagSize);
  if (!equal_in_constant_time(tag(content, hello, remote), cookie.last(kTagSize))) return std::nullopt;
  return content;
}

Tag CookieGate::Impl::tag(ByteView content, const Hello& hello, const net::Endpoint& remote) {
  ++stats.macs;
  const ByteView ip = remote.ip.bytes();
  // The size of the address tells its family; all that follows says its own length, but for the content at the end.
  const std::array<uint8_t, 3> fixed = {static_cast<uint8_t>(ip.size()), static_cast<uint8_t>(remote.port >> 8),
                                        static_cast<uint8_t>(remote.port)};
  const auto parts = fixed_parts(hello.body);
  const std::array<ByteView, 5> all = {fixed, ip, parts[0], parts[1], content};
  const crypto::Digest digest = keys_[content[0] & kKeyBit].compute(all);
  Tag result;
  std::copy_n(digest.data.begin(), kTagSize, result.begin());
  return result;
}

CookieGate::CookieGate(Env env, Config config, Duration key_lifetime)
    : impl_(std::make_unique<Impl>(env, std::move(config), key_lifetime)) {}
CookieGate::CookieGate(CookieGate&&) noexcept = default;
CookieGate& CookieGate::operator=(CookieGate&&) noexcept = default;
CookieGate::~CookieGate() = default;

CookieGate::Verdict CookieGate::handle_packet(Bytes packet, const net::Endpoint& remote, Time now, Bytes out) {
  return impl_->handle_packet(packet, remote, now, out);
}
const CookieGate::Stats& CookieGate::stats() const { return impl_->stats; }
const Counters<DropReason>& CookieGate::dropped() const { return impl_->dropped; }
size_t CookieGate::partial_bytes() const { return impl_->partials.bytes(); }

}  // namespace kaon::dtls
