// A client: the BOs that its program has or that are kept for it, and the daemon that they come from.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>

#include "client/include/panbo.h"
#include "client/lib/bo_list.h"
#include "client/lib/codec.h"
#include "client/lib/daemon_link.h"
#include "client/lib/drm_file.h"
#include "client/lib/fork_guard.h"
#include "client/lib/keeper.h"
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

  Client(ForkGuard guard, ClientSettings settings);
  /// Gives every lease back. In a forked child it only closes the child's fds, and unmaps.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// False in a forked child. Everything but what is said to work there is then forbidden.
  [[nodiscard]] bool is_ours() const { return guard_.in_maker(); }

  /// Borrowed.
  [[nodiscard]] int fd() const { return link_->fd(); }
  Result<int> dispatch(Deadline deadline);
  [[nodiscard]] panbo_stats stats() const { return bos_.stats(); }

  /// From 1 to limits::kMaxBatch items, whose BOs are written to `out` in their order: all or none.
  Result<void> alloc(std::span<const codec::AllocItem> items, uint64_t timeout_ns, panbo_bo** out);

  /// `bo` is this client's, and is dead afterwards. `flags`: PANBO_RELEASE_*.
  void release(panbo_bo& bo, uint32_t flags);

  /// Whether a forked child may destroy it: see Connection::at_rest().
  [[nodiscard]] bool at_rest() { return link_->at_rest() && bos_.at_rest() && keeper_.at_rest(); }

 private:
  struct Hits;

  /// An object of its own: a client that is being destroyed is not of its type any more while the thread still runs.
  struct Chores final : Keeper::Work {
    explicit Chores(Client& owner) : client(owner) {}
    std::shared_ptr<Session> session() override { return client.link_->current(); }
    void bell_rang() override { client.bell_rang(); }
    void session_over(Session& session) override { client.session_over(session); }

    Client& client;
  };

  void bell_rang();
  void session_over(Session& session);

  [[nodiscard]] bool has(uint32_t flag) const { return (settings_.flags & flag) != 0; }
  Result<void> start();
  void start_recording();

  panbo_bo* use_kept(const codec::AllocItem& item);
  void put_back(panbo_bo& bo);
  Result<void> fetch(std::span<const codec::AllocItem> items, uint64_t timeout_ns, std::span<panbo_bo*> bos);
  Result<std::list<panbo_bo>> fetch(std::span<codec::AllocItem> items, uint64_t timeout_ns);
  Result<std::list<panbo_bo>> borrow(const std::shared_ptr<Session>& session, std::span<codec::AllocItem> items,
                                     uint64_t timeout_ns);
  Result<std::list<panbo_bo>> without_daemon(std::span<const codec::AllocItem> items);
  Result<std::shared_ptr<Session>> connected();

  /// Somebody hears the bell for what is kept.
  [[nodiscard]] bool can_keep() { return has(PANBO_CLIENT_NO_THREAD) || keeper_.start(); }
  bool keep(panbo_bo& bo, bool idle);
  void say_unused();
  void drop(std::list<panbo_bo>& bos) const;
  void give_back_exported(std::list<panbo_bo>& bos);
  void give_back(std::list<panbo_bo> bos);

  const ForkGuard guard_;
  const ClientSettings settings_;
  std::unique_ptr<DaemonLink> link_;
  BoList bos_;
  /// Of the last session. 0: nothing is kept.
  std::atomic<uint64_t> page_size_ = 0;
  /// nullptr: nothing is recorded.
  ProgramRecorder* recorder_ = nullptr;
  /// This client's number in the recording.
  uint32_t recorded_ = 0;
  Chores chores_{*this};
  Keeper keeper_{chores_, guard_};
};

}  // namespace panbo

struct panbo_client final : panbo::Client {
  using Client::Client;
};
