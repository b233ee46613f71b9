// Each BO is in two lists: its key's bin, where a request looks, and its user's LRU, where eviction looks. Both are
// ordered by the time of insertion, so a bin's back is its warmest BO and an LRU's front the coldest of its user.
//
// There is one LRU for each user and not one for all, so that who has little in the cache keeps it while somebody else
// churns: whoever has most gives way first. For that the users are in a heap by their bytes, and in a second one by the
// age of their coldest BO, for what is to go by age alone. Both change little from one use to the next.

#include "daemon/core/bo_cache.h"

#include <cassert>

namespace panbo {

void BoCache::insert(Bo& bo) {
  assert(bo.state == BoState::kReady);
  Bin& bin = bins_[bo.key];
  if (bin.user == nullptr) bin.user = &user_of(bo.key.domain);
  bin.bos.push_back(bo);
  User& user = *bin.user;
  user.bytes += bo.key.size;
  user.lru.push_back(bo);
  if (user.lru.front() == &bo) {
    by_bytes_.push(user);
    by_age_.push(user);
  } else {
    by_bytes_.update(user);
  }
}

BoCache::User& BoCache::user_of(DomainId domain) {
  User& user = users_[domain];
  user.domain = domain;
  return user;
}

Bo* BoCache::warmest(const BoKey& key) const {
  const auto bin = bins_.find(key);
  return bin == bins_.end() ? nullptr : bin->second.bos.back();
}

void BoCache::remove(Bo& bo) {
  const auto bin = bins_.find(bo.key);
  User& user = *bin->second.user;
  bin->second.bos.remove(bo);
  if (bin->second.bos.empty()) bins_.erase(bin);
  const bool was_oldest = user.lru.front() == &bo;
  user.bytes -= bo.key.size;
  if (was_oldest && user.lru.back() == &bo) {
    by_bytes_.remove(user);
    by_age_.remove(user);
    user.lru.remove(bo);
    users_.erase(user.domain);
    return;
  }
  user.lru.remove(bo);
  by_bytes_.update(user);
  if (was_oldest) by_age_.update(user);
}

Bo* BoCache::oldest() const {
  const User* user = by_age_.front();
  return user == nullptr ? nullptr : user->lru.front();
}

Bo* BoCache::oldest_of(DomainId domain) const {
  const auto user = users_.find(domain);
  return user == users_.end() ? nullptr : user->second.lru.front();
}

Bo* BoCache::first_to_go() const {
  const User* user = by_bytes_.front();
  return user == nullptr ? nullptr : user->lru.front();
}

}  // namespace panbo
