// Looking at a table is cheap, but not free, and an idle system must do nothing at all: so a scan comes only while some
// table is watched, or when somebody needs memory and does not find enough of it unused. A scan looks at the first word
// of each table, since a client's message that it has something unused may still be on its way, and at all words of
// those that are watched.
//
// The daemon's clock decides, not the client's: a lease is unused since the scan that first saw it so. So it is taken
// between one and two intervals after its time, and no client can make itself look busier than it is without freeing
// and using its leases.
//
// Nothing here is done at once that grows with what clients hold. Whoever asks is answered from sums (lease_book.h),
// and the work that follows, looks and takings, is done by tick(), each time a bounded piece. The client of a busy
// table is looked at once in a scan like any other, and scans have a pause between them that grows with what they cost.
// So who flips its words, or asks again and again, keeps nobody from being served.
//
// What decays goes the way of every release, to the cache, where others may want it. What is taken because memory is
// wanted is destroyed when it comes back.

#include "daemon/service/local_cache.h"

#include <algorithm>
#include <utility>

namespace panbo {
namespace {

/// From the beginning of one scan to that of the next. A word takes some ten nanoseconds to look at, so scans cost a
/// few percent of the time at most, even if there are very many words and somebody always asks.
constexpr Duration kScanPause = std::chrono::milliseconds(10);
constexpr Duration kPauseForWord = std::chrono::nanoseconds(500);

uint64_t less(uint64_t a, uint64_t b) {
  return a - std::min(a, b);
}

/// At most so many leases may be needed for that, given what there is.
uint64_t estimate(uint64_t bytes, const Amount& there) {
  if (bytes >= there.bytes) return there.count;
  const double share = static_cast<double>(bytes) / static_cast<double>(there.bytes);
  return std::min(there.count, static_cast<uint64_t>(share * static_cast<double>(there.count)) + (bytes > 0 ? 1 : 0));
}

}  // namespace

LocalCache::LocalCache(BoPool& pool, LocalOptions options, std::function<void(ClientId, const Amount&)> on_overdue)
    : pool_(pool),
      options_(options),
      interval_(std::clamp(options.decay / 4, Duration(std::chrono::milliseconds(1)), options.interval)),
      on_overdue_(std::move(on_overdue)) {
}

void LocalCache::open(ClientId client, ClientPort& port, std::shared_ptr<const Account> account,
                      std::span<LeaseWord> table) {
  clients_.try_emplace(client, book_, client, port, std::move(account), table);
}

void LocalCache::detach(ClientId client) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return;
  rings_.erase(client);
  found->second.leases.detach();
}

void LocalCache::close(ClientId client) {
  clients_.erase(client);
}

bool LocalCache::has_room(ClientId client) const {
  const auto found = clients_.find(client);
  return found != clients_.end() && found->second.leases.has_room();
}

uint32_t LocalCache::add(ClientId client, const Bo& bo, LeaseUse use, Time now) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || bo.key.kind == BoKind::kHeap) return 0;
  const uint32_t slot = found->second.leases.add(bo.key.size, use, now);
  if (found->second.leases.watched() && !scan_at_) scan_at_ = now + interval_;
  return slot;
}

LeaseEnd LocalCache::remove(ClientId id, uint32_t slot) {
  if (slot == 0) return {};
  Client& client = clients_.at(id);
  const LeaseEnd end = client.leases.remove(slot);
  if (client.leases.holder().taken.count == 0) client.overdue = false;
  return end;
}

void LocalCache::client_says_unused(ClientId client, Time now) {
  clients_.at(client).leases.client_says_unused();
  if (!scan_at_) scan_at_ = now + interval_;
}

Amount LocalCache::unused(ClientId client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? Amount{} : found->second.leases.holder().unused;
}

Amount LocalCache::taken(ClientId client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? Amount{} : found->second.leases.holder().taken;
}

uint64_t LocalCache::looked(ClientId client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? 0 : found->second.looked;
}

Amount LocalCache::take(const Need& need, Time now) {
  const auto from = book_.find(need.account);
  if (from == nullptr || from->usable.count == 0 || (need.bytes == 0 && need.bos == 0)) return {};
  const Amount there = from->unused;
  goals_.add(from, need, next_scan());
  scan_soon(now);
  return {.count = std::max(std::min(need.bos, there.count), estimate(need.bytes, there)),
          .bytes = std::min(need.bytes, there.bytes)};
}

AskBack LocalCache::ask_back(const Need& need, Time now) {
  if (need.request != 0) goals_.forget(need.request);
  const auto from = book_.find(need.account);
  if (from == nullptr || (need.bytes == 0 && need.bos == 0)) return AskBack::kNothing;
  book_.expire_coming(now - options_.grace, kPassedInPiece);
  goals_.expire_promises(now, kPassedInPiece);
  const Amount coming = LeaseGoals::free_coming(*from);
  Need rest = need;
  rest.bytes = less(need.bytes, coming.bytes);
  rest.bos = less(need.bos, coming.count);
  if (LeaseGoals::has(*from, {.count = rest.bos, .bytes = rest.bytes})) {
    if (rest.bytes > 0 || rest.bos > 0) {
      goals_.add(from, rest, 0);
      now_ = now;
    }
    goals_.promise(from, need, now + options_.grace);
    return AskBack::kComing;
  }
  if (rest.bytes > from->usable.bytes || rest.bos > from->usable.count) return AskBack::kNothing;
  if (need.scan != 0 && need.scan <= scans_) return AskBack::kNothing;
  scan_soon(now);
  return AskBack::kScanning;
}

void LocalCache::scan_soon(Time now) {
  scan_at_ = earlier(scan_at_, std::max(now, no_scan_before_));
}

bool LocalCache::decay_is_due() const {
  const LeaseRef longest = book_.everybody().front;
  return decaying_ && longest != 0 && now_ - book_[longest].since >= options_.decay;
}

std::optional<Time> LocalCache::next_deadline() const {
  if (scan_ || !resting_.empty() || goals_.any() || decay_is_due()) return now_;
  std::optional<Time> next = scan_at_;
  if (const LeaseRef coming = book_.first_coming()) next = earlier(next, book_[coming].since + options_.grace);
  if (const LeaseRef overdue = book_.first_overdue()) next = earlier(next, book_[overdue].since + options_.overdue);
  return next;
}

bool LocalCache::tick(Time now) {
  now_ = now;
  book_.expire_coming(now - options_.grace, kPassedInPiece);
  goals_.expire_promises(now, kPassedInPiece);
  find_overdue(now);
  take_some(now);
  Left left;
  const bool scanned = scan_some(left, now);
  rest_some(left, now);
  return scanned;
}

void LocalCache::rest_some(Left& left, Time now) {
  for (; !resting_.empty() && left.tables > 0; --left.tables) {
    const auto found = clients_.find(resting_.back());
    if (found != clients_.end() && found->second.leases.may_rest()) {
      LocalLeases& leases = found->second.leases;
      if (leases.words() > left.words) return;
      left.words -= leases.words();
      count_looked(found->second, leases.words());
      leases.rest(now);
      leases.end_scan();
      if (leases.watched() && !scan_at_) scan_at_ = now + interval_;
    }
    resting_.pop_back();
  }
}

bool LocalCache::scan_some(Left& left, Time now) {
  if (!scan_) {
    if (!scan_at_ || *scan_at_ > now || !resting_.empty()) return false;
    scan_at_.reset();
    scan_ = Scan{.began = now};
    ++begun_;
  }
  for (auto client = clients_.upper_bound(scan_->passed); client != clients_.end(); ++client) {
    if (!scan_client(client->second, left, now)) return false;
    scan_->passed = client->first;
  }
  end_scan(now);
  return true;
}

// Each table is looked at in one go, so that what is seen of it is of one moment.
bool LocalCache::scan_client(Client& client, Left& left, Time now) {
  LocalLeases& leases = client.leases;
  if (left.tables == 0 || left.words == 0) return false;
  --left.tables;
  --left.words;
  count_looked(client, 1);
  if (!leases.wants_look()) return true;
  if (leases.words() > left.words) return false;
  left.words -= leases.words();
  count_looked(client, leases.words());
  leases.look(now);
  if (leases.may_rest()) {
    resting_.push_back(leases.client());
  } else {
    scan_->any_watched = true;
  }
  leases.end_scan();
  return true;
}

void LocalCache::count_looked(Client& client, uint64_t words) {
  looked_ += words;
  client.looked += words;
  if (scan_) scan_->looked += words;
}

void LocalCache::end_scan(Time now) {
  const Scan ended = *std::exchange(scan_, std::nullopt);
  ++scans_;
  no_scan_before_ = ended.began + std::max<Duration>(kScanPause, ended.looked * kPauseForWord);
  if (scan_at_) scan_at_ = std::max(*scan_at_, no_scan_before_);
  if (ended.any_watched) scan_at_ = earlier(scan_at_, std::max(ended.began + interval_, no_scan_before_));
  goals_.scanned(scans_);
  decaying_ = true;
  keep_headroom(now);
}

// Ready BOs go first: they help nobody at this moment, while an unused lease is somebody's next allocation.
void LocalCache::keep_headroom(Time now) {
  if (headroom_seen_ && now - *headroom_seen_ < interval_) return;
  headroom_seen_ = now;
  const LeaseHolder& everybody = book_.everybody();
  const uint64_t excess = pool_.keep_headroom(less(everybody.unused.bytes, everybody.wanted.bytes), now);
  if (excess > 0) goals_.add(book_.find(nullptr), {.bytes = excess}, 0);
}

void LocalCache::take_some(Time now) {
  uint64_t left = kLeasesInPiece;
  for (; left > 0 && goals_.any(); --left) {
    if (goals_.is_over()) {
      if (goals_.end()) scan_soon(now);
      continue;
    }
    const LeaseRef ref = goals_.next();
    const uint64_t bytes = book_[ref].bytes;
    if (take(ref, AfterRelease::kDestroy, now)) {
      goals_.took(bytes);
    } else {
      goals_.missed();
    }
  }
  for (; left > 0 && decay_is_due(); --left) {
    static_cast<void>(take(book_.everybody().front, AfterRelease::kCache, now));
  }
  if (left > 0) decaying_ = false;
  for (const ClientId id : rings_) clients_.at(id).port->ring();
  rings_.clear();
}

bool LocalCache::take(LeaseRef ref, AfterRelease after, Time now) {
  LocalLeases& leases = *book_[ref].owner;
  ++looked_;
  if (!leases.take(ref, after, now)) return false;
  rings_.insert(leases.client());
  return true;
}

void LocalCache::find_overdue(Time now) {
  for (uint64_t left = kPassedInPiece; left > 0; --left) {
    const LeaseRef ref = book_.first_overdue();
    if (ref == 0 || now - book_[ref].since < options_.overdue) return;
    const ClientId id = book_[ref].owner->client();
    book_.pass_overdue();
    Client& client = clients_.at(id);
    if (std::exchange(client.overdue, true) || !on_overdue_) continue;
    on_overdue_(id, client.leases.holder().taken);
  }
}

}  // namespace panbo
