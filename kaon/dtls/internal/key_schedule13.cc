#include "kaon/dtls/internal/key_schedule13.h"

#include "kaon/base/assert.h"
#include "kaon/base/text.h"
#include "kaon/base/writer.h"
#include "kaon/crypto/kdf.h"

namespace kaon::dtls {

namespace {

constexpr size_t kTranscriptHeaderSize = 4;

std::array<uint8_t, kTranscriptHeaderSize> transcript_header(HandshakeType type, size_t size) {
  std::array<uint8_t, kTranscriptHeaderSize> header{static_cast<uint8_t>(type)};
  store_be24(&header[1], static_cast<uint32_t>(size));
  return header;
}

ByteView zeros(size_t size) {
  static constexpr std::array<uint8_t, 64> kZeros{};
  return ByteView(kZeros).first(size);
}

}  // namespace

void Transcript13::add(HandshakeType type, ByteView body) {
  const auto header = transcript_header(type, body.size());
  if (hasher_) {
    hasher_->update(header);
    hasher_->update(body);
    return;
  }
  waiting_.insert(waiting_.end(), header.begin(), header.end());
  waiting_.insert(waiting_.end(), body.begin(), body.end());
}

void Transcript13::start(crypto::HashAlgorithm algorithm) {
  KAON_ASSERT(!hasher_);
  hasher_.emplace(algorithm);
  hasher_->update(waiting_);
  waiting_ = {};
}

void Transcript13::start_behind(crypto::HashAlgorithm algorithm, ByteView first_hello) {
  hasher_.emplace(algorithm);
  add(HandshakeType::MessageHash, first_hello);
}

void Transcript13::replace_by_hash() {
  const crypto::Digest first = hash();
  start_behind(hasher_->algorithm(), first.view());
}

Secret13 KeySchedule13::derive_secret(const Secret13& secret, std::string_view label,
                                      const crypto::Digest& transcript) const {
  Secret13 out;
  out.size = crypto::digest_size(hash_);
  crypto::hkdf_expand_label(hash_, secret.view(), kLabelPrefix, label, transcript.view(),
                            Bytes(out.data).first(out.size));
  return out;
}

void KeySchedule13::derive_handshake(const SuiteInfo& suite, ByteView shared_secret, const crypto::Digest& hello_hash) {
  hash_ = suite.hash;
  aead_ = std::get<crypto::AeadAlgorithm>(suite.algorithm);
  const size_t size = crypto::digest_size(hash_);
  const crypto::Digest nothing = crypto::hash(hash_, {});
  const Secret13 early(crypto::hkdf_extract(hash_, zeros(size), zeros(size)));  // no pre-shared key
  current_ = Secret13(crypto::hkdf_extract(hash_, derive_secret(early, "derived", nothing).view(), shared_secret));
  handshake_[index(Role::Client)] = derive_secret(current_, "c hs traffic", hello_hash);
  handshake_[index(Role::Server)] = derive_secret(current_, "s hs traffic", hello_hash);
}

void KeySchedule13::derive_application(const crypto::Digest& finished_hash) {
  const Secret13 derived = derive_secret(current_, "derived", crypto::hash(hash_, {}));
  const Secret13 master(crypto::hkdf_extract(hash_, derived.view(), zeros(crypto::digest_size(hash_))));
  application_[index(Role::Client)] = derive_secret(master, "c ap traffic", finished_hash);
  application_[index(Role::Server)] = derive_secret(master, "s ap traffic", finished_hash);
  current_ = derive_secret(master, "exp master", finished_hash);
}

void KeySchedule13::update(Role role) {
  Secret13& secret = application_[index(role)];
  secret = derive_secret(secret, "traffic upd", {});
}

crypto::Digest KeySchedule13::verify_data(Role role, const crypto::Digest& transcript_hash) const {
  const Secret13 key = derive_secret(handshake_[index(role)], "finished", {});
  return crypto::hmac(hash_, key.view(), transcript_hash.view());
}

void KeySchedule13::export_keying_material(std::string_view label, ByteView context, Bytes out) const {
  const Secret13 secret = derive_secret(current_, label, crypto::hash(hash_, {}));
  crypto::hkdf_expand_label(hash_, secret.view(), kLabelPrefix, "exporter", crypto::hash(hash_, context).view(), out);
}

std::vector<std::string> KeySchedule13::take_key_log_lines() {
  std::vector<std::string> lines;
  const auto add = [&](std::string_view name, const Secret13& secret) {
    lines.push_back(cat(name, " ", to_hex(client_random), " ", to_hex(secret.view())));
  };
  if (handshake_[0].size != 0 && !std::exchange(handshake_logged_, true)) {
    add("CLIENT_HANDSHAKE_TRAFFIC_SECRET", handshake_[index(Role::Client)]);
    add("SERVER_HANDSHAKE_TRAFFIC_SECRET", handshake_[index(Role::Server)]);
  }
  if (application_[0].size != 0 && !std::exchange(application_logged_, true)) {
    add("CLIENT_TRAFFIC_SECRET_0", application_[index(Role::Client)]);
    add("SERVER_TRAFFIC_SECRET_0", application_[index(Role::Server)]);
    add("EXPORTER_SECRET", current_);
  }
  return lines;
}

void KeySchedule13::forget_handshake() { handshake_ = {}; }

void KeySchedule13::forget() {
  forget_handshake();
  application_ = {};
  current_ = {};
}

}  // namespace kaon::dtls
