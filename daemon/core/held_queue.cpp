// A look comes after a sixteenth of the time that the BO has been held, so we learn of its end late by a small part of
// that. Looks are made at multiples of a power of two, so that however many BOs are held for long, they are looked at
// together: at most two wake-ups a minute.
//
// A look takes several system calls, so there is a limit to them. A user may have 128 looks, and the next 128 at
// the earliest 64 ms after the first of them. Whoever holds so many BOs that this does not suffice learns later of what
// it gets back, and nobody else does. A user that is due goes to the end of those that are due when it has had a look.

#include "daemon/core/held_queue.h"

#include <algorithm>
#include <bit>

namespace panbo {
namespace {

constexpr int kLooks = 128;
constexpr Duration kTimeOfLooks = std::chrono::milliseconds(64);
/// A BO of another user than the asker that was looked at more recently is not worth another look.
constexpr Duration kRecently = std::chrono::milliseconds(1);
constexpr int kPassedOver = 64;

}  // namespace

void HeldQueue::add(const HeldBo& bo, Time now) {
  const Duration pause = std::clamp((now - bo.since) / 16, shortest_pause_, longest_pause_);
  const Duration grid(std::bit_floor(static_cast<uint64_t>(pause.count())));
  const Duration next = (now + pause).time_since_epoch() + grid - Duration(1);
  const Time due(next - next % grid);

  User& user = users_[bo.user];
  const bool is_new = user.by_due.empty();
  user.id = bo.user;
  by_bytes_.erase({user.bytes, user.id});
  user.bytes += bo.bytes;
  by_bytes_.insert({user.bytes, user.id});
  Entry& entry = user.by_due.emplace(std::pair(due, bo.id), Entry{.bo = bo, .due = due, .looked = now, .in_looks = {}})
                     .first->second;
  user.by_look.push_back(entry);
  ++size_;
  if (is_new) {
    by_turn_.push(user);
    by_count_.push(user);
  }
  update(user);
}

std::optional<HeldBo> HeldQueue::take_due(Time now) {
  User* user = by_turn_.front();
  if (user == nullptr || user->turn > now) return std::nullopt;
  count_look(*user, now);
  user->last_turn = now;
  user->turns_before = turns_++;
  return take(*user, user->by_due.begin()->second);
}

std::optional<HeldBo> HeldQueue::take_for(UserId asker, Time now) {
  const User* found = find_for(asker, now);
  if (found == nullptr) return std::nullopt;
  User& user = users_.at(found->id);
  if (user.id != asker) count_look(user, now);
  return take(user, *user.by_look.front());
}

HeldBo HeldQueue::take_longest_held() {
  User& user = *by_count_.front();
  return take(user, user.by_due.rbegin()->second);
}

std::optional<Time> HeldQueue::next_deadline() const {
  const User* user = by_turn_.front();
  return user == nullptr ? std::nullopt : std::optional(user->turn);
}

const HeldQueue::User* HeldQueue::find_for(UserId asker, Time now) const {
  const auto has_one = [now](const User& user) { return user.by_look.front()->looked + kRecently <= now; };
  // Its own are each looked at once in a call, however recently they were: the asker pays for that, and may have let go
  // of them a moment ago.
  const auto own = users_.find(asker);
  if (own != users_.end() && own->second.by_look.front()->looked < now) return &own->second;
  int passed_over = 0;
  for (auto at = by_bytes_.rbegin(); at != by_bytes_.rend() && passed_over < kPassedOver; ++at, ++passed_over) {
    const User& user = users_.at(at->second);
    if (user.id != asker && may_be_looked_at(user, now) && has_one(user)) return &user;
  }
  return nullptr;
}

bool HeldQueue::may_be_looked_at(const User& user, Time now) {
  return user.looks < kLooks || now - user.looks_since >= kTimeOfLooks;
}

void HeldQueue::count_look(User& user, Time now) {
  if (now - user.looks_since >= kTimeOfLooks) {
    user.looks = 0;
    user.looks_since = now;
  }
  ++user.looks;
}

void HeldQueue::update(User& user) {
  user.turn = std::max(user.by_due.begin()->first.first, user.last_turn);
  if (user.looks >= kLooks) user.turn = std::max(user.turn, user.looks_since + kTimeOfLooks);
  by_turn_.update(user);
  by_count_.update(user);
}

HeldBo HeldQueue::take(User& user, const Entry& entry) {
  const HeldBo bo = entry.bo;
  by_bytes_.erase({user.bytes, user.id});
  user.bytes -= bo.bytes;
  --size_;
  const auto at = user.by_due.find({entry.due, bo.id});
  user.by_look.remove(at->second);
  user.by_due.erase(at);
  if (user.by_due.empty()) {
    by_turn_.remove(user);
    by_count_.remove(user);
    users_.erase(bo.user);
    return bo;
  }
  by_bytes_.insert({user.bytes, user.id});
  update(user);
  return bo;
}

}  // namespace panbo
