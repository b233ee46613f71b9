"""Animals that ask for much: too often, too much at once, or what can never be."""

import select
import time

import wire
from animal import animal

KIB, MIB = 1 << 10, 1 << 20
# A class of its own, close below what an arena has.
HUGE = 4261412864
HOUR_NS = 3600 * 10**9


def cycle(den, clients, packet):
    """Each connection asks, gives back what it got and asks again, as fast as the daemon answers."""
    poll = select.epoll()
    by_fd = {client.socket.fileno(): client for client in clients}
    for fd, client in by_fd.items():
        poll.register(fd, select.EPOLLIN)
        client.send(packet)
    den.ready()
    while True:
        for fd, _ in poll.poll():
            client = by_fd[fd]
            leases = wire.lease_varints(client.receive()[0])
            if leases:
                client.give_back(leases)
            client.send(packet)


@animal(30)
def flood(den):
    """250 connections, each cycling batches of 64 x 4 KiB (fewer where the fd limit has no room for as many simulated
    BOs): whoever gives a turn to every connection gives 250 to one user."""
    count = den.count(250, 40)
    clients = [wire.Client(den.socket) for _ in range(count)]
    cycle(den, clients, wire.alloc([4 * KIB] * min(wire.BATCH, den.bos(16000, 16000) // count)))


def occupy(den, leave):
    """Takes addresses until less than `leave` bytes of the daemon's total are free."""
    holders = []
    taken = 0
    while den.total_max - taken >= leave:
        holders.append(wire.Client(den.socket, "occupies"))
        for _ in range(3):
            if den.total_max - taken < leave:
                break
            leases, _, _ = holders[-1].take([HUGE])
            if not leases:
                return holders
            taken += HUGE
    return holders


def wait_in_vain(den, requests):
    """Fills the memory with another user, and then waits with requests of 60 BOs that are ready and some that are not."""
    if den.index == 0:
        holders = occupy(den, 3 * HUGE)
        den.ready()
        time.sleep(3600)
        return holders
    time.sleep(0.3)
    keeper = wire.Client(den.socket, "keeps some ready")
    waiters = []
    for _ in range(0, requests, 64):
        waiters.append(wire.Client(den.socket, "waits"))
    huge = min(3, den.total_max // HUGE)
    packet = wire.alloc([4 * KIB] * 60 + [HUGE] * huge, timeout_ns=HOUR_NS)
    while True:
        leases, _, _ = keeper.take([4 * KIB] * 63)
        keeper.give_back(leases)
        if not den.told:
            for at in range(requests):
                waiters[at // 64].send(packet)
            den.ready()
        time.sleep(3)


@animal(30, users=[1, 0], idle=True)
def waits(den):
    """256 requests of one user that wait for `60 x 4 KiB + 3 x 4261412864 B` beside 63 ready BOs, and no more: every
    supply makes a daemon that tries them all lend and take back each item of each of them."""
    return wait_in_vain(den, den.count(256, 64))


@animal(30, users=[31] + list(range(30)), small_users=[3, 0, 1, 2], seconds=15, idle=True)
def waits_of_many(den):
    """The same by 30 users at once: no quota of one user bounds it."""
    return wait_in_vain(den, den.count(256, 64))


def hoard_unused(den, count):
    """Leases with words in lease tables, all of them unused and freed again and again, so that none decays."""
    keepers = []
    while count > 0:
        client = wire.Client(den.socket, "keeps unused", table=True)
        keepers.append((client, []))
        want = min(count, wire.TABLE_WORDS - 1)
        while want > 0:
            leases, packet, _ = client.take([4 * KIB] * min(want, wire.BATCH))
            if not leases:
                return keepers
            keepers[-1][1].extend(wire.slots(packet))
            want -= len(leases)
            count -= len(leases)
    return keepers


@animal(30, users=[1, 0], seconds=60)
def failing(den):
    """200 connections whose requests are over quota, beside another user with 8,000 unused leases: to say who holds
    most, and what could be asked back, somebody has to know, for each failure."""
    if den.index == 0:
        keepers = hoard_unused(den, den.bos(8000, 1000))
        while True:
            for client, table in keepers:
                for slot in table:
                    client.words[slot] = wire.next_unused(client.words[slot])
                client.words[0] = 1
                client.send(wire.envelope(wire.LEASES_UNUSED))
            den.ready()
            time.sleep(0.2)
    clients = [wire.Client(den.socket) for _ in range(den.count(200, 40))]
    return cycle(den, clients, wire.alloc([HUGE] * 5))


@animal(31)
def executables(den):
    """Executables of 2 GiB, which can never be placed since they are aligned to their size, some of which may wait:
    each try evicts everybody's ready BOs and opens an arena."""
    clients = [wire.Client(den.socket) for _ in range(8)]
    for client in clients[4:]:
        client.send(wire.alloc([2 << 30], wire.EXECUTABLE, HOUR_NS))
    return cycle(den, clients[:4], wire.alloc([2 << 30], wire.EXECUTABLE))


@animal(30)
def creations(den):
    """64 fresh BOs of just under 1 MiB in a packet, of four connections: each is small enough to be made on the event
    loop."""
    clients = [wire.Client(den.socket) for _ in range(4)]
    cycle(den, clients, wire.alloc([MIB - 4 * KIB] * wire.BATCH, wire.ZEROED))


@animal(17)
def deaf(den):
    """Thousands of requests that fail at once on 16 connections, none of whose answers is ever read."""
    clients = [wire.Client(den.socket) for _ in range(16)]
    packet = wire.alloc([0])
    for client in clients:
        client.socket.setblocking(False)
    den.ready()
    while True:
        for at, client in enumerate(clients):
            try:
                for _ in range(100):
                    client.send(packet)
            except BlockingIOError:
                pass
            except OSError:
                clients[at] = wire.Client(den.socket)
                clients[at].socket.setblocking(False)
        time.sleep(0.001)


@animal(30, users=[1, 0])
def impatient(den):
    """Requests for what is not there, 64 at a time on four connections, each of which waits for a millisecond: timers
    start and end all the time."""
    if den.index == 0:
        holders = occupy(den, 3 * HUGE)
        den.ready()
        time.sleep(3600)
        return holders
    time.sleep(0.3)
    clients = [wire.Client(den.socket) for _ in range(4)]
    packet = wire.alloc([4 * KIB] * 60 + [HUGE] * min(3, den.total_max // HUGE), timeout_ns=10**6)
    for client in clients[1:]:
        for _ in range(40):
            client.send(packet)
    return cycle(den, clients, packet)


@animal(30)
def names_nothing(den):
    """Packets full of leases that it does not have, and packets of 16 KiB of fields that nobody knows, as fast as they
    are taken: cheap to send, and for whoever looks at each of them not cheap to read."""
    clients = [wire.Client(den.socket) for _ in range(den.count(64, 16))]
    unknown = wire.release([wire.varint((1 << 63) + at) for at in range(wire.RELEASES)])
    nested = b""
    while len(nested) < 16000:
        nested = wire.field(900, nested + b"\x08\x01" * 40)
    packets = [unknown, wire.envelope(wire.RELEASE, b"\x08\x01" * 8000), nested,
               wire.alloc([4 * KIB] * wire.BATCH, flags=0xFF)]
    for client in clients:
        client.socket.setblocking(False)
    den.ready()
    while True:
        for at, client in enumerate(clients):
            try:
                for packet in packets:
                    client.send(packet)
                client.socket.recv(wire.PACKET_BYTES)
            except BlockingIOError:
                pass
            except OSError:
                clients[at] = wire.Client(den.socket)
                clients[at].socket.setblocking(False)


@animal(30)
def relabels(den):
    """Batches of 64 whose labels are others each time: each BO gets a new name, and each name is one for the lists."""
    client = wire.Client(den.socket, "relabels")
    turn = 0
    den.ready()
    while True:
        turn += 1
        items = b"".join(wire.field(1, wire.field(1, 4 * KIB) + wire.field(3, f"{turn} {at} \u202e" + "x" * 50))
                         for at in range(wire.BATCH))
        client.send(wire.envelope(wire.ALLOC, items, 1))
        client.give_back(wire.lease_varints(client.receive()[0]))
