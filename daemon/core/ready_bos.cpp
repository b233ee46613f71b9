// The cache decays by one deadline, which is there only while there is something to decay. What enters sets it to at
// most one step ahead; when it has come, the time at which the oldest BO is due is computed, and nothing happens before
// that. Age alone decides here, whosever the BO is: each user's BOs decay as if there were no others.
//
// A BO that a client kept unused before it came back has aged there already: it decays from its last use on, so that an
// idle system is empty after the decay time and not later. In the order of use it is where it entered, which is off by
// no more than the time that clients may keep something.

#include "daemon/core/ready_bos.h"

#include "daemon/core/lifetime.h"

namespace panbo {

void ReadyBos::insert(Bo& bo, Time now) {
  cache_.insert(bo);
  amount_.add(bo.key.size);
  decay_.add(bo.key.size, bo.since);
  decay_deadline_ = earlier(decay_deadline_, now + decay_.step());
  if (bo.key.size > kLongLivedSize) {
    expiring_.insert(bo, lifetime_of_large(bo.key.size, recurrence_.recurs(bo.key, now), decay_time_));
  }
}

Bo* ReadyBos::ask(const BoKey& key, Time now) {
  if (key.size > kLongLivedSize) recurrence_.ask(key, now);
  return cache_.warmest(key);
}

void ReadyBos::remove(Bo& bo) {
  cache_.remove(bo);
  amount_.remove(bo.key.size);
  expiring_.remove(bo);
  decay_.remove(bo.key.size, bo.since);
  if (amount_.count == 0) decay_deadline_.reset();
}

Bo* ReadyBos::take_aged(Time now) {
  if (const auto next = expiring_.next(); next && next->due <= now) {
    remove(*next->bo);
    return next->bo;
  }
  return decay_deadline_ && *decay_deadline_ <= now ? take_decayed(now) : nullptr;
}

// What the decay takes stays in its sums (decay.h).
Bo* ReadyBos::take_decayed(Time now) {
  Bo* oldest = cache_.oldest();
  const uint64_t without = amount_.bytes - oldest->key.size;
  if (without < decay_.limit(now)) {
    decay_deadline_ = decay_.when_at_most(without, now);
    return nullptr;
  }
  cache_.remove(*oldest);
  amount_.remove(oldest->key.size);
  expiring_.remove(*oldest);
  if (amount_.count == 0) decay_deadline_.reset();
  return oldest;
}

std::optional<Time> ReadyBos::next_deadline() const {
  const auto expiring = expiring_.next();
  return expiring ? earlier(decay_deadline_, expiring->due) : decay_deadline_;
}

}  // namespace panbo
