// The C ABI: turns C's conventions into ours and back. Everything that a caller may have wrong is looked at here, and
// here alone exceptions end: the one kind there is, std::bad_alloc, becomes -ENOMEM.

#include <array>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "client/include/panbo.h"
#include "client/lib/bo.h"
#include "client/lib/client.h"
#include "client/lib/poll_until.h"
#include "client/lib/versioned_struct.h"

namespace panbo {
namespace {

constexpr const char* kDefaultSocket = "/run/panbo/panbo.sock";
constexpr uint32_t kClientFlags = PANBO_CLIENT_NO_THREAD | PANBO_CLIENT_DIRECT | PANBO_CLIENT_NO_CACHE;
constexpr uint32_t kReleaseFlags = PANBO_RELEASE_IDLE | PANBO_RELEASE_SHARED;
constexpr uint32_t kAllocFlags = PANBO_BO_EXECUTABLE | PANBO_BO_HEAP | PANBO_BO_ZEROED;

// Where the structs of version 0.1 end. New members come after, and these stay.
constexpr size_t kOptionsLeast = offsetof(panbo_client_options, drm_fd) + sizeof(int);
constexpr size_t kRequestLeast = offsetof(panbo_alloc_request, label) + sizeof(const char*);
constexpr size_t kStatsLeast = offsetof(panbo_stats, failed) + sizeof(uint64_t);

int status_of(const Result<void>& result) {
  return result ? 0 : -result.error().value;
}

int status_of(const Result<int>& result) {
  return result ? *result : -result.error().value;
}

template <class Body>
int guarded(Body body) {
  try {
    return status_of(body());
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
}

// As above, for what a forked child must not do.
template <class Body>
int guarded(const Client& client, Body body) {
  return client.is_ours() ? guarded(body) : -EOWNERDEAD;
}

const char* socket_path(const panbo_client_options& options) {
  if (options.socket_path != nullptr) return options.socket_path;
  // A program that runs with more rights than its user must not be led to a socket by the user.
  const char* path = ::secure_getenv("PANBO_SOCKET");
  return path != nullptr ? path : kDefaultSocket;
}

Result<void> connect(const panbo_client_options* given, panbo_client** out) {
  panbo_client_options options{};
  if (given != nullptr) {
    const auto copied = copy_versioned(reinterpret_cast<const std::byte*>(given), kOptionsLeast, options);
    if (!copied) return copied;
  }
  const bool has_drm = options.drm_fd > 0;
  if ((options.flags & ~kClientFlags) != 0) return Errno{EINVAL};
  if ((options.flags & PANBO_CLIENT_DIRECT) != 0 && !has_drm) return Errno{EINVAL};
  ClientSettings settings{.socket_path = socket_path(options),
                          .name = options.name ? options.name : ::program_invocation_short_name,
                          .flags = options.flags,
                          .on_drop = options.on_drop};
  if (has_drm) {
    auto drm = open_drm_file(options.drm_fd);
    if (!drm) return drm.error();
    settings.drm = *std::move(drm);
  }
  auto client = Client::connect(std::move(settings));
  if (!client) return client.error();
  *out = client->release();
  return {};
}

Result<void> copy_request(const std::byte* from, panbo_alloc_request& to) {
  const auto copied = copy_versioned(from, kRequestLeast, to);
  if (copied && (to.flags & ~kAllocFlags) != 0) return Errno{EINVAL};
  return copied;
}

codec::AllocItem item_of(const panbo_alloc_request& request) {
  codec::AllocItem item{.size = request.size, .flags = request.flags};
  if (request.label != nullptr) item.label = request.label;
  return item;
}

// Without limit is the largest of all.
uint64_t timeout_of(const panbo_alloc_request& request) {
  return static_cast<uint64_t>(request.timeout_ns < 0 ? INT64_MAX : request.timeout_ns);
}

// By itself, and not as a batch of one: the room for a whole batch costs as much to prepare as all the rest.
Result<void> alloc(Client& client, const panbo_alloc_request* given, panbo_bo** out) {
  panbo_alloc_request request;
  if (const auto copied = copy_request(reinterpret_cast<const std::byte*>(given), request); !copied) return copied;
  const codec::AllocItem item = item_of(request);
  return client.alloc(std::span(&item, 1), timeout_of(request), out);
}

// The array's elements lie as far apart as their struct_size says, which need not be sizeof of our struct.
Result<void> alloc(Client& client, const panbo_alloc_request* requests, size_t n, panbo_bo** out) {
  if (n == 0 || n > limits::kMaxBatch) return Errno{EINVAL};
  std::array<codec::AllocItem, limits::kMaxBatch> items;
  uint64_t timeout_ns = 0;
  const auto* from = reinterpret_cast<const std::byte*>(requests);
  for (size_t i = 0; i < n; ++i) {
    panbo_alloc_request request;
    if (const auto copied = copy_request(from, request); !copied) return copied;
    if (request.struct_size != requests->struct_size) return Errno{EINVAL};
    items[i] = item_of(request);
    timeout_ns = std::max(timeout_ns, timeout_of(request));
    from += request.struct_size;
  }
  return client.alloc(std::span(items).first(n), timeout_ns, out);
}

Result<void> get_stats(const Client& client, panbo_stats* out) {
  const size_t size = out->struct_size;
  if (size < kStatsLeast || size > kMaxStructSize) return Errno{EINVAL};
  panbo_stats stats = client.stats();
  stats.struct_size = out->struct_size;
  std::memcpy(out, &stats, std::min(size, sizeof(stats)));
  // Counters of a newer header, which nothing counts here.
  if (size > sizeof(stats)) std::memset(reinterpret_cast<char*>(out) + sizeof(stats), 0, size - sizeof(stats));
  return {};
}

// Turns a value into an out-parameter.
template <class T>
Result<void> give(const Result<T>& result, T* out) {
  if (!result) return result.error();
  *out = *result;
  return {};
}

Result<void> map(panbo_bo& bo, void** out) {
  if ((bo.kind & PANBO_BO_HEAP) != 0) return Errno{EPERM};
  return give(bo.backing.map(bo.size), out);
}

}  // namespace
}  // namespace panbo

uint32_t panbo_version() {
  return PANBO_VERSION_MAJOR << 16 | PANBO_VERSION_MINOR << 8 | PANBO_VERSION_PATCH;
}

int panbo_client_connect(const panbo_client_options* options, panbo_client** out) {
  return panbo::guarded([&] { return panbo::connect(options, out); });
}

void panbo_client_close(panbo_client* client) {
  // The fork caught another thread at work in it, and left it half done: what it has is beyond reach.
  if (client != nullptr && !client->is_ours() && !client->at_rest()) return;
  delete client;
}

int panbo_client_get_fd(const panbo_client* client) {
  return panbo::guarded(*client, [&] { return panbo::Result<int>(client->fd()); });
}

int panbo_client_dispatch(panbo_client* client, int64_t timeout_ns) {
  return panbo::guarded(*client, [&] { return client->dispatch(panbo::deadline_after(timeout_ns)); });
}

int panbo_client_get_stats(panbo_client* client, panbo_stats* out) {
  return panbo::guarded(*client, [&] { return panbo::get_stats(*client, out); });
}

int panbo_bo_alloc(panbo_client* client, const panbo_alloc_request* request, panbo_bo** out) {
  return panbo::guarded(*client, [&] { return panbo::alloc(*client, request, out); });
}

int panbo_bo_alloc_batch(panbo_client* client, const panbo_alloc_request* requests, size_t n, panbo_bo** out) {
  return panbo::guarded(*client, [&] { return panbo::alloc(*client, requests, n, out); });
}

int panbo_bo_get_fd(panbo_bo* bo) {
  return panbo::guarded(bo->client, [&] { return bo->backing.fd(); });
}

int panbo_bo_get_handle(const panbo_bo* bo, uint32_t* out) {
  return panbo::guarded(bo->client, [&] { return panbo::give(bo->backing.handle(), out); });
}

int panbo_bo_get_gpu_address(panbo_bo* bo, uint64_t* out) {
  return panbo::guarded(bo->client, [&] { return panbo::give(bo->backing.gpu_address(), out); });
}

int panbo_bo_map(panbo_bo* bo, void** out) {
  return panbo::guarded(bo->client, [&] { return panbo::map(*bo, out); });
}

void panbo_bo_set_user_data(panbo_bo* bo, void* user_data) {
  bo->user_data = user_data;
}

void* panbo_bo_get_user_data(const panbo_bo* bo) {
  return bo->user_data;
}

uint64_t panbo_bo_get_size(const panbo_bo* bo) {
  return bo->size;
}

uint32_t panbo_bo_get_origin(const panbo_bo* bo) {
  return bo->origin;
}

int panbo_bo_wait(panbo_bo* bo, int64_t timeout_ns) {
  return panbo::guarded(bo->client, [&] { return bo->backing.wait(panbo::deadline_after(timeout_ns)); });
}

int panbo_bo_release(panbo_bo* bo, uint32_t flags) {
  if (bo == nullptr) return 0;
  if (!bo->client.is_ours()) {
    // The memory goes with the client: its list may be half changed by a thread that the child does not have.
    bo->backing.disown();
    bo->backing.drop();
    return -EOWNERDEAD;
  }
  bo->client.release(*bo, flags);
  return (flags & ~panbo::kReleaseFlags) == 0 ? 0 : -EINVAL;
}
