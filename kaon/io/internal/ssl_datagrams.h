// libssl over datagrams that somebody else sends and receives.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "kaon/base/bytes.h"

namespace kaon::io {

template <auto Free>
struct SslFreed {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using SslContext = std::unique_ptr<SSL_CTX, SslFreed<SSL_CTX_free>>;
using SslHandle = std::unique_ptr<SSL, SslFreed<SSL_free>>;

/// What libssl may send in one datagram while it shakes hands: below what every path carries, with room for IPv6, UDP
/// and a tunnel.
inline constexpr long kSslMtu = 1200;
/// The largest message of one record.
inline constexpr size_t kMaxSslRecord = 16 * 1024;

/// One end of a DTLS session. Give it each datagram by `incoming`, then call libssl, which takes it.
class SslDatagrams {
 public:
  /// Sends one datagram. What cannot be sent is lost, as datagrams are.
  virtual void send_datagram(ByteView datagram) = 0;
  /// What libssl is to read: valid until it is called.
  ByteView incoming;

 protected:
  ~SslDatagrams() = default;
};

/// Makes a session read and write by `datagrams`, which must outlive it.
void use_datagrams(SSL* ssl, SslDatagrams& datagrams);

}  // namespace kaon::io
