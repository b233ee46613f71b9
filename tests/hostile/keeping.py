"""Animals that keep much: leases, what they have released, words in lease tables."""

import os
import time

import wire
from animal import animal
from asking import KIB, hoard_unused


def take_many(client, count, keep_fds=False):
    leases, fds = [], []
    while len(leases) < count:
        got, packet, more = client.take([4 * KIB] * min(wire.BATCH, count - len(leases)), with_fds=keep_fds)
        if not got:
            raise OSError(f"the daemon gave {len(leases)} of {count}: {packet!r}")
        leases += got
        fds += more
    return leases, fds


def shares(count, most):
    return [min(most, count - at) for at in range(0, count, most)]


@animal(30, seconds=60, idle=True)
def hoards(den):
    """As many leases as a user may have, 65,536 in four clients: everything that goes through all leases is long."""
    clients = []
    for share in shares(den.bos(65536, 1000), 16384):
        clients.append(wire.Client(den.socket, "hoards"))
        take_many(clients[-1], share)
    den.ready()
    time.sleep(3600)


@animal(30, seconds=60)
def held(den):
    """As many released BOs as a user may have, 65,536, of each of which it keeps the fd: the kernel does not tell when
    that goes, so somebody has to look at them again and again."""
    client = wire.Client(den.socket, "holds")
    kept = []
    # A quarter of the daemon's fds is the most that may be held.
    for share in shares(min(den.bos(65536, 1000), den.fd_limit // 4 - 100), 4096):
        leases, fds = take_many(client, share, keep_fds=True)
        client.give_back(leases)
        kept += fds
    den.ready()
    time.sleep(3600)


@animal(30, seconds=60)
def toggles(den):
    """Lease tables in which every word changes between in use and unused all the time, some with nonsense in them, and
    a flood of LeasesUnused: what is read there is out of date at once."""
    keepers = hoard_unused(den, den.bos(65536, 1000))
    den.ready()
    while True:
        for client, table in keepers:
            for at, slot in enumerate(table):
                word = client.words[slot]
                client.words[slot] = den.random.getrandbits(32) if at % 16 == 0 else wire.next_unused(word)
            client.words[0] = 1
            for _ in range(20):
                client.send(wire.envelope(wire.LEASES_UNUSED))
            for slot in table[::2]:
                client.words[slot] &= ~3


@animal(30, seconds=60)
def departs(den):
    """A client takes 9,000 leases and is gone, again and again: all of them come back at once."""
    while True:
        client = wire.Client(den.socket, "departs")
        take_many(client, min(9000, den.bos(9000, 1000, share=0.8)))
        client.close()
        den.ready()


@animal(32, seconds=60)
def passes_on(den):
    """A client of 2,000 leases is gone while its process still has their fds, which it closes a little later: what it
    had is held by nobody who is connected."""
    while True:
        client = wire.Client(den.socket, "passes on")
        leases, fds = take_many(client, den.bos(2000, 500), keep_fds=True)
        client.give_back(leases[: len(leases) // 2])
        client.close()
        den.ready()
        time.sleep(0.2)
        for fd in fds:
            os.close(fd)
