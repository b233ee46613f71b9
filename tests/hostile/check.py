"""The short form of the zoo, for ctest: it judges by counts, and never by how long something took.

Beside each animal both honest clients are served as often as they ask, without an error. Once the animal is gone nothing
is left of it: no lease, no held BO, no fd, and its user has its whole quota. Beside an animal that only sits there, the
daemon's system calls are those that the honest clients cost.
"""

import shutil
import signal
import subprocess
import tempfile

import animal
import measure
import people
import wire
from daemon import Daemon

ALLOCATIONS = 100
# What it may take, on a machine that is busy with something else and under sanitizers. To run out of it is a failure.
PATIENCE_SECONDS = 60
# System calls of the daemon for one allocation and one release. It takes about 25, and some for its watchdog.
MOST_CALLS = 100
KIB = 1 << 10


class Judge:
    def __init__(self, name):
        self.name = name
        self.complaints = []

    def expect(self, true, what):
        if not true:
            self.complaints.append(what)


class CallCount:
    """How many system calls a process makes while the block runs."""

    def __init__(self, pid):
        self.pid = pid
        self.total = None

    def __enter__(self):
        self.summary = tempfile.NamedTemporaryFile("r", encoding="ascii")
        self.strace = subprocess.Popen(["strace", "-f", "-c", "-o", self.summary.name, "-p", str(self.pid)],
                                       stderr=subprocess.PIPE, text=True)
        attached = self.strace.stderr.readline()
        if "attached" not in attached:
            raise RuntimeError("strace: " + attached)
        return self

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.communicate()
        with self.summary:
            # The last line: share, seconds, microseconds a call, calls, errors if there are any, "total".
            words = self.summary.read().split("\n")[-2].split()
            self.total = int(words[3])


def count_calls(programs, daemon, judge):
    with CallCount(daemon.process.pid) as calls:
        seen = measure.run_honest(programs, daemon.socket, PATIENCE_SECONDS, ALLOCATIONS)
    served = sum(saw["served"] for saw in seen.values() if saw is not None)
    judge.expect(calls.total <= MOST_CALLS * max(served, 1),
                 f"panbod made {calls.total} system calls for {served} allocations beside it")
    return seen


def beside(name, programs, daemon, judge, errors):
    kind = animal.ALL[name]
    with people.working(animal.processes(name, True, daemon), None, PATIENCE_SECONDS, errors) as ready:
        judge.expect(ready == len(kind.small_users), f"only {ready} of {len(kind.small_users)} processes were set up")
        seen = measure.run_honest(programs, daemon.socket, PATIENCE_SECONDS, ALLOCATIONS, limit=PATIENCE_SECONDS)
        if kind.idle and shutil.which("strace") and all(seen.values()):
            count_calls(programs, daemon, judge)
    for who, saw in seen.items():
        if saw is None:
            judge.expect(False, f"the honest client of the {who} user never came to an end")
            continue
        judge.expect(not saw["failed"], f"the honest client of the {who} user met {saw['errors']}")
        judge.expect(saw["served"] == ALLOCATIONS,
                     f"the honest client of the {who} user was served {saw['served']} of {ALLOCATIONS} times")


def whole_quota(daemon, uid, judge):
    """That user can have again, at once, as many fds in flight and requests as before."""

    def take(ready):
        clients = [wire.Client(daemon.socket, "after") for _ in range(8)]
        for client in clients:
            client.send(wire.alloc([4 * KIB] * wire.BATCH))
        got = sum(len(wire.lease_varints(client.receive()[0])) for client in clients)
        if got == len(clients) * wire.BATCH:
            ready()

    person = people.Person(take, uid)
    judge.expect(person.wait_ready(PATIENCE_SECONDS), "the user of the animal does not get its whole quota afterwards")
    person.end()


def quiet(daemon, judge):
    left = daemon.wait_quiet(PATIENCE_SECONDS)
    judge.expect(not left, f"something is left: {left}")
    daemon.admin.evict_all()


def await_fds(daemon, most):
    """Fds of connections that were closed are closed a moment later: each look is one answer of the daemon later."""
    for _ in range(200):
        if daemon.open_fds() <= most:
            break
        daemon.wait_quiet(0)
        measure.time.sleep(0.05)
    return daemon.open_fds()


def judge_one(name, programs):
    judge = Judge(name)
    daemon = Daemon(programs)
    with tempfile.TemporaryFile() as errors:
        try:
            # What the daemon allocates once is not what an animal costs it.
            measure.run_honest(programs, daemon.socket, PATIENCE_SECONDS, 20)
            whole_quota(daemon, people.animal_uid(0), judge)
            quiet(daemon, judge)
            fds = daemon.open_fds()
            beside(name, programs, daemon, judge, errors.fileno())
            judge.expect(daemon.alive(), "panbod is gone")
            quiet(daemon, judge)
            whole_quota(daemon, people.animal_uid(0), judge)
            quiet(daemon, judge)
            now = await_fds(daemon, fds)
            judge.expect(now <= fds, f"panbod has {now} fds, {fds} before")
            judge.expect(daemon.pings.count > 0, "the watchdog was never pinged")
        except (OSError, subprocess.SubprocessError, RuntimeError) as error:
            judge.expect(False, f"{type(error).__name__}: {error}")
        log = daemon.log()
        status = daemon.end()
    judge.expect(status == 0, f"panbod ended with {status}")
    return judge.complaints, log


def run(names, programs):
    bad = []
    for name in names:
        complaints, log = judge_one(name, programs)
        print(f"{name}: " + ("; ".join(complaints) or "as it should be"), flush=True)
        if complaints:
            bad.append(name)
            print("  panbod's log:\n    " + "\n    ".join(log.splitlines()[-15:]))
    return 1 if bad else 0
