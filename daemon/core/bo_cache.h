// The Ready BOs, by what they can serve, by whose they are and by when they were last used.
#pragma once

#include <unordered_map>

#include "daemon/core/bo.h"
#include "daemon/core/indexed_heap.h"

namespace panbo {

/// Borrows its BOs. Every operation is O(1) in the number of BOs, and O(log n) in the number of users who have some.
class BoCache {
 public:
  /// Adds a BO as the most recently used. It must be Ready.
  void insert(Bo& bo);

  /// The most recently used BO of that key, still in the cache; nullptr if there is none. It is the likeliest to be
  /// in the CPU's and GPU's caches, and the rest can grow old and go.
  [[nodiscard]] Bo* warmest(const BoKey& key) const;

  void remove(Bo& bo);

  // Each of these returns a BO that is still in the cache, or nullptr if there is none.

  /// Of each user's least recently used one, the one that has been unused for longest.
  [[nodiscard]] Bo* oldest() const;
  /// The least recently used one of that user.
  [[nodiscard]] Bo* oldest_of(DomainId user) const;
  /// Who gives way when there is too much: the least recently used one of the user with the most bytes.
  [[nodiscard]] Bo* first_to_go() const;

 private:
  using Lru = IntrusiveList<Bo, &Bo::in_lru>;
  struct User {
    DomainId domain;
    uint64_t bytes = 0;
    size_t rank_by_bytes = 0;
    size_t rank_by_age = 0;
    Lru lru;
  };
  struct Bin {
    User* user = nullptr;
    IntrusiveList<Bo, &Bo::in_state> bos;
  };
  struct HasMore {
    bool operator()(const User& a, const User& b) const { return a.bytes > b.bytes; }
  };
  struct IsOlder {
    bool operator()(const User& a, const User& b) const { return a.lru.front()->since < b.lru.front()->since; }
  };

  User& user_of(DomainId domain);

  // Neither has empty entries, so that they cannot grow with what once was.
  std::unordered_map<BoKey, Bin> bins_;
  std::unordered_map<DomainId, User> users_;
  IndexedHeap<User, &User::rank_by_bytes, HasMore> by_bytes_;
  IndexedHeap<User, &User::rank_by_age, IsOlder> by_age_;
};

}  // namespace panbo
