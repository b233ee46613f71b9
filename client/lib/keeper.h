// The library's thread: it lets go of what the daemon takes back while the program does something else.
#pragma once

#include <pthread.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "client/lib/fork_guard.h"
#include "client/lib/session.h"
#include "proto/unique_fd.h"

namespace panbo {

/// Thread-safe, except for construction and destruction.
class Keeper {
 public:
  /// What it is to do, on its thread. No exceptions.
  class Work {
   public:
    virtual ~Work() = default;
    /// nullptr: there is none.
    virtual std::shared_ptr<Session> session() = 0;
    /// The daemon has taken leases.
    virtual void bell_rang() = 0;
    /// The daemon of this session is gone.
    virtual void session_over(Session& session) = 0;
  };

  /// There is no thread yet. Both are borrowed.
  Keeper(Work& work, const ForkGuard& guard) : work_(work), guard_(guard) {}
  ~Keeper() { stop(); }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  /// Makes the thread unless there is one. False: it cannot be had.
  bool start() { return runs_.load(std::memory_order_acquire) || start_thread(); }

  /// Waits for the thread to end, for good. Not to be called on it. In a forked child, which does not have it, nothing.
  void stop();

  /// There is another session to watch.
  void session_changed();

  /// As Connection::at_rest().
  [[nodiscard]] bool at_rest();

 private:
  bool start_thread();
  static void* main(void* self);
  void run();

  Work& work_;
  const ForkGuard& guard_;
  std::atomic<bool> runs_ = false;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  pthread_t thread_{};
  /// An eventfd: look whether something else is to be done.
  UniqueFd wake_;
};

}  // namespace panbo
