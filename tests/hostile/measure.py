"""Honest clients beside an animal, and beside processes that only take the CPU; medians of several rounds."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import animal
import people
from daemon import Daemon

NAMES = ("other", "same")


def run_honest(programs, socket, seconds, count=None, limit=40):
    """One honest client of another user and one of the animal's, at the same time. Returns what each saw; None for
    one that did not come back in time."""
    running = {}
    for name, uid in zip(NAMES, (people.OTHER, people.animal_uid(0))):
        command = [programs.honest, socket, "honest " + name, str(seconds)] + ([str(count)] if count else [])
        running[name] = subprocess.Popen(
            command, stdout=subprocess.PIPE, env=programs.environment, text=True,
            user=uid, group=uid, extra_groups=[] if people.IS_ROOT else None)
    seen = {}
    end = time.monotonic() + seconds + limit
    for name, process in running.items():
        try:
            out, _ = process.communicate(timeout=max(0.1, end - time.monotonic()))
            seen[name] = json.loads(out)
        except (subprocess.TimeoutExpired, json.JSONDecodeError):
            process.kill()
            process.communicate()
            seen[name] = None
    return seen


class Beside:
    """What was seen beside one kind of neighbour, in all rounds."""

    def __init__(self):
        self.rounds = []

    def measure(self, daemon, programs, neighbours, cpu, seconds, ready_seconds, errors=None):
        with people.working(neighbours, cpu, ready_seconds, errors) as ready:
            before = daemon.cpu_seconds(), daemon.counters(), time.monotonic()
            daemon.pings.start()
            seen = run_honest(programs, daemon.socket, seconds)
            took, used = time.monotonic() - before[2], daemon.cpu_seconds() - before[0]
            pause = daemon.pings.pause_ms()
            counters = daemon.counters()
            self.rounds.append({
                "ready": ready, "seen": seen, "pause_ms": pause,
                "cpu": used / took,
                "calls": calls_of(counters, before[1], took), "longest_turn_ms": longest_turn(counters)})

    def values(self, name, key):
        return [r["seen"][name][key] for r in self.rounds if r["seen"][name] is not None]

    def median(self, name, key):
        values = self.values(name, key)
        return statistics.median(values) if values else None

    def most(self, key):
        return max((r[key] for r in self.rounds if r[key] is not None), default=None)

    def errors(self, name):
        """Failures by name, and how many clients were never heard of again."""
        found = {}
        for r in self.rounds:
            seen = r["seen"][name]
            for error, count in ({"stuck": 1} if seen is None else seen["errors"]).items():
                found[error] = found.get(error, 0) + count
        return found


def longest_turn(counters):
    """Of all turns since the daemon started."""
    longest = counters.get("longest_turn_us")
    return None if longest is None else longest / 1000


def calls_of(counters, before, seconds):
    if "device_calls" not in counters:
        return None
    return (counters["device_calls"] - before.get("device_calls", 0)) / seconds


def measure(name, programs, seconds, rounds, small=False):
    """Returns (beside burners, beside the animal, what was left)."""
    kind = animal.ALL[name]
    cpus = sorted(os.sched_getaffinity(0))
    burners, animals = Beside(), Beside()
    daemon = Daemon(programs)
    errors = tempfile.TemporaryFile()
    try:
        count = len(kind.small_users if small else kind.users)
        for _ in range(rounds):
            burners.measure(daemon, programs, [(people.burn, people.animal_uid(0))] * count, cpus[-1], seconds, 10)
            animals.measure(daemon, programs, animal.processes(name, small, daemon), cpus[-1], seconds, kind.seconds,
                            errors.fileno())
            left = daemon.wait_quiet(20)
        alive = daemon.alive()
    finally:
        daemon.end()
    if not alive:
        print(f"{name}: panbod is gone", file=sys.stderr)
    return burners, animals, left


def ratio(animals, burners, name, key):
    ratios = [a["seen"][name][key] / b["seen"][name][key] for a, b in zip(animals.rounds, burners.rounds)
              if a["seen"][name] and b["seen"][name] and b["seen"][name][key]]
    return statistics.median(ratios) if ratios else None
