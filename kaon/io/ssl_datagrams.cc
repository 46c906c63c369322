#include "kaon/io/internal/ssl_datagrams.h"

#include <algorithm>
#include <utility>

namespace kaon::io {
namespace {

using Method = std::unique_ptr<BIO_METHOD, SslFreed<BIO_meth_free>>;

SslDatagrams& datagrams_of(BIO* bio) { return *static_cast<SslDatagrams*>(BIO_get_data(bio)); }

int bio_read(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  const ByteView datagram = std::exchange(datagrams_of(bio).incoming, {});
  if (datagram.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t count = std::min(datagram.size(), static_cast<size_t>(size));
  std::copy_n(datagram.begin(), count, out);
  return static_cast<int>(count);
}

// One call is one datagram.
int bio_write(BIO* bio, const char* bytes, int size) {
  datagrams_of(bio).send_datagram(as_bytes({bytes, static_cast<size_t>(size)}));
  return size;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

// One for the process: libssl has few of the numbers that each takes.
const BIO_METHOD* method() {
  static const Method method = [] {
    Method made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams"));
    BIO_meth_set_read(made.get(), bio_read);
    BIO_meth_set_write(made.get(), bio_write);
    BIO_meth_set_ctrl(made.get(), bio_control);
    return made;
  }();
  return method.get();
}

}  // namespace

void use_datagrams(SSL* ssl, SslDatagrams& datagrams) {
  BIO* bio = BIO_new(method());
  BIO_set_data(bio, &datagrams);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_mtu(ssl, kSslMtu);
}

}  // namespace kaon::io
