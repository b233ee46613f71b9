// A client: its connection to the daemon and the BOs that came over it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "client/include/panbo.h"
#include "client/lib/bo_list.h"
#include "client/lib/codec.h"
#include "client/lib/connection.h"
#include "client/lib/drm_file.h"
#include "client/lib/fork_guard.h"
#include "client/lib/recorder.h"
#include "proto/result.h"

namespace panbo {

/// What a program says when it connects; panbo_client_options.
struct ClientSettings {
  std::string socket_path;
  std::string name;
  /// PANBO_CLIENT_*.
  uint32_t flags = 0;
  /// nullptr: none.
  std::unique_ptr<DrmFile> drm;
  /// May be nullptr.
  panbo_drop_fn on_drop = nullptr;
};

/// Thread-safe, except for connect() and destruction. Errors are those that panbo.h names. May throw std::bad_alloc.
class Client {
 public:
  /// Connects to the daemon's socket and introduces itself.
  static Result<std::unique_ptr<panbo_client>> connect(ClientSettings settings);

  Client(ForkGuard guard, ClientSettings settings, UniqueFd socket)
      : guard_(std::move(guard)), settings_(std::move(settings)), connection_(std::move(socket)) {}
  /// Gives every lease back. In a forked child it only closes the child's fds, and unmaps.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// False in a forked child. Everything but what is said to work there is then forbidden.
  [[nodiscard]] bool is_ours() const { return guard_.in_maker(); }

  /// Borrowed. Works in a forked child.
  [[nodiscard]] int fd() const { return connection_.fd(); }
  Result<int> dispatch(Deadline deadline) { return connection_.dispatch(deadline); }
  [[nodiscard]] panbo_stats stats() const { return bos_.stats(); }

  /// From 1 to limits::kMaxBatch items, whose BOs are written to `out` in their order: all or none.
  Result<void> alloc(std::span<const codec::AllocItem> items, uint64_t timeout_ns, panbo_bo** out);

  /// `bo` is this client's, and is dead afterwards. `flags`: PANBO_RELEASE_*.
  Result<void> release(panbo_bo& bo, uint32_t flags);

  /// Whether a forked child may destroy it: see Connection::at_rest().
  [[nodiscard]] bool at_rest() { return connection_.at_rest() && bos_.at_rest(); }

 private:
  Result<void> greet();
  Result<void> borrow_from_daemon(std::span<const codec::AllocItem> items, uint64_t timeout_ns,
                                  std::list<panbo_bo>& bos);
  void start_recording();
  void drop(std::list<panbo_bo>& bos);
  void give_back(std::span<const codec::Grant> grants);
  Errno broken();

  const ForkGuard guard_;
  const ClientSettings settings_;
  Connection connection_;
  BoList bos_;
  /// nullptr: nothing is recorded.
  Recorder* recorder_ = nullptr;
  /// This client's number in the recording.
  uint32_t recorded_ = 0;
};

}  // namespace panbo

struct panbo_client final : panbo::Client {
  using Client::Client;
};
