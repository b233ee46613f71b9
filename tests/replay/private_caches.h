// What Mesa's drivers have in common: each process has a cache of its own, made of buckets by size. A released BO goes
// to the end of its bucket, busy or not. Nothing leaves but for a request, for being stale when the same process
// releases something, or with the process. There is no limit and no timer.
#pragma once

#include <list>
#include <map>
#include <vector>

#include "tests/replay/policy.h"

namespace panbo::replay {

class PrivateCaches : public Policy {
 public:
  void arrive(uint32_t client, const Arrive& arrive, Duration now) final;
  void depart(uint32_t client, Duration now) final;
  Served alloc(uint32_t client, const Alloc& alloc, Duration now) final;
  void release(uint32_t client, const Release& release, Duration now) final;
  void idle(uint64_t bo, Duration now) final;
  [[nodiscard]] std::optional<Duration> next_deadline() const final { return std::nullopt; }
  void tick(Duration /*now*/) final {}
  [[nodiscard]] uint64_t cached_bytes() final { return cached_bytes_; }

 protected:
  struct Entry {
    uint64_t bo = 0;
    uint64_t size = 0;
    uint32_t flags = 0;
    bool busy = false;
    /// Whole seconds of the clock at the release: both drivers look at nothing finer.
    int64_t released_s = 0;
  };
  /// Oldest first.
  using Bucket = std::list<Entry>;

  /// The bucket that a BO of that size is kept in and looked for in; nothing: it is not cached.
  [[nodiscard]] virtual std::optional<size_t> bucket_of(uint64_t size) const = 0;
  /// What the kernel is asked for.
  [[nodiscard]] virtual uint64_t size_to_create(uint64_t size) const = 0;
  /// The entry that serves a request, or the bucket's end.
  [[nodiscard]] virtual Bucket::iterator find(Bucket& bucket, uint64_t size, uint32_t flags) const = 0;
  /// Entries whose age in whole seconds is greater go.
  [[nodiscard]] virtual int64_t longest_age_s() const = 0;
  /// Whether a process looks for stale entries at most once in each second of the clock.
  [[nodiscard]] virtual bool cleans_once_a_second() const = 0;

 private:
  struct Process {
    std::map<size_t, Bucket> buckets;
    std::map<uint64_t, Entry> lent;
    int64_t cleaned_s = -1;
  };

  void drop_stale(Process& process, int64_t now_s);
  void forget(const Entry& entry);

  std::map<uint32_t, Process> processes_;
  /// Entries that a job uses.
  std::map<uint64_t, Entry*> busy_;
  uint64_t cached_bytes_ = 0;
};

}  // namespace panbo::replay
