#!/usr/bin/env python3
"""./dev hostile: what an honest client notices of each hostile one.

Each animal of the zoo attacks a panbod of its own, on the simulated device. Beside it two honest clients allocate 64 KiB
every millisecond: one of another user, one of the same. In turn with that they run beside as many processes that only
take the CPU, pinned like the animal; what is printed are ratios between the two, medians of all rounds.
"""

import argparse
import json
import os
import signal
import sys
import types

# The zoo leaves nothing among the sources.
sys.dont_write_bytecode = True

import animal
import asking  # noqa: F401  registers its animals
import check
import connecting  # noqa: F401
import keeping  # noqa: F401
import measure
import people

COLUMNS = ("animal", "p50 x", "p99 x", "max ms", "connect ms", "same p99 x", "same served", "same failed",
           "turn ms", "(burner)", "pause ms", "(burner)", "CPU %", "calls/s", "errors")


def number(value, digits=1):
    return "" if value is None else f"{value:.{digits}f}"



def row(name, burners, animals, left):
    """One line of the table, and whether it meets the bars."""
    p50, p99 = (measure.ratio(animals, burners, "other", key) for key in ("p50_us", "p99_us"))
    same = measure.ratio(animals, burners, "same", "p99_us")
    other_errors, same_errors = animals.errors("other"), animals.errors("same")
    served, failed = sum(animals.values("same", "served")), sum(same_errors.values())
    turn = animals.most("longest_turn_ms")
    errors = [f"other: {what} x{count}" for what, count in other_errors.items()]
    errors += [f"same: {what} x{count}" for what, count in same_errors.items()]
    errors += [f"left {count} {state}" for state, count in left.items()]
    unready = sum(r["ready"] == 0 for r in animals.rounds)
    if unready:
        errors.append(f"not set up in {unready} rounds")
    missed = []
    if p50 is None or p50 > 2:
        missed.append("p50")
    if p99 is None or p99 > 5:
        missed.append("p99")
    if same is None or same > 20 or failed:
        missed.append("same")
    if turn is not None and turn > 2:
        missed.append("turn")
    if other_errors:
        missed.append("errors")
    largest = max(animals.values("other", "max_us"), default=None)
    connect = max(animals.values("other", "connect_us"), default=None)
    cells = [name, number(p50) or "never", number(p99) or "never", number(largest and largest / 1000), number(connect and connect / 1000),
             number(same) or "never", str(served), str(failed), number(turn, 1), number(burners.most("longest_turn_ms"), 1), number(animals.most("pause_ms")),
             number(burners.most("pause_ms")), number(100 * animals.most("cpu"), 0), number(animals.most("calls"), 0),
             "; ".join(errors)]
    return cells, missed


def table(rows):
    widths = [max(len(line[at]) for line in rows) for at in range(len(COLUMNS))]
    text = []
    for index, line in enumerate(rows):
        cells = [cell.ljust(width) if at in (0, len(COLUMNS) - 1) else cell.rjust(width)
                 for at, (cell, width) in enumerate(zip(line, widths))]
        text.append("| " + " | ".join(cells) + " |")
        if index == 0:
            text.append("|" + "|".join(
                "-" * (w + 2) if at in (0, len(COLUMNS) - 1) else "-" * (w + 1) + ":" for at, w in enumerate(widths)) + "|")
    return "\n".join(text)


def arguments():
    build = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "release")
    parser = argparse.ArgumentParser(prog="./dev hostile", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("animals", nargs="*", metavar="ANIMAL", help="only these; --list has them all")
    parser.add_argument("--list", action="store_true", help="say what each animal does")
    parser.add_argument("--names", action="store_true", help="print the names of their tests")
    parser.add_argument("--quick", action="store_true", help="one round of a second beside each")
    parser.add_argument("--seconds", type=float, default=2, help="of a round beside each (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--nice", type=int, default=0, metavar="N",
                        help="of the daemon and the honest clients, on a machine that has other things to do (as root)")
    parser.add_argument("--check", action="store_true", help="judge by counts instead: the test's short form")
    parser.add_argument("--json", metavar="FILE", help="write all that was seen there")
    parser.add_argument("--panbod", default=os.path.join(build, "bin", "panbod"))
    parser.add_argument("--panboctl", default=os.path.join(build, "bin", "panboctl"))
    parser.add_argument("--honest", default=os.path.join(build, "bin", "panbo-honest"))
    parser.add_argument("--libpanbo", metavar="FILE", help="instead of the one that the honest client was linked to")
    given = parser.parse_args()
    unknown = [name for name in given.animals if name not in animal.ALL]
    if unknown:
        parser.error(f"no such animal: {', '.join(unknown)}; there are {', '.join(animal.ALL)}")
    return given


def main():
    given = arguments()
    if given.names:
        print("\n".join(kind.test for kind in animal.ALL.values()))
        return 0
    if given.list:
        for kind in animal.ALL.values():
            print(f"{kind.name}: {kind.description}\n")
        return 0
    environment = dict(os.environ)
    if given.libpanbo:
        environment["LD_LIBRARY_PATH"] = os.path.dirname(os.path.abspath(given.libpanbo))
    programs = types.SimpleNamespace(panbod=given.panbod, panboctl=given.panboctl, honest=given.honest,
                                     environment=environment)
    # So that nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    people.niceness = given.nice
    names = given.animals or list(animal.ALL)
    fds = people.raise_fd_limit()
    if not people.IS_ROOT:
        print("Not root: all clients are of one user, so 'other user' is the same user here.")
    if given.check:
        return check.run(names, programs)
    seconds, rounds = (1, 1) if given.quick else (given.seconds, given.rounds)
    print(f"{rounds} rounds of {seconds} s beside each; up to {fds} fds, of which a simulated BO takes two.\n"
          "p50, p99, max and connect are the other user's; x: times as long as beside the burners; max, connect, turn and\n"
          "pause are the worst of all rounds. turn is panboctl's, pause the event loop's as its watchdog pings tell.")
    rows, seen, bad = [list(COLUMNS)], {}, []
    for name in names:
        burners, animals, left = measure.measure(name, programs, seconds, rounds)
        cells, missed = row(name, burners, animals, left)
        rows.append(cells)
        seen[name] = {"burners": burners.rounds, "animal": animals.rounds, "left": left}
        print(f"{name}: " + ", ".join(f"{what} {cell}" for what, cell in zip(COLUMNS[1:], cells[1:]) if cell), flush=True)
        if missed:
            bad.append(f"{name} ({', '.join(missed)})")
    print("\n" + table(rows))
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(seen, file, indent=1)
    print("\nBars: other user p50 <= 2 x, p99 <= 5 x, no error; same user served, p99 <= 20 x; turn <= 2 ms.")
    print("Missed by " + ", ".join(bad) if bad else "All are met.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
