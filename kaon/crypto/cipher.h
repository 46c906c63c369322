// Bare ciphers: AES in counter mode for SRTP, one block of AES or ChaCha20 for header masks and key derivation.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "kaon/base/bytes.h"

namespace kaon::crypto {

/// A piece of a message and where its other form goes: `out` has in.size() bytes and starts exactly at `in` or does not
/// overlap the message.
struct CipherPart {
  ByteView in;
  Bytes out;
};

/// AES-CTR with the key set once (16, 24 or 32 bytes, asserted). Allocates nothing per call.
class AesCtr {
 public:
  explicit AesCtr(ByteView key);
  AesCtr(AesCtr&&) noexcept;
  AesCtr& operator=(AesCtr&&) noexcept;
  ~AesCtr();
  /// XORs the key stream that starts at the 16-byte counter block onto `in`. `out` has in.size() bytes and starts
  /// exactly at `in` or does not overlap it.
  void crypt(ByteView counter_block, ByteView in, Bytes out);
  /// The same of a message in pieces: one key stream goes through all of them.
  void crypt(ByteView counter_block, std::span<const CipherPart> parts);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// AES of single blocks (ECB), for masks: RFC 9147 §4.2.3, RFC 3711 §4.3.3.
class AesBlock {
 public:
  explicit AesBlock(ByteView key);
  AesBlock(AesBlock&&) noexcept;
  AesBlock& operator=(AesBlock&&) noexcept;
  ~AesBlock();
  std::array<uint8_t, 16> encrypt(ByteView block);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// The start of ChaCha20 key streams under one key (32 bytes, asserted), for masks: RFC 9147 §4.2.3.
class ChaCha20Block {
 public:
  explicit ChaCha20Block(ByteView key);
  ChaCha20Block(ChaCha20Block&&) noexcept;
  ChaCha20Block& operator=(ChaCha20Block&&) noexcept;
  ~ChaCha20Block();
  /// First 16 bytes of the key stream; counter (4 bytes, little-endian) and nonce (12) in `counter_nonce`.
  std::array<uint8_t, 16> mask(ByteView counter_nonce);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// The same for a key that is used once: sets up and frees a cipher.
std::array<uint8_t, 16> chacha20_mask(ByteView key, ByteView counter_nonce);

}  // namespace kaon::crypto
