// The service has no worker here, so every answer comes during the call.

#include "tests/replay/panbo_policy.h"

#include "daemon/app/settings.h"
#include "proto/size_class.h"
#include "tests/support/settle.h"

namespace panbo::replay {
namespace {

ServiceOptions options_of(const Board& board) {
  const Settings settings;
  const Limits limits = resolve_limits(settings, board.ram);
  ServiceOptions options;
  options.pool.cache_max = limits.cache_max;
  options.pool.headroom_share = settings.cache.headroom;
  options.pool.decay_time = settings.cache.decay;
  options.room.total_max = limits.total_max;
  options.client_quota = limits.client;
  options.user_quota = limits.user;
  return options;
}

}  // namespace

/// What the board has left. A heap has only the pages that the GPU has touched.
class PanboPolicy::Memory : public MemoryGauge {
 public:
  Memory(const FakeDevice& device, uint64_t for_bos) : device_(device), for_bos_(for_bos) {}
  [[nodiscard]] uint64_t available() const override {
    uint64_t used = 0;
    for (const auto& [handle, bo] : device_.bos()) used += bo.kind == BoKind::kHeap ? kHeapGranule : bo.size;
    return for_bos_ - std::min(for_bos_, used);
  }

 private:
  const FakeDevice& device_;
  const uint64_t for_bos_;
};

/// The client at the other end of a wire without length.
class PanboPolicy::Client : public ClientPort {
 public:
  Client(Service& service, uint32_t uid) : service_(service), id_(service.connect({.uid = uid}, *this)) {}
  ~Client() override {
    service_.disconnect(id_);
    settle(service_);
  }

  void hello(const std::string& name) { say(HelloRequest{.protocol_version = 1, .name = name}); }

  /// Nothing: the request failed.
  std::optional<Grant> alloc(const Alloc& alloc) {
    granted_.reset();
    say(AllocRequest{.items = {{.size = alloc.size, .flags = alloc.flags}}});
    if (granted_) leases_.emplace(alloc.bo, *granted_);
    return granted_;
  }
  [[nodiscard]] uint32_t handle_of(uint64_t bo) const { return leases_.at(bo).bo.handle; }
  void release(uint64_t bo) { say(ReleaseRequest{{leases_.extract(bo).mapped().lease}}); }

  void reply(RequestId /*request*/, ClientReply reply) override {
    if (const auto* granted = std::get_if<GrantedReply>(&reply)) granted_ = granted->grants.at(0);
  }
  void close() override {}
  std::span<LeaseWord> make_lease_table() override { return {}; }
  void ring() override {}

 private:
  void say(ClientRequest message) {
    service_.handle(id_, RequestId{++request_}, std::move(message));
    settle(service_, id_);
  }

  Service& service_;
  const ClientId id_;
  uint64_t request_ = 0;
  std::optional<Grant> granted_;
  /// By the trace's names.
  std::map<uint64_t, Grant> leases_;
};

PanboPolicy::PanboPolicy(const Board& board)
    : start_(clock_.now()),
      memory_(std::make_unique<Memory>(device_, board.ram - board.others)),
      service_(device_, nullptr, *memory_, clock_, options_of(board)) {
}

PanboPolicy::~PanboPolicy() = default;

void PanboPolicy::arrive(uint32_t client, const Arrive& arrive, Duration now) {
  set_time(now);
  auto& joined = clients_[client] = std::make_unique<Client>(service_, arrive.uid);
  joined->hello(arrive.name);
}

void PanboPolicy::depart(uint32_t client, Duration now) {
  set_time(now);
  clients_.erase(client);
}

Served PanboPolicy::alloc(uint32_t client, const Alloc& alloc, Duration now) {
  set_time(now);
  const auto grant = clients_.at(client)->alloc(alloc);
  if (!grant) return {};
  return {.size = grant->bo.size, .hit = grant->origin == Origin::kCached};
}

void PanboPolicy::release(uint32_t client, const Release& release, Duration now) {
  set_time(now);
  Client& from = *clients_.at(client);
  if (release.busy) {
    const uint32_t handle = from.handle_of(release.bo);
    device_.bo(handle).busy = true;
    busy_.emplace(release.bo, handle);
  }
  from.release(release.bo);
}

void PanboPolicy::idle(uint64_t bo, Duration now) {
  set_time(now);
  const auto busy = busy_.extract(bo);
  if (busy.empty()) return;
  for (const BoId id : device_.finish_job(busy.mapped())) service_.on_idle(id);
  settle(service_);
}

std::optional<Duration> PanboPolicy::next_deadline() const {
  const auto next = service_.next_deadline();
  if (!next) return std::nullopt;
  return *next - start_;
}

void PanboPolicy::tick(Duration now) {
  set_time(now);
  service_.tick();
  settle(service_);
}

uint64_t PanboPolicy::cached_bytes() {
  const auto stats = std::get<Stats>(service_.handle_admin(StatsRequest{}));
  return stats.ready.bytes + stats.held.bytes;
}

void PanboPolicy::set_time(Duration now) {
  clock_.advance(start_ + now - clock_.now());
}

}  // namespace panbo::replay
