// The rules about a grant are checked here, at the moment the client gets it, since a moment later the client may
// itself make the BO busy or keep a reference.

#include "tests/sim/sim_client.h"

#include <algorithm>
#include <utility>

#include "daemon/service/alloc_flags.h"
#include "proto/limits.h"

namespace panbo::sim {

bool says_that_nothing_is_there(Errno error) {
  return error == Errno{ENOMEM} || error == Errno{ENOSPC};
}

SimClient::SimClient(Gate& gate, FakeDevice& device, Facts& facts, TableMemory& tables, uint32_t uid)
    : gate_(gate), device_(device), facts_(facts), tables_(tables), uid_(uid), id_(gate.connect({.uid = uid}, *this)) {
}

SimClient::~SimClient() {
  leave();
}

void SimClient::leave() {
  if (std::exchange(left_, true)) return;
  for (const Lease& lease : leases_) facts_.at(lease.handle).leased = false;
  leases_.clear();
  sent_.clear();
  gate_.turns().remove(line_);
  gate_.disconnect(id_);
}

void SimClient::hello(bool lease_table) {
  say(HelloRequest{.protocol_version = 1, .name = "simulated", .lease_table = lease_table});
}

void SimClient::say(ClientRequest message) {
  const bool is_hello = std::holds_alternative<HelloRequest>(message);
  broken_ = broken_ || greeted_ == is_hello;
  greeted_ = greeted_ || is_hello;
  sent_.emplace_back(RequestId{next_request_++}, std::move(message));
  gate_.turns().add(UserId{uid_}, line_);
}

Turns::Work::Piece SimClient::read_next() {
  Turns::Work::Piece piece;
  if (gate_.has_backlog(id_)) {
    piece = gate_.work_off(id_);
  } else if (!closed_ && !sent_.empty()) {
    auto [request, message] = std::move(sent_.front());
    sent_.pop_front();
    ++touches_;
    piece.price = gate_.handle(id_, request, std::move(message));
  }
  piece.more = gate_.has_backlog(id_) || (!closed_ && !sent_.empty());
  return piece;
}

void SimClient::close() {
  require(broken_, "only a client that broke the protocol is closed");
  closed_ = true;
}

std::span<LeaseWord> SimClient::make_lease_table() {
  if (tables_.guarded()) return table_ = tables_.make(kLeaseTableWords);
  own_table_ = std::vector<LeaseWord>(24);
  return table_ = own_table_;
}

SimClient::Lease* SimClient::some_lease(Random& random, LeaseUse use) {
  std::vector<Lease*> matching;
  for (Lease& lease : leases_) {
    if (lease.slot != 0 && lease_use(lease.word) == use) matching.push_back(&lease);
  }
  return matching.empty() ? nullptr : matching[random.below(matching.size())];
}

bool SimClient::free_locally(Random& random) {
  Lease* lease = some_lease(random, LeaseUse::kInUse);
  if (lease == nullptr) return false;
  bool wake = false;
  lease->word = free_lease(table_[lease->slot], lease->word, table_[0], wake);
  wake_due_ = wake_due_ || wake;
  ++touches_;
  return true;
}

bool SimClient::use_locally(Random& random) {
  Lease* lease = some_lease(random, LeaseUse::kUnused);
  if (lease == nullptr) return false;
  if (use_lease(table_[lease->slot], lease->word)) {
    lease->word = with_use(lease->word, LeaseUse::kInUse);
    ++used_again;
    ++touches_;
  }
  return true;
}

bool SimClient::scribble(Random& random) {
  if (table_.empty()) return false;
  honest_ = false;
  for (uint64_t n = random.between(1, table_.size()); n > 0; --n) {
    table_[random.below(table_.size())] = static_cast<uint32_t>(random.below(uint64_t{1} << 32));
  }
  return true;
}

void SimClient::say_unused() {
  if (std::exchange(wake_due_, false)) say_unused_anyway();
}

void SimClient::say_unused_anyway() {
  say(LeasesUnusedRequest{});
}

void SimClient::answer_bell() {
  if (stopped || !std::exchange(rung_, false)) return;
  ReleaseRequest taken;
  std::erase_if(leases_, [&](const Lease& lease) {
    if (lease.slot == 0 || lease_use(table_[lease.slot]) != LeaseUse::kTaken) return false;
    taken.leases.push_back(lease.id);
    facts_.at(lease.handle).leased = false;
    return true;
  });
  given_back += taken.leases.size();
  say(std::move(taken));
}

void SimClient::check_table() const {
  if (!honest_) return;
  require(table_.empty() || table_[0] != 0 || unused().count == 0, "nothing unused lies unseen");
  for (const Lease& lease : leases_) {
    if (lease.slot == 0) continue;
    const uint32_t word = table_[lease.slot];
    const bool taken = lease_use(lease.word) == LeaseUse::kUnused && word == with_use(lease.word, LeaseUse::kTaken);
    require(word == lease.word || taken, "the daemon takes what is unused, and nothing else");
  }
}

bool SimClient::is_unused(const Lease& lease) const {
  return lease.slot != 0 && lease_use(table_[lease.slot]) == LeaseUse::kUnused;
}

Amount SimClient::unused() const {
  Amount amount;
  for (const Lease& lease : leases_) {
    if (is_unused(lease)) amount.add(device_.bo(lease.handle).size);
  }
  return amount;
}

void SimClient::alloc(std::vector<AllocItem> items, Duration timeout) {
  const auto& failures = device_.create_failures;
  const bool excused = std::any_of(failures.begin(), failures.end(), says_that_nothing_is_there);
  asked_.emplace(RequestId{next_request_},
                 Asked{.items = items, .timeout = timeout, .at = gate_.now(), .excused = excused});
  last_answer_.reset();
  say(AllocRequest{.items = std::move(items), .timeout = timeout});
}

size_t SimClient::lately_open(Duration time) const {
  const auto lately =
      std::count_if(answered_at_.rbegin(), answered_at_.rend(), [&](Time at) { return gate_.now() - at < time; });
  return asked_.size() + static_cast<size_t>(lately);
}

size_t SimClient::read_requests() const {
  const auto unread = std::count_if(sent_.begin(), sent_.end(), [](const auto& message) {
    return std::holds_alternative<AllocRequest>(message.second);
  });
  return asked_.size() - static_cast<size_t>(unread);
}

void SimClient::excuse() {
  for (auto& [request, asked] : asked_) asked.excused = true;
}

void SimClient::release_all() {
  while (!leases_.empty()) {
    ReleaseRequest some;
    for (; !leases_.empty() && some.leases.size() < limits::kMaxReleases; leases_.pop_back()) {
      some.leases.push_back(leases_.back().id);
      facts_.at(leases_.back().handle).leased = false;
    }
    say(std::move(some));
  }
}

void SimClient::release(size_t index) {
  const Lease lease = leases_[index];
  leases_.erase(leases_.begin() + static_cast<ptrdiff_t>(index));
  facts_.at(lease.handle).leased = false;
  say(ReleaseRequest{{lease.id}});
}

void SimClient::release_wrong(LeaseId lease) {
  say(ReleaseRequest{{lease}});
}

void SimClient::reply(RequestId request, ClientReply reply) {
  if (deaf) return;
  const auto asked = asked_.find(request);
  if (const auto* granted = std::get_if<GrantedReply>(&reply)) {
    require(asked != asked_.end(), "a grant answers a request that is open");
    check_grants(asked->second.items, *granted);
  }
  // A failure may also answer a release.
  if (asked == asked_.end()) return;
  const auto* failure = std::get_if<FailureReply>(&reply);
  if (failure != nullptr && on_refused) on_refused(asked->second, failure->kind);
  asked_.erase(asked);
  answered_at_.push_back(gate_.now());
  last_answer_ = std::move(reply);
}

void SimClient::check_grants(const std::vector<AllocItem>& items, const GrantedReply& reply) {
  require(reply.grants.size() >= items.size(), "a request is granted whole");
  require(reply.grants.size() <= limits::kMaxBatch, "a grant has no more fds than a packet can");
  std::vector<uint64_t> extras(items.size());
  for (size_t granted = 0; granted < reply.grants.size(); ++granted) {
    const Grant& grant = reply.grants[granted];
    const bool extra = granted >= items.size();
    require(extra == (grant.extra_of != 0) && grant.extra_of <= items.size(), "the extra ones come last");
    const size_t i = extra ? grant.extra_of - 1 : granted;
    if (extra) require(++extras[i] <= items[i].extra, "there are no more extra ones than were welcome");
    require(!extra || grant.slot != 0, "an extra one has a word");
    for (const Lease& other : leases_) {
      require(grant.slot == 0 || grant.slot != other.slot, "two leases have no word in common");
    }
    require(device_.exists(grant.bo.handle), "a BO that is lent exists");
    const FakeDevice::FakeBo& bo = device_.bo(grant.bo.handle);
    BoFacts& facts = facts_[grant.bo.handle];
    require(!facts.leased, "a BO is lent to one client at a time");
    require(!bo.busy, "a busy BO is not lent");
    require(bo.others == 0 && bo.imports == 0, "a BO that somebody still holds is not lent");
    require(!bo.evictable, "a BO that is lent is not evictable");
    require(!bo.purged, "a BO whose pages are gone is not lent");
    require(facts.data_of == 0 || facts.data_of == uid_, "a BO does not cross domains");
    require(facts.data_of == 0 || (items[i].flags & kAllocZeroed) == 0, "zeroed memory reads as zero");
    require(facts.data_of == 0 || grant.origin != Origin::kFresh, "a fresh BO was never used");
    require(bo.size >= items[i].size, "a BO is as large as was asked for");
    require(bo.kind == kind_of_flags(items[i].flags), "a BO is of the kind that was asked for");
    facts = {.data_of = uid_, .leased = true, .borrower = id_};
    leases_.push_back({grant.lease, grant.bo.handle, grant.slot, extra ? next_unused(0) : 0});
  }
}

}  // namespace panbo::sim
