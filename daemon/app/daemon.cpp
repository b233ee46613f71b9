// One thread turns the event loop; the device worker is the only other one. It goes round like this:
//
//   sleep in the event loop, if nobody has work ► run what the event loop has ready ► one user's turn ► set the timer
//
// What the event loop runs is short: whatever can be long waits in the turns (turns.h). So the longest time without a
// look at the event loop is about one turn; it is measured, and shown by panboctl stats.
//
// The timer is set to the service's next deadline, if that is earlier than what it is set to: a deadline that moves
// away costs nothing, the timer then goes off once in vain.

#include "daemon/app/daemon.h"

#include <spdlog/spdlog.h>

#include <csignal>

#include "daemon/app/fd_table.h"
#include "daemon/app/settings_report.h"
#include "daemon/core/arena.h"

namespace panbo {
namespace {

// Each of them only queues work.
constexpr int kEventsInARound = 128;
// The two looks at a BO, and what follows from them.
constexpr Price kIdlePrice = 6 * kDeviceCall;
constexpr Price kCreatedPrice = 2 * kDeviceCall;

/// Requests that may be open at a time, of all clients together.
constexpr uint64_t kBoardRequests = 4096;

OpenedBackend open_device(const std::string& name) {
  std::string why;
  auto opened = open_backend(name, why);
  if (!opened && opened.error() == Errno{EINVAL}) throw SettingsError(why);
  if (!opened) throw StartError(why);
  return *std::move(opened);
}

/// The terminal was closed: an end like any other, unless whoever started us had that ignored (nohup). Then it returns
/// a signal that is waited for anyway.
int hangup_unless_ignored() {
  struct sigaction inherited {};
  ::sigaction(SIGHUP, nullptr, &inherited);
  return inherited.sa_handler == SIG_IGN ? SIGTERM : SIGHUP;
}

const char* name_of(int signal) {
  switch (signal) {
    case SIGTERM:
      return "SIGTERM";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "SIGINT";
  }
}

}  // namespace

Daemon::Daemon(const Settings& settings)
    : signals_(io_, SIGTERM, SIGINT, hangup_unless_ignored()),
      cgroup_(own_cgroup().value_or("")),
      memory_({.cgroup = cgroup_}),
      limits_(resolve_limits(settings, memory_.total())),
      device_(open_device(settings.device)),
      sockets_(open_listening_sockets(settings.socket, admin_socket_path(settings))),
      worker_(*device_.backend),
      service_(*device_.backend, &worker_, memory_, clock_, service_options(settings)),
      transport_(io_, service_, *device_.backend, device_.sim, transport_options(settings)),
      idle_(io_, service_.turns(), device_.backend->event_fd(), [this] { return take_idle(); }),
      done_(io_, service_.turns(), worker_.event_fd(), [this] { return take_done(); }),
      timer_(io_),
      manager_(io_) {
  if (settings.pressure.enabled) {
    pressure_.emplace(io_, PressurePaths{.cgroup = cgroup_}, [this](Pressure pressure) {
      woke();
      const bool full = pressure == Pressure::kFull;
      if ((full ? full_lines_ : some_lines_).allows(clock_.now())) {
        spdlog::info("memory pressure: {}", full ? "full" : "some");
      }
      service_.on_pressure(pressure);
    });
  }
  transport_.serve_clients(sockets_.clients.take_fd());
  transport_.serve_administrators(sockets_.administrators.take_fd());
}

ServiceOptions Daemon::service_options(const Settings& settings) {
  const uint64_t fds = raise_fd_limit();
  ServiceOptions options;
  options.pool.cache_max = limits_.cache_max;
  options.pool.headroom_share = settings.cache.headroom;
  options.pool.decay_time = settings.cache.decay;
  options.pool.stock = settings.stock;
  options.local.decay = settings.local.decay;
  options.room.total_max = limits_.total_max;
  options.client_quota = limits_.client;
  options.user_quota = limits_.user;
  options.board_quota.bytes = limits_.total_max;
  options.board_quota.addresses = kBoardAddresses;
  options.board_quota.requests = kBoardRequests;
  // The kernel allows as many in flight as we may have open. Of the other half one half is for BOs that somebody holds,
  // and one for clients and BOs that drain.
  options.board_quota.fds = fds / 2;
  options.pool.held_max = fds / 4;
  options.board_last_share = {.bytes = options.board_quota.bytes / 16,
                              .addresses = options.board_quota.addresses / 16,
                              .requests = options.board_quota.requests / 8,
                              .fds = options.board_quota.fds / 8};
  if (settings.record) options.observer = &recorder_.emplace(*settings.record, clock_);
  options.wants_shortage = [this](const Peer& peer) { return shortages_.wants(peer.uid, clock_.now()); };
  options.on_shortage = [this](const Shortage& shortage) {
    shortages_.note(shortage, clock_.now(), transport_.client_log());
  };
  options.on_overdue = [this](const ClientRow& client, const Amount& kept) {
    transport_.client_log().warn(
        client.peer.uid, fmt::format("{} has not given back {} unused BOs of {} bytes that were taken from it",
                                     describe_client(client.id, client.name, client.peer), kept.count, kept.bytes));
  };
  return options;
}

TransportOptions Daemon::transport_options(const Settings& settings) const {
  const BackendInfo& info = device_.backend->info();
  TransportOptions options;
  options.daemon = {.version = PANBO_VERSION, .backend = info.backend, .driver = info.driver, .node = info.node};
  options.settings = describe_settings(with_sockets(settings), limits_, memory_.total());
  options.clients_per_user = settings.connections.per_user;
  // Each has a socket and a bell; together they take a quarter of all fds.
  options.clients = raise_fd_limit() / 8;
  return options;
}

// What systemd passed comes first, whatever was set.
Settings Daemon::with_sockets(Settings settings) const {
  settings.admin_socket = admin_socket_path(settings);
  if (sockets_.clients.adopted()) settings.origins["socket"] = "systemd";
  if (sockets_.clients.adopted()) settings.socket = sockets_.clients.path();
  if (sockets_.administrators.adopted()) settings.origins["admin_socket"] = "systemd";
  if (sockets_.administrators.adopted()) settings.admin_socket = sockets_.administrators.path();
  return settings;
}

void Daemon::run() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    spdlog::info("stopping on {}", name_of(signal));
    manager_.stopping();
    io_.stop();
  });
  const BackendInfo& info = device_.backend->info();
  const std::string device = fmt::format("{}{}{}", info.driver, info.node.empty() ? "" : " at ", info.node);
  spdlog::info("panbod {} serves {}", PANBO_VERSION, device);
  manager_.ready("Serving " + device);
  arm_timer();
  while (!io_.stopped()) {
    if (service_.turns().idle()) sleep();
    run_round();
  }
}

void Daemon::sleep() {
  awake_since_.reset();
  io_.run_one();
  woke();
}

void Daemon::woke() {
  if (!awake_since_) awake_since_ = clock_.now();
}

void Daemon::run_round() {
  for (int i = 0; i < kEventsInARound && io_.poll_one() > 0; ++i) continue;
  service_.turns().run_turn(clock_.now());
  worker_.hand_over();
  arm_timer();
  const Time now = clock_.now();
  service_.turns().busy_for(now - *awake_since_);
  awake_since_ = now;
}

Turns::Work::Piece Daemon::take_idle() {
  if (idle_bos_.empty()) device_.backend->take_idle(idle_bos_);
  if (idle_bos_.empty()) return {.price = kDeviceCall, .more = false};
  service_.on_idle(idle_bos_.back());
  idle_bos_.pop_back();
  return {.price = kIdlePrice, .more = true};
}

Turns::Work::Piece Daemon::take_done() {
  if (created_bos_.empty()) {
    const DoneWork done = worker_.take_done();
    if (done.destroyed > 0) service_.on_destroyed(done.destroyed);
    created_bos_.assign(done.created.begin(), done.created.end());
  }
  if (created_bos_.empty()) return {.price = kDeviceCall, .more = false};
  const CreatedBo created = created_bos_.front();
  created_bos_.pop_front();
  service_.on_created(created.id, created.result);
  return {.price = kCreatedPrice, .more = true};
}

void Daemon::arm_timer() {
  const auto next = service_.next_deadline();
  if (!next || (armed_ && *armed_ <= *next)) return;
  armed_ = next;
  timer_.expires_at(std::chrono::time_point_cast<std::chrono::steady_clock::duration>(*next));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    woke();
    armed_.reset();
    service_.tick();
  });
}

}  // namespace panbo
