#!/usr/bin/env python3
"""Shows that the simulation finds bugs: breaks the code in one place at a time and expects a rule to be broken.

Each mutation replaces one piece of source text. The mutated file is compiled and linked in front of the libraries that
hold the original, and panbo-sim runs its seeds. A mutation that survives is a failure of the simulation, one whose
text is not found exactly once a failure of this list.
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

RULES = ["--no-waiting-rules", "--no-work-rules", "--no-worker-rules", "--no-fairness-rules"]

MUTATIONS = [
    ("domains are not kept apart", SERVICE, "DomainId{session.peer.uid}", "DomainId{1}"),
    ("a client's leases outlive it", SERVICE, "session->second.leases) take_back(client, lease, now);",
     "session->second.leases) static_cast<void>(lease);"),
    ("a BO that somebody holds is taken for ready", POOL, "*holders == Holders::kOthersToo", "false"),
    ("a BO that somebody holds is forgotten", POOL, "    hold(bo, now);", "    retire(bo, now);"),
    ("there is no end to how many BOs are held", POOL, "held_.size() > options_.held_max", "false"),
    ("purged pages are lent", POOL, "    ready_.remove(*bo);\n    const auto pages = device_.make_unevictable(bo->device);\n    if (pages && *pages == Pages::kRetained)",
     "    ready_.remove(*bo);\n    const auto pages = device_.make_unevictable(bo->device);\n    if (pages)"),
    ("purged stock is lent", POOL, "    if (pages && *pages == Pages::kRetained) {\n      stock_.remove(*bo);",
     "    if (pages) {\n      stock_.remove(*bo);"),
    ("what is lent stays in the stock", POOL, "      stock_.remove(*bo);\n      stock_.postpone", "      stock_.postpone"),
    ("the stock is evictable no more after a look", POOL, "if (!there || !device_.make_evictable(bo->device))", "if (!there)"),
    ("the stock takes no notice of the total budget", ALLOCATOR, "if (size > budget_left() || ", "if ("),
    ("the cache's budget is not kept", POOL, "while (ready().bytes > options_.cache_max - bytes)", "while (false)"),
    ("the cache does not decay", READY, "decay_deadline_ = earlier(decay_deadline_, now + decay_.step());", ""),
    ("a ready BO is still charged", POOL, "  bo.borrower.charge.reset();\n", ""),
    ("an evicted BO stays in the cache", GIVING_BACK, "  ready_.remove(bo);\n  total.add", "  total.add"),
    ("a retired BO is not closed", POOL, "    worker_->destroy(bo.id, bo.device, bo.key.memory());\n", ""),
    ("a BO that is watched goes to the worker", POOL, "if (may_be_watched) device_.unwatch(bo.id);", ""),
    ("zeroed memory comes from the cache", ALLOCATOR, "if (demand.zeroed) return", "if (false) return"),
    ("the total budget is not kept", ALLOCATOR, "std::min(budget_left(), memory)", "memory"),
    ("a cached BO is not charged", ALLOCATOR, "*std::move(charge)};\n  Bo* bo = pool_.lend_ready",
     "Charge()};\n  Bo* bo = pool_.lend_ready"),
    ("addresses are not given back", BUDGET, "  addresses -= other.addresses;\n", ""),
    ("addresses are not charged", ALLOCATOR, ".addresses = key.size", ".addresses = 0"),
    ("a heap is charged as all that it may grow to", ALLOCATOR, "{.bytes = key.memory(),", "{.bytes = key.size,"),
    ("a heap needs no room in the total budget", ALLOCATOR, "if (!admit(", "if (key.kind != BoKind::kHeap && !admit("),
    ("an evictable BO is never made", POOL, "if (holders && *holders == Holders::kOnlyUs) holders = device_.make_evictable",
     "if (false) holders = device_.make_evictable"),
    ("a batch is granted in part", REQUESTS, "open->pending > 0 || open->loans.size() < open->demands.size()",
     "open->loans.empty()"),
    ("what a failed batch got is forgotten", REQUESTS, "      pool_.take_back_unsent(*loan.bo, now);", "      continue;"),
    ("a BO that comes for a client that left is granted", REQUESTS,
     "creating_.at(loan.bo->id) = {.open = nullptr", "creating_.at(loan.bo->id) = {.open = open"),
    ("open requests are not charged", REQUESTS, "{.requests = 1}", "{.requests = 0}"),
    ("deadlines are not kept", REQUESTS, "listener_.failed(open->asker, open->demands, open->deadline ? Errno{ETIMEDOUT} : open->error);", ""),
    ("a request that waits wakes itself", REQUESTS,
     "if (open_.has_waited) requests_.supplies_seen_ += requests_.pool_.supplies() - before_;", ""),
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
]


def run(mutation, args):
    """Whether the mutation was caught, and by what."""
    name, file, old, new = mutation
    source = (args.source / file).read_text()
    if source.count(old) != 1:
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
        try:
            ran = subprocess.run([program, "--seeds", "2000", "--threads", "1", *RULES], capture_output=True, text=True,
                                 timeout=args.timeout)
        except subprocess.TimeoutExpired:
            return True, "it never came to rest"
        if ran.returncode == 0:
            return False, "every rule held"
        return True, (ran.stdout or ran.stderr or f"ended by signal {-ran.returncode}").splitlines()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--timeout", type=int, default=60, help="seconds after which a mutant counts as hanging")
    parser.add_argument("objects", nargs="+", help="the simulation's objects and libraries, in link order")
    args = parser.parse_args()
    survived = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (name, *_), (caught, how) in zip(MUTATIONS, pool.map(lambda m: run(m, args), MUTATIONS)):
            print(f"{'caught  ' if caught else 'SURVIVED'}  {name}: {how}", flush=True)
            survived += not caught
    print(f"{len(MUTATIONS) - survived} passed, {survived} failed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
