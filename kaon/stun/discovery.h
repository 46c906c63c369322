// What kind of translator stands before us: NAT behaviour discovery, RFC 5780.
#pragma once

#include <array>
#include <optional>

#include "kaon/base/env.h"
#include "kaon/net/engine.h"
#include "kaon/stun/message.h"
#include "kaon/stun/transaction.h"

namespace kaon::stun {

/// RFC 4787 §4.1 and §5.
enum class NatBehavior : uint8_t { Unknown, EndpointIndependent, AddressDependent, AddressAndPortDependent };
/// "endpoint-independent" and so on.
std::string_view to_text(NatBehavior behavior);

/// What was found out. Told once, by Discovery::poll_event().
struct DiscoveryResult {
  /// Our address as the server sees it; nothing if the server did not answer, and then nothing else is known.
  std::optional<net::Endpoint> mapped;
  Duration rtt = Duration::zero();  ///< of the first request; zero if it was repeated
  /// The server's second address. Without one the rest stays Unknown.
  std::optional<net::Endpoint> other;
  NatBehavior mapping = NatBehavior::Unknown;
  NatBehavior filtering = NatBehavior::Unknown;
};

/// A net::DatagramEngine for one socket and one server. Asks one thing after the other, for ten seconds at most. The
/// filter is tried first, because the requests about the mapping open it (RFC 5780 §4.4).
class Discovery {
 public:
  /// Largest packet written.
  static constexpr size_t kMaxPacket = 64;

  /// `local` is any address, or the one that packets are known to come from: only with that no translator at all is
  /// told from one that keeps its mappings.
  Discovery(Env env, const net::Endpoint& local, const net::Endpoint& server, Time now);

  void handle_packet(const net::Datagram& packet, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const { return transaction_ ? transaction_->next_timeout() : kNever; }
  std::optional<net::Transmit> poll_transmit(Bytes out);
  std::optional<DiscoveryResult> poll_event();
  bool done() const { return step_ == Step::Done; }

 private:
  /// RFC 5780 §4.3, §4.4. "Other" is the server's second address, "port" the first one's second port.
  enum class Step : uint8_t { First, FromOther, FromPort, ToOtherAddress, ToOtherPort, Done };

  void start(Step step, const net::Endpoint& to, uint32_t change, Time now);
  void answered(const Message& message, const net::Endpoint& mapped, Time now);
  void unanswered(Time now);
  void finish();

  Env env_;
  net::Endpoint local_;
  net::Endpoint server_;
  net::Endpoint to_;
  net::Endpoint mapped_to_other_;
  uint32_t change_ = 0;
  Step step_ = Step::First;
  std::optional<Transaction> transaction_;
  bool send_ = false;
  bool told_ = false;
  DiscoveryResult result_;
};

static_assert(net::DatagramEngine<Discovery>);

}  // namespace kaon::stun
