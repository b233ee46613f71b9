// What no cache can exceed: the hit rate of one that knows no limit, is shared by all, and is only to be empty when the
// whole system has been idle for kIdleLimit. It has panbo's size classes, and is not for use: it never gives back
// anything before.
#pragma once

#include <map>
#include <utility>

#include "tests/replay/policy.h"

namespace panbo::replay {

class KeepAll : public Policy {
 public:
  void arrive(uint32_t client, const Arrive& arrive, Duration now) override;
  void depart(uint32_t client, Duration now) override;
  Served alloc(uint32_t client, const Alloc& alloc, Duration now) override;
  void release(uint32_t client, const Release& release, Duration now) override;
  void idle(uint64_t bo, Duration now) override;
  [[nodiscard]] std::optional<Duration> next_deadline() const override;
  void tick(Duration now) override;
  [[nodiscard]] uint64_t cached_bytes() override { return cached_bytes_; }

 private:
  /// Flags and size class.
  using Key = std::pair<uint32_t, uint64_t>;
  struct Lent {
    Key key;
    uint32_t client = 0;
  };
  void keep(const Key& key);

  /// BOs by name: with a client, and given back but used by a job.
  std::map<uint64_t, Lent> lent_;
  std::map<uint64_t, Key> busy_;
  /// How many are cached.
  std::map<Key, size_t> cached_;
  uint64_t cached_bytes_ = 0;
  Duration last_event_{};
};

}  // namespace panbo::replay
