// The ICE agent: one component, one stream (everything is bundled), no sockets.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kaon/base/counters.h"
#include "kaon/base/env.h"
#include "kaon/base/ring.h"
#include "kaon/ice/internal/pair.h"
#include "kaon/ice/internal/sped.h"
#include "kaon/ice/types.h"
#include "kaon/net/engine.h"
#include "kaon/stun/client.h"
#include "kaon/stun/message.h"

namespace kaon::ice {

/// RFC 8445 (full and lite), 8838, 7675, 8863 as a net::DatagramEngine. It consumes STUN; everything else on the same
/// addresses belongs to the composer, who asks source_of() before he believes it and selected() where to send.
///
/// Rules that go beyond the RFCs: every check is a transaction of its own, so that every answer gives an RTT; data may
/// flow over any valid pair before nomination; the controlling side nominates the first valid pair at once and
/// renominates when a better one turns up; nothing unauthenticated is ever answered.
class Agent {
 public:
  /// Largest packet written.
  static constexpr size_t kMaxPacket = 768 + internal::Sped::kMaxSize;
  /// Largest packet that embed() takes.
  static constexpr size_t kMaxEmbedded = internal::Sped::kMaxPacket;
  /// Most that a check or its answer has besides, with the user fragments that are usual, and TURN around it.
  static constexpr size_t kCheckOverhead = 200;
  /// A check goes out once for each packet that is to be carried, at most so often.
  static constexpr size_t kMaxBurst = 4;
  static constexpr size_t kMaxLocalCandidates = 32;
  static constexpr size_t kMaxRemoteCandidates = 64;
  /// Of the remote ones, those learned from checks; the oldest that led to nothing gives way.
  static constexpr size_t kMaxPeerReflexive = 16;
  /// While there is a path, that many at once, then one in this time: two translators that map by port show each other
  /// a new address with every answer.
  static constexpr Duration kReflexiveInterval = std::chrono::seconds(5);
  /// Each kind of pair gets its share of them, and in its kind each candidate.
  static constexpr size_t kMaxPairs = 128;
  static constexpr size_t kMaxStunServers = 4;
  /// Answers that wait for poll_transmit(); further requests are dropped.
  static constexpr size_t kMaxResponses = 32;
  /// Events that wait for poll_event(); the oldest is lost beyond.
  static constexpr size_t kMaxEvents = 256;
  /// Never two checks of ours closer than this, however many candidates there are: at most 200 a second, and the burst
  /// of a flight counts as one.
  static constexpr Duration kMinPace = std::chrono::milliseconds(5);
  /// Error responses per second.
  static constexpr int kMaxErrorsPerSecond = 10;

  Agent(Env env, const Config& config);

  // -- commands ------------------------------------------------------------------------------------------------------
  /// A local address; gives a LocalCandidate event. A relayed one comes from a TURN allocation.
  Result<void, Error> add_local_candidate(const LocalAddress& address, Time now);
  /// The socket of this base is gone, or its address: with it go its candidates and their pairs, at once. If one of
  /// them carried the data, every other pair is tried; without a path the agent is Disconnected, and Failed once
  /// Config::patience is over.
  void remove_local_candidate(const net::Endpoint& base, net::Protocol protocol, Time now);
  /// Use nomination numbers from now on (draft-thatcher-ice-renomination): both sides have the option.
  void set_renomination(bool on) { config_.renomination = on; }
  /// Asked from each host address of the same family, those to come included.
  Result<void, Error> add_stun_server(const net::Endpoint& server, Time now);
  /// No more local addresses will come; GatheringDone follows when the STUN servers have answered or timed out.
  void end_of_local_candidates(Time now);
  /// `lite`: the peer is a lite agent, so that we control.
  Result<void, Error> set_remote_credentials(const Credentials& remote, bool lite, Time now);
  /// A signalled candidate, with its address if it has a name; may come before the credentials. A candidate of another
  /// generation (its ufrag) is dropped.
  Result<void, Error> add_remote_candidate(const Candidate& candidate, Time now);
  void end_of_remote_candidates(Time now);
  /// New credentials; local candidates are announced again; the selected pair carries data until a new one is found.
  /// Also the way out of Failed. With `ufrag` given, only the password is drawn.
  Result<void, Error> restart(Time now, std::string_view ufrag = {});
  void set_role(Role role);
  void close();

  // -- the five calls ------------------------------------------------------------------------------------------------
  void handle_packet(const net::Datagram& packet, Time now);
  /// ICMP says that a packet of ours to `remote` did not get there for good (RFC 1122 §3.2.2.1 calls it a hard error),
  /// and quotes its beginning. A check of ours that it quotes fails at once, unless anything has come over its pair:
  /// who has not seen the check cannot forge this, and who has ends no path by it (RFC 8445 §7.2.5.2.2, RFC 5927).
  void handle_unreachable(ByteView quoted, const net::Endpoint& remote, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const;
  /// `out` must hold kMaxPacket bytes.
  std::optional<net::Transmit> poll_transmit(Bytes out);
  std::optional<Event> poll_event();

  // -- data ----------------------------------------------------------------------------------------------------------
  /// Where to send data: the nominated pair, before that the best valid one; nothing without consent.
  const std::optional<Path>& selected() const { return selected_path_; }
  /// Smoothed round-trip time of the selected pair.
  std::optional<Duration> rtt() const;
  Source source_of(const net::Endpoint& local, const net::Endpoint& remote,
                   net::Protocol protocol = net::Protocol::Udp) const;
  /// The composer tells what went over the selected path, for statistics.
  void count_sent(size_t packets, size_t bytes, Time now);
  /// The composer tells what came, after the upper layer has authenticated it: counts as a sign of life, never as
  /// consent.
  void count_received(const Path& path, size_t packets, size_t bytes, Time now);
  /// True if data from this address, which is no pair's, could come from a peer that has moved; then the composer finds
  /// out whether it is authentic.
  bool may_have_moved(const Path& path) const;
  /// It was: the address is checked at once. Nothing is sent there but checks until it has answered one, because
  /// anybody may have repeated the packet.
  void check_moved(const Path& path, Time now);

  // -- handshake packets in checks (SPED, draft-hancke-webrtc-sped)
  // ----------------------------------------------------
  /// Whether both sides carry them, for a handshake that begins now.
  void begin_embedding(bool agreed) { sped_.begin(agreed); }
  /// The packets of one flight of ours, each of kMaxEmbedded bytes at most: checks and answers carry them by turns
  /// until the peer has acknowledged them. While there is no path, checks that carry them are due at once where the
  /// peer has been heard. What comes between begin_flight() and flight_embedded() replaces the flight before.
  void begin_flight() { sped_.begin_flight(); }
  void embed(ByteView packet) { sped_.add(packet); }
  void flight_embedded(Time now);
  /// The peer's packet that came in the authenticated message of the last handle_packet(), once; it lies in that
  /// packet.
  std::optional<Bytes> poll_embedded() { return std::exchange(embedded_, std::nullopt); }
  /// A handshake packet of the peer came by itself: that is acknowledged too.
  void acknowledge_embedded(ByteView packet) { sped_.acknowledge(packet); }
  /// The handshake is done here. `flight_arrived`: that shows that our last flight needs no more carrying.
  void finish_embedding(bool flight_arrived) { sped_.finish(flight_arrived); }
  /// The peer has used its keys: our last flight needs no more carrying.
  void end_embedding() { sped_.end(); }
  /// Packets of our last flight that are not known to have arrived.
  size_t embedded_packets() const { return sped_.pending(); }
  /// The peer has shown that it does this.
  bool embedding_confirmed() const { return sped_.confirmed(); }
  const SpedStats& sped_stats() const { return sped_.stats(); }

  // -- getters -------------------------------------------------------------------------------------------------------
  Role role() const { return role_; }
  State state() const { return state_; }
  const Credentials& local_credentials() const { return generations_[kCurrent].local; }
  const std::optional<Credentials>& remote_credentials() const { return generations_[kCurrent].remote; }
  bool gathering_done() const { return gathering_done_; }
  bool remote_is_lite() const { return remote_lite_; }
  /// First four bytes of all our transaction ids, for ice::Mux.
  uint32_t transaction_tag() const { return tag_; }
  std::vector<PairStats> pair_stats() const;
  std::vector<Candidate> local_candidates() const;
  std::vector<Candidate> remote_candidates() const;
  const Counters<Drop>& drops() const { return drops_; }

 private:
  // Of pairs: from a relay or not, protocol, family, and the remote candidate's type.
  static constexpr size_t kKinds = 2 * 2 * 2 * 3;

  using Pair = internal::Pair;
  using Local = internal::Local;
  using Remote = internal::Remote;
  using Response = internal::Response;
  using PairId = internal::PairId;
  enum class Timer : uint8_t { Check, Liveness, Patience, Gathering, Count };
  static constexpr size_t kCurrent = 0;
  static constexpr size_t kPrevious = 1;

  // agent.cc: life cycle
  void begin_generation(std::string_view ufrag, std::string_view password);
  const internal::Generation* generation(uint32_t number) const;
  void switch_role(Role role);
  void await_pairs(Time now);
  void schedule(Time now);
  void set_state(State state, FailReason reason = FailReason::None);
  void push_event(Event event);
  /// Failed and Closed: nothing is sent, answered or believed.
  bool inert() const { return state_ == State::Failed || state_ == State::Closed; }
  void update(Time now);
  void update_state(Time now);
  bool better_pair_is_being_checked() const;
  void fail_with(FailReason reason);
  void go_silent();
  Time& deadline(Timer timer) { return deadlines_[static_cast<size_t>(timer)]; }
  Time deadline(Timer timer) const { return deadlines_[static_cast<size_t>(timer)]; }

  // agent_gather.cc: local candidates
  void announce(const Local& local);
  void knock(const Local& relayed);
  void start_gathering(const Local& host, const net::Endpoint& server, Time now);
  void drain_client(stun::Client& client);
  void add_reflexive(CandidateType type, const Local& base, const net::IpAddress& server, const net::Endpoint& mapped);
  void regather(Time now);
  void update_gathering();
  Local* find_base(const net::Endpoint& base, net::Protocol protocol);
  uint16_t default_preference(const LocalAddress& address) const;

  // agent_pairs.cc: remote candidates and pairs
  Remote* find_remote(const net::Endpoint& address, net::Protocol protocol, uint32_t generation);
  Remote* add_remote(Candidate candidate);
  Remote* add_peer_reflexive(const net::Endpoint& address, net::Protocol protocol, uint32_t priority, Time now);
  bool reflexive_allowed(Time now);
  bool make_room_for_reflexive();
  void form_pairs(const Local& local);
  void form_pairs(const Remote& remote);
  Pair* add_pair(const Local& local, const Remote& remote, bool proven = false);
  static uint8_t kind_of(const Candidate& local, const Candidate& remote);
  int spread_of(const Pair& pair, const Local& local, const Remote& remote) const;
  bool make_room_for_pair(const Pair& next, bool proven);
  Pair* find_pair(const net::Endpoint& local, const net::Endpoint& remote, net::Protocol protocol, uint32_t generation);
  const Pair* find_path(const Path& path) const;
  Pair* pair(PairId id);
  const Pair* pair(PairId id) const;
  uint64_t priority_of(const Pair& pair) const;
  void reprioritise();
  const Local& local_of(const Pair& pair) const;
  const Remote& remote_of(const Pair& pair) const;
  void retire_previous_generation();

  // agent_checks.cc: our requests and their answers
  Time due(const Pair& pair) const;
  Time quiet_at(const Pair& pair) const;
  Time early_at(const Pair& pair) const;
  Duration early_distance() const;
  Time next_check_of(const Pair& pair) const;
  bool can_check(const Pair& pair) const;
  int max_attempts(const Pair& pair) const;
  static bool untried(const Pair& pair) { return pair.state == PairState::Waiting && pair.attempts == 0; }
  bool worth_a_try(const Pair& spare) const;
  Pair* next_triggered(Time now);
  Pair* next_repeat(Time now);
  Pair* next_untried(Time now);
  void run_checks(Time now);
  bool run_triggered(Time now);
  bool run_ordinary(Time now);
  void run_early(Time now);
  void give_up(Pair& pair, Time now);
  void send_check(Pair& pair, Time now, bool early = false);
  void begin_transaction(Pair& pair, bool use_candidate, Time now);
  void trigger(Pair& pair, Time now);
  Duration pace() const;
  Duration first_pace() const;
  Time paced(const Pair& pair) const;
  size_t write_check(const Pair& pair, const stun::TransactionId& id, Bytes out);
  void handle_response(const stun::Message& message, const net::Datagram& packet, Time now);
  void handle_success(Pair& pair, const stun::Message& message, const internal::Sent& sent, Time now);
  void handle_error(Pair& pair, const stun::Message& message, const internal::Sent& sent, Time now);
  void learn_mapped(Pair& pair, const net::Endpoint& mapped);
  void mark_validated(Pair& pair);

  // agent_requests.cc: the peer's requests
  void handle_request(const stun::Message& message, const net::Datagram& packet, Time now);
  const internal::Generation* addressed_generation(std::string_view username) const;
  bool resolve_role_conflict(const stun::Message& message);
  void refresh_previous(const stun::Message& message, const net::Datagram& packet, Time now);
  void accept_request(const stun::Message& message, const net::Datagram& packet, Time now);
  Pair* pair_for_request(const stun::Message& message, const net::Datagram& packet, Time now);
  void respond(const stun::Message& request, const net::Datagram& packet, uint32_t generation, PairId pair, Time now);
  void respond_error(const stun::Message& request, const net::Datagram& packet, uint32_t generation,
                     stun::ErrorNumber error, const stun::AttributeList& unknown, Time now);
  size_t write_response(const Response& response, Bytes out);
  size_t write_knock(Bytes out);
  void take_embedded(const stun::Message& message, const net::Datagram& packet);

  // agent_select.cc: nomination, selection, consent
  void consider_nomination(Pair& pair, std::optional<uint32_t> number, Time now);
  void nominate(Pair& pair);
  void update_selection(Time now);
  void select(Pair& pair);
  void unselect();
  Time stale_at(const Pair& pair) const;
  bool stale(const Pair& pair, Time now) const;
  bool left(const Pair& pair) const;
  void notice_moved(Pair& pair, Time now);
  void notice_spare(Pair& pair, Time now);
  bool fresh(const Pair& pair, Time now) const;
  void probe_spares(const Pair& current, Time now);
  bool silent(const Pair& pair, Time now) const;
  Time silent_at(const Pair& pair) const;
  Pair* best_valid(Time now);
  void control(Pair& best, Pair* current, Time now);
  void follow(Pair& best, Pair* current, Time now);
  void check_liveness(Time now);
  void recheck_all(Time now);
  Duration consent_interval();

  Env env_;
  Config config_;
  Role role_;
  uint64_t tie_breaker_;
  uint32_t tag_;
  State state_ = State::New;
  std::array<internal::Generation, 2> generations_;  // current and, during a restart, previous
  uint32_t generation_ = 0;
  bool remote_lite_ = false;
  bool local_ended_ = false;
  bool remote_ended_ = false;
  bool gathering_done_ = false;

  std::vector<Local> locals_;
  std::vector<Remote> remotes_;
  std::vector<Pair> pairs_;
  std::vector<net::Endpoint> stun_servers_;
  std::vector<std::unique_ptr<stun::Client>> clients_;
  uint32_t next_id_ = 1;  // of locals, remotes and pairs

  PairId selected_{};
  std::optional<Path> selected_path_;
  std::optional<net::Endpoint> peer_at_;  // where data went last, unless the peer hides that from TURN servers
  bool reported_nominated_ = false;       // what the last SelectedPairChanged said
  uint32_t nomination_number_ = 0;        // highest sent or received
  Ring<PairId> triggered_;
  Ring<internal::OutgoingCheck> outgoing_checks_;
  Ring<Response> responses_;
  Ring<Path> knocks_;
  Ring<Event> events_;
  std::array<Time, static_cast<size_t>(Timer::Count)> deadlines_;
  Time last_check_ = Time::min();
  Time last_first_ = Time::min();         // of the pairs that were untried
  Time last_repeat_ = Time::min();        // of others, not triggered
  std::array<uint16_t, kKinds> tried_{};  // first checks by kind
  bool last_was_triggered_ = false;
  Time reflexive_from_ = Time::min();  // one interval per candidate that may be learned until now
  Time error_window_ = Time::min();
  int errors_in_window_ = 0;
  internal::Sped sped_;
  std::optional<Bytes> embedded_;
  Counters<Drop> drops_;
};

static_assert(net::DatagramEngine<Agent>);

}  // namespace kaon::ice
