"""Honest clients beside an animal, and beside processes that only take the CPU; medians of several rounds."""

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time

import animal
import people
from daemon import Daemon

NAMES = ("other", "same")


def run_honest(programs, socket, seconds, count=None, limit=40, cpus=None):
    """One honest client of another user and one of the animal's, at the same time. Returns what each saw; None for
    one that did not come back in time."""
    running_clients = {}
    for name, uid in zip(NAMES, (people.OTHER, people.animal_uid(0))):
        command = [programs.honest, socket, "honest " + name, str(seconds)] + ([str(count)] if count else [])
        running_clients[name] = people.spawn(command, uid, cpus, stdout=subprocess.PIPE, env=programs.environment,
                                             text=True)
    seen = {}
    end = time.monotonic() + seconds + limit
    for name, process in running_clients.items():
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

    def measure(self, daemon, programs, neighbours, cpus, seconds, ready_seconds, errors=None):
        with people.working(neighbours, cpus[-1], ready_seconds, errors) as ready:
            before = daemon.cpu_seconds(), daemon.counters(), time.monotonic()
            daemon.pings.start()
            seen = run_honest(programs, daemon.socket, seconds, cpus=set(cpus[:-1] or cpus))
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
    """Returns (beside burners, beside the animal, what was left of it). The animal has the last CPU, as the burners
    have, and the daemon and the honest clients have the others, so that what counts is the daemon's work. Every round has daemons of its own, since one
    that was attacked may have to do with that for long."""
    kind = animal.ALL[name]
    cpus = sorted(os.sched_getaffinity(0))
    burners, animals, left = Beside(), Beside(), {}
    burn = [(people.burn, people.animal_uid(0))] * len(kind.small_users if small else kind.users)
    with tempfile.TemporaryFile() as errors:
        for _ in range(rounds):
            with running(programs, cpus) as daemon:
                burners.measure(daemon, programs, burn, cpus, seconds, 10)
            with running(programs, cpus) as daemon:
                attack = animal.processes(name, small, daemon)
                animals.measure(daemon, programs, attack, cpus, seconds, kind.seconds, errors.fileno())
                try:
                    left.update(daemon.wait_quiet(20))
                except TimeoutError:
                    left["question without an answer"] = 1
                    daemon.process.kill()
                if not daemon.alive():
                    left["panbod, which is gone"] = 1
    return burners, animals, left


@contextlib.contextmanager
def running(programs, cpus):
    daemon = Daemon(programs, cpus=set(cpus[:-1] or cpus))
    try:
        yield daemon
    finally:
        daemon.end()


def ratio(animals, burners, name, key):
    """The median over the rounds in which somebody was served beside both; None if there is none."""
    ratios = [a["seen"][name][key] / b["seen"][name][key] for a, b in zip(animals.rounds, burners.rounds)
              if a["seen"][name] and a["seen"][name]["served"] and b["seen"][name] and b["seen"][name]["served"]]
    return statistics.median(ratios) if ratios else None
