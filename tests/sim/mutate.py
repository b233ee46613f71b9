#!/usr/bin/env python3
"""Shows that the simulation finds bugs: breaks the code in one place at a time and expects a rule to be broken.

Each mutation replaces one piece of source text. The mutated file is compiled and linked in front of the libraries that
hold the original, and panbo-sim runs its seeds. A mutation that survives is a failure of the simulation, one whose
text is not found exactly once, or as often as TIMES says, a failure of this list.
"""

import argparse
import concurrent.futures
import pathlib
import subprocess
import sys
import tempfile

POOL = "daemon/core/bo_pool.cpp"
GIVING_BACK = "daemon/core/bo_pool_giving_back.cpp"
READY = "daemon/core/ready_bos.cpp"
BUDGET = "daemon/core/budget.cpp"
ALLOCATOR = "daemon/core/allocator.cpp"
REQUESTS = "daemon/service/alloc_requests.cpp"
SERVICE = "daemon/service/service.cpp"
LEASES = "daemon/service/local_leases.cpp"
LOCAL = "daemon/service/local_cache.cpp"
BOOK = "daemon/service/lease_book.cpp"
ROOM = "daemon/core/board_room.cpp"
CACHE = "daemon/core/bo_cache.cpp"

MUTATIONS = [
    ("domains are not kept apart", SERVICE, "DomainId{session.peer.uid}", "DomainId{1}"),
    ("a client's leases outlive it", SERVICE, "      service_.take_back(session_.id, ended, now);\n", ""),
    ("a BO that somebody holds is taken for ready", POOL, "*holders == Holders::kOthersToo", "false"),
    ("a BO that somebody holds is forgotten", POOL, "    hold(bo, now);", "    retire(bo, now);"),
    ("there is no end to how many BOs are held", POOL, "held_.size() > options_.held_max", "false"),
    ("purged pages are lent", POOL, "    ready_.remove(*bo);\n    const auto pages = device_.make_unevictable(bo->device);\n    if (pages && *pages == Pages::kRetained)",
     "    ready_.remove(*bo);\n    const auto pages = device_.make_unevictable(bo->device);\n    if (pages)"),
    ("purged stock is lent", POOL, "    if (pages && *pages == Pages::kRetained) {\n      stock_.remove(*bo);",
     "    if (pages) {\n      stock_.remove(*bo);"),
    ("what is lent stays in the stock", POOL, "      stock_.remove(*bo);\n      stock_.postpone", "      stock_.postpone"),
    ("the stock is evictable no more after a look", POOL, "if (!there || !device_.make_evictable(bo->device))", "if (!there)"),
    ("the stock takes no notice of the total budget", ALLOCATOR, "size > room_.budget_left() || ", ""),
    ("the cache's budget is not kept", POOL, "while (ready().bytes > options_.cache_max - bytes)", "while (false)"),
    ("the cache does not decay", READY, "decay_deadline_ = earlier(decay_deadline_, now + decay_.step());", ""),
    ("a ready BO is still charged", POOL, "  bo.borrower.charge.reset();\n", ""),
    ("an evicted BO stays in the cache", GIVING_BACK, "  ready_.remove(bo);\n  total.add", "  total.add"),
    ("a retired BO is not closed", POOL, "    worker_->destroy(bo.id, bo.device, bo.key.memory());\n", ""),
    ("a BO that is watched goes to the worker", POOL, "if (may_be_watched) device_.unwatch(bo.id);", ""),
    ("zeroed memory comes from the cache", ALLOCATOR, "demand.zeroed ? nullptr : ", ""),
    ("the total budget is not kept", ROOM,
     "std::min(minus(options_.total_max, pool_.memory()), memory_left(available))", "memory_left(available)"),
    ("a BO is not charged", ALLOCATOR, "paid.split_off(cost_of(demand))};\n  price", "Charge()};\n  price"),
    ("an extra BO is not charged", ALLOCATOR, "*std::move(charge)};\n  const", "Charge()};\n  const"),
    ("addresses are not given back", BUDGET, "  addresses -= other.addresses;\n", ""),
    ("addresses are not charged", ALLOCATOR, ".addresses = key.size", ".addresses = 0"),
    ("a heap is charged as all that it may grow to", ALLOCATOR, "{.bytes = key.memory(),", "{.bytes = key.size,"),
    ("an evictable BO is never made", POOL, "if (holders && *holders == Holders::kOnlyUs) holders = device_.make_evictable",
     "if (false) holders = device_.make_evictable"),
    ("a batch is granted in part", REQUESTS, "if (request.pending > 0) return false;\n      grant",
     "grant"),
    ("what a failed batch got is forgotten", REQUESTS, "      pool_.take_back_unsent(*loan.bo, now);\n", ""),
    ("a request that has ended hears of its creation", REQUESTS, "      creating_.at(id) = nullptr;\n", ""),
    ("open requests are not charged", REQUESTS, "{.requests = 1}", "{.requests = 0}"),
    ("deadlines are not kept", REQUESTS, 
     "    fail(*request, request->deadline ? Errno{ETIMEDOUT} : request->error);\n", ""),
    ("a lease is taken without a comparison", LEASES, "!take_lease(word, lease.seen)",
     "(word.store(with_use(lease.seen, LeaseUse::kTaken)), false)"),
    ("there is no last look at a table", LEASES, "  stop_watching(table_[0]);\n  look(now);", "  stop_watching(table_[0]);"),
    ("a taken lease may be taken again", BOOK, "  lease.state = LeaseState::kTaken;\n", ""),
    ("what was used again is still counted as unused", BOOK, "if (lease_use(word) == LeaseUse::kUnused) enter_unused(ref);",
     "enter_unused(ref);"),
    ("a scan passes over tables", LOCAL, "if (!leases.wants_look()) return true;", "if (leases.words() % 2 == 0) return true;"),
    ("a word has a second lease before the first is released", LEASES, "  book_.take(ref, after, now);\n",
     "  book_.take(ref, after, now);\n  free_slots_.push_back(lease.slot);\n"),
    ("unused leases do not decay", LOCAL, "now_ - book_[longest].since >= options_.decay", "false"),
    ("a client's word that it has something unused is not heard", LOCAL, "  if (!scan_at_) scan_at_ = now + interval_;\n}", "}"),

    # Nobody waits for what is there.
    ("a freed quota wakes nobody", BUDGET, "if (account->listener_ != nullptr) account->listener_->given_back(*account);", ""),
    ("who waits for its client's quota stays there when it is its user's", REQUESTS, "if (full != waiting_.waits_for(request)) {",
     "if ((full != nullptr) != (request.error == Errno{EDQUOT})) {"),
    ("what comes back wakes nobody", REQUESTS, "  wake_for_memory(now);\n}\n\nvoid AllocRequests::wake_for", "}\n\nvoid AllocRequests::wake_for"),
    ("what was promised wakes nobody when it comes back", REQUESTS,
     "if (std::exchange(request.admitted, false)) wake_for_memory(now);", ""),
    ("the memory of other programs is not looked at", REQUESTS, "if (look_again_at_ && *look_again_at_ <= now) {", "if (false) {"),
    ("who is refused does not look at what is held", REQUESTS, "const bool look = of_use && ", "const bool look = false && "),
    ("what is being destroyed is not counted", ROOM, "available + worker_->destroying()", "available"),
    ("what is ready is not counted", ROOM, "minus(left_now + spare, promised_)", "minus(left_now, promised_)"),

    # What is being made counts as gone, and nothing is made for nobody.
    ("what is being made is not counted", ROOM, "worker_->creating())", "0)"),
    ("what was promised is not counted", ROOM, "  room_->promised_ ", "  uint64_t nothing = 0;\n  nothing "),
    ("a cancelled creation is made all the same", ALLOCATOR, "if (!worker_->cancel(bo.id)) return false;", "return false;"),
    ("a client's requests outlive it", SERVICE, "requests_.cancel_client(client);", "0;"),

    # Work is bounded.
    ("held BOs are looked at in one go", POOL, "constexpr size_t kMostLooks = 32;", "constexpr size_t kMostLooks = 100'000;"),
    ("who is refused looks at what is held for ever", REQUESTS, "!more || request.looks_left <= kHeldPiece", "!more"),
    ("BOs are evicted in one go", GIVING_BACK, "total.count < max_bos && ready_.first", "ready_.first"),
    ("a client that goes gives all back in one go", SERVICE, "i < kTakeBackPiece && !session_.leases.empty()",
     "!session_.leases.empty()"),
    ("making a BO costs no turn", ALLOCATOR, "    price += price_of_creation(key.size);\n", ""),
    ("tables are looked at in one go", LOCAL, "if (left.tables == 0 || left.words == 0) return false;", ""),
    ("a request is done in one go", REQUESTS, "while (price < kPiece) {", "while (true) {"),

    # Nobody is punished for another.
    ("an executable BO that nothing can hold is tried", SERVICE, "item.size > limits.max_executable_size", "false"),
    ("a request that its quota can never hold waits", REQUESTS, "!request.account()->can_ever_hold(request.cost)", "false"),
    ("the last share is not kept", BUDGET, "const uint64_t open = minus(minus(limit, share), used);",
     "const uint64_t open = minus(limit, used);"),
    ("the last share is nobody's", BUDGET, "return std::max(open, std::min(part, minus(limit, used)));", "return open;"),
    ("one user's churn flushes the cache of another", CACHE,
     "by_bytes_.front();\n  return user == nullptr ? nullptr : user->lru.front();",
     "by_bytes_.front();\n  return user == nullptr ? nullptr : oldest();"),
]

# Those whose text is there more than once, and is replaced everywhere.
TIMES = {"what was promised is not counted": 2}


def run(mutation, args):
    """Whether the mutation was caught, and by what."""
    name, file, old, new = mutation
    source = (args.source / file).read_text()
    times = TIMES.get(name, 1)
    if source.count(old) != times:
        return False, f"the text to replace is there {source.count(old)} times"
    with tempfile.TemporaryDirectory() as folder:
        mutant = pathlib.Path(folder) / "mutant.cpp"
        mutant.write_text(source.replace(old, new))
        program = pathlib.Path(folder) / "mutant"
        flags = ["-std=c++20", "-O1", "-w", "-I", args.source]
        built = subprocess.run([args.compiler, *flags, mutant, *args.objects, "-o", program, "-pthread"],
                               capture_output=True, text=True)
        if built.returncode != 0:
            return False, "does not compile:\n" + built.stderr
        # Most are caught at once, few need many seeds.
        for what in (["--scenario", "all"], ["--seeds", "100"], ["--first", "101", "--seeds", "1900"]):
            try:
                ran = subprocess.run([program, *what, "--threads", "1"], capture_output=True, text=True,
                                     timeout=args.timeout)
            except subprocess.TimeoutExpired:
                return True, "it never came to rest"
            if ran.returncode != 0:
                lines = (ran.stdout + ran.stderr).splitlines()
                broken = [line for line in lines if "broke a rule" in line]
                return True, (broken or lines or [f"ended by signal {-ran.returncode}"])[0]
        return False, "every rule held"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--only", default="", help="run those whose name contains this")
    parser.add_argument("--timeout", type=int, default=60, help="seconds after which a mutant counts as hanging")
    parser.add_argument("objects", nargs="+", help="the simulation's objects and libraries, in link order")
    args = parser.parse_args()
    survived = 0
    mutations = [mutation for mutation in MUTATIONS if args.only in mutation[0]]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (name, *_), (caught, how) in zip(mutations, pool.map(lambda m: run(m, args), mutations)):
            print(f"{'caught  ' if caught else 'SURVIVED'}  {name}: {how}", flush=True)
            survived += not caught
    print(f"{len(mutations) - survived} passed, {survived} failed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
